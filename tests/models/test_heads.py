"""What every head promises: its keys agree, its losses teach, and its decode finds what its targets hold."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ethopose.core import SpecError
from ethopose.models.heads import HEADS
from ethopose.models.heads.head import Truth
from ethopose.models.losses import LOSSES

SIZE = HEIGHT, WIDTH = 64, 96
CHANNELS = {2: 3, 4: 4, 8: 5, 16: 6}
EDGES = [(0, 1), (1, 2)]
INSIDE = torch.tensor((WIDTH - 1.0, HEIGHT - 1.0))
OF_ONE = {  # heads of one animal a picture: their options but for the stride
    "probability_map": ("probability_map", {}),
    "simcc": ("simcc", {"size": SIZE}),
    "offset": ("confidence_map", {"single": True, "refinement": "offset"}),
    "gaussian": ("confidence_map", {"single": True, "refinement": "gaussian", "sigma": 1.5}),
}
TWICE = {"kernels": [3], "strides": [2]}  # twice as many cells, and one
NARROW = {name: {"channels": [n], **TWICE} for name, n in {"maps": 2, "offsets": 4, "fields": 2}.items()}
OF_MANY = ("offset", "gaussian")  # refinements of the head that finds any number of peaks
EVERY = {
    **{name: (head, {"keypoints": 3, **told}) for name, (head, told) in OF_ONE.items()},
    "sigmoid": ("confidence_map", {"keypoints": 3, "sigmoid": True}),
    "part_affinity": ("part_affinity", {"edges": EDGES}),
    "located_map": (
        "located_map",
        {
            "keypoints": 3,
            "source": 4,
            "maps": {"channels": [3], **TWICE},
            "offsets": {"channels": [6], **TWICE},
        },
    ),
    "staged_fields": (
        "staged_fields",
        {
            "keypoints": 3,
            "edges": EDGES,
            "source": 4,
            "features": 4,
            "stages": 2,
            "maps": {"channels": [3], **TWICE},
            "offsets": {"channels": [6], **TWICE},
            "fields": {"channels": [4], **TWICE},
        },
    ),
    "centre_offsets": ("centre_offsets", {"keypoints": 3, "animals": 2, "map_width": 4, "width": 2}),
    "token_map": (
        "token_map",
        {
            "keypoints": 3,
            "source": 4,
            "cells": (16, 24),
            "map_cells": (16, 24),
            "width": 16,
            "depth": 2,
            "lookers": 2,
        },
    ),
    "attended_simcc": ("attended_simcc", {"keypoints": 3, "size": SIZE, "width": 16, "keys": 8}),
    "unique_map": ("unique_map", {"keypoints": 3, "source": 4, "maps": {"channels": [3], **TWICE}}),
    "identity_map": ("identity_map", {"classes": 2, "source": 4, "maps": {"channels": [2], **TWICE}}),
    "anchored_boxes": (
        "anchored_boxes",
        {"strides": (8, 16), "size": SIZE, "scales": (0.4, 0.7), "margin": 0.0},
    ),
    "class_map": ("class_map", {"classes": 2}),
    "class_vector": ("class_vector", {"classes": 2, "layers": 2}),
}


def built(head: str, options: dict, stride: int = 4):
    """A head, of the stride where it has any."""
    strided = "stride" in inspect.signature(HEADS[head]).parameters
    return HEADS.build(head, CHANNELS, **options, **({"stride": stride} if strided else {}))


def features(batch: int = 4) -> dict[int, torch.Tensor]:
    chance = torch.Generator().manual_seed(3)
    return {
        stride: torch.rand(batch, channels, HEIGHT // stride, WIDTH // stride, generator=chance)
        for stride, channels in CHANNELS.items()
    }


def truth(batch: int = 4, animals: int = 2, *, keypoints: int = 3) -> Truth:
    chance = torch.Generator().manual_seed(4)
    xy = torch.rand(batch, animals, keypoints, 2, generator=chance) * INSIDE
    return Truth(xy, torch.arange(animals).expand(batch, -1), SIZE)


def ideal(targets: dict[str, torch.Tensor], beta: float = 1.0) -> dict[str, torch.Tensor]:
    """Outputs of a network that has learnt all there is, as the targets have them; its logits count `beta`
    times."""
    made = dict(targets)
    for name in {"logits", "scores", "x", "y"} & made.keys():
        made[name] = made[name].clamp(min=1e-30).log() / beta
    if "fields" in made and "maps" in made:
        made["maps"] = 30 * (2 * made["maps"] - 1)
    for name in {"visible", "individuals", "log_odds"} & made.keys():
        made[name] = 30 * (2 * made[name] - 1)
    return made


def beta_of(head) -> float:
    return getattr(head, "beta", 1.0)


@pytest.fixture(params=EVERY)
def head(request):
    torch.manual_seed(0)
    return built(*EVERY[request.param])


UNTAUGHT = {"proposed_boxes"}  # it runs, and cannot be trained here


def test_every_head_is_tested():
    assert {name for name, _ in EVERY.values()} == set(HEADS) - UNTAUGHT


@pytest.mark.parametrize("name", UNTAUGHT)
def test_a_head_that_cannot_be_trained_says_so(name):
    head = HEADS.build(name, {4: 8, 8: 8}, levels=(4, 8), width=8, sizes=((8,), (16,)))
    with pytest.raises(SpecError, match=r"cannot be trained here.*anchored_boxes"):
        head.targets(truth())
    with pytest.raises(SpecError, match="cannot be trained here"):
        head.losses({}, {})


def test_outputs_targets_and_losses_have_the_same_keys_and_shapes(head):
    outputs, targets = head(features()), head.targets(truth())
    assert tuple(outputs) == head.outputs
    assert set(targets) == set(head.losses(outputs, targets)) == set(outputs)
    for name, output in outputs.items():
        assert targets[name].shape == output.shape
        assert targets[name].dtype == torch.float32


def test_a_gradient_reaches_every_parameter(head):
    losses = head.losses(head(features()), head.targets(truth()))
    sum(losses.values()).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in head.parameters())


def test_losses_are_nothing_where_all_is_learnt_and_something_elsewhere(head):
    targets = head.targets(truth())
    learnt, untrained = (
        head.losses(ideal(targets, beta_of(head)), targets),
        head.losses(head(features()), targets),
    )
    for name in head.outputs:
        assert abs(learnt[name]) < 1e-5
        assert untrained[name] > 1e-4
        assert untrained[name].dtype == torch.float32


def test_losses_fall_when_a_head_is_trained(head):
    optimiser = torch.optim.Adam(head.parameters(), 0.02 / beta_of(head))
    targets = head.targets(truth())
    seen, each = [], []
    for _ in range(30):
        losses = head.losses(head(features()), targets)
        loss = sum(losses.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(loss.item())
        each.append({name: value.item() for name, value in losses.items()})
    assert seen[-1] < 1.001 * min(seen)
    assert seen[-1] < 0.98 * seen[0]
    assert all(each[-1][name] < each[0][name] for name in head.outputs)


def test_nobody_in_a_picture_is_no_fault(head):
    nobody = Truth(torch.full((4, 2, 3, 2), torch.nan), torch.full((4, 2), -1), SIZE)
    outputs = head(features())
    losses = head.losses(outputs, head.targets(nobody))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in head.parameters())


def test_a_head_adds_what_it_says(head):
    found = {"xy": torch.rand(4, 3, 5, 2) * 60, "value": torch.rand(4, 3, 5)}
    assert set(head.decode(head(features()), dict(found))) == set(head.finds)


def test_bf16_outputs_are_taken_by_the_losses_in_full(head):
    outputs = {name: output.bfloat16() for name, output in head(features()).items()}
    losses = head.losses(outputs, head.targets(truth()))
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


places = st.tuples(st.floats(0, WIDTH - 1, width=32), st.floats(0, HEIGHT - 1, width=32))


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("kind", OF_ONE)
@given(xy=st.lists(places, min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_keypoint_comes_back_from_where_its_targets_put_it(kind, stride, xy):
    head = built(OF_ONE[kind][0], {"keypoints": 3, **OF_ONE[kind][1]}, stride)
    wanted = torch.tensor(xy)
    targets = head.targets(Truth(wanted[None, None], torch.tensor([[-1]]), SIZE))
    found = head.decode(ideal(targets), {})
    assert (found["xy"][0, :, 0] - wanted).abs().max() < 0.1
    assert found["value"].min() > 0.5


# heads of other tools: how exactly they tell, px, by bins, cells or offsets; what is other here, so that a
# plateau has few cells, and half of a stride is a whole number
EXACT: dict[str, tuple[float, dict]] = {
    "located_map": (1e-3, {}),
    "staged_fields": (1e-3, {"source": 16, "reach": 5.0}),
    "centre_offsets": (1e-3, {}),
    "attended_simcc": (0.26, {}),
    "token_map": (2.9, {"reach": 2.9}),
}


@pytest.mark.parametrize("name", EXACT)
def test_an_animal_comes_back_from_where_targets_of_other_tools_put_it(name):
    exact, more = EXACT[name]
    head = built(name, {**EVERY[name][1], **more})
    wanted = torch.tensor([[20.3, 21.6], [33.1, 24.9], [45.7, 30.2]])
    targets = head.targets(Truth(wanted[None, None], torch.tensor([[-1]]), SIZE))
    outputs = {name: maps.nan_to_num() for name, maps in ideal(targets, beta_of(head)).items()}
    found = head.decode(outputs, {})
    highest = found["value"][0].argmax(-1)
    assert (found["xy"][0, range(3), highest] - wanted).abs().max() < exact


def test_keypoints_of_no_animal_come_last_in_a_row_of_their_own():
    alone = torch.tensor([[20.3, 21.6], [33.1, 24.9], [45.7, 30.2]])
    xy = torch.full((1, 3, 5, 2), torch.nan)
    xy[0, 0, :2], xy[0, 1, 2:], xy[0, 2, :2] = 50.0, alone, 10.0
    told = Truth(xy, torch.full((1, 3), -1), SIZE)
    head = built(*EVERY["unique_map"])
    found = head.decode(head.targets(told), {})["unique_xy"][0, :, 0]
    assert (found - alone).abs().max() <= head.stride / 2 + 0.01
    animals = built(
        "staged_fields", {**EVERY["staged_fields"][1], "keypoints": 2, "edges": [(0, 1)], **NARROW}
    )
    assert (animals.targets(told)["maps"] > 0).sum() > 0
    assert animals.targets(told)["maps"].shape[1] == 2


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("kind", OF_MANY)
@given(left=places, away=st.floats(0, 1, width=32))
@settings(max_examples=60, deadline=None)
def test_two_animals_come_back_from_where_their_targets_put_them(kind, stride, left, away):
    """Apart from each other: where two bumps overlap, neither is a Gaussian."""
    head = built("confidence_map", {"keypoints": 1, "sigma": 1.0, "refinement": kind}, stride)
    first = torch.tensor((left[0] / 4, left[1]))
    other = torch.tensor((WIDTH - 1 - first[0] / 4, HEIGHT - 1 - away * left[1]))
    xy = torch.stack((first, other))[None, :, None]
    found = head.decode(head.targets(Truth(xy, torch.tensor([[-1, -1]]), SIZE)), {})
    peaks = found["xy"][0, 0, found["value"][0, 0].topk(2).indices]
    nearest = (peaks[:, None] - xy[0, :, 0]).norm(dim=-1).amin(0)
    assert nearest.max() < 0.1
    assert found["value"][0, 0].sort(descending=True).values[1] > 0.4
    assert not found["next_value"][0, 0] > 0.2


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("kind", OF_MANY)
def test_a_keypoint_just_between_cells_which_gives_a_flat_top_comes_back_too(kind, stride):
    head = built("confidence_map", {"keypoints": 2, "sigma": 1.0, "refinement": kind}, stride)
    wanted = torch.tensor(((4.5, 3.0), (4.5, 3.5))) * stride
    found = head.decode(head.targets(Truth(wanted[None, None], torch.tensor([[-1]]), SIZE)), {})
    highest = found["value"][0].argmax(-1)
    torch.testing.assert_close(found["xy"][0, range(2), highest], wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", OF_ONE)
def test_keypoints_that_nobody_placed_disturb_no_others(kind):
    head = built(OF_ONE[kind][0], {"keypoints": 3, **OF_ONE[kind][1]})
    whole = truth(animals=1)
    hidden = Truth(whole.xy.clone(), whole.individual, SIZE)
    hidden.xy[:, :, 1] = torch.nan
    found, partly = (head.decode(ideal(head.targets(told)), {}) for told in (whole, hidden))
    torch.testing.assert_close(partly["xy"][:, [0, 2]], found["xy"][:, [0, 2]])
    assert partly["value"][:, 1].max() < 0.2


def test_fields_lead_from_the_keypoint_to_the_next_of_the_same_animal():
    maps = built("confidence_map", {"keypoints": 3, "refinement": "offset", "sigma": 1.0})
    fields = built("part_affinity", {"edges": EDGES, "sigma": 15.0})
    xy = torch.tensor([[[10.0, 10], [30, 12], [50, 10]], [[10, 50], [30, 48], [50, 50]]])[None]
    told = Truth(xy, torch.tensor([[-1, -1]]), SIZE)
    found = maps.decode(maps.targets(told), {})
    scores = fields.decode(fields.targets(told), found)["line_score"][0]
    top = [(found["xy"][0, k, :, 1] < 32) for k in range(3)]
    there = found["value"][0] > 0.2
    for edge, (source, destination) in enumerate(EDGES):
        for animal in (0, 1):
            own = there[source] & (top[source] == (animal == 0))
            same = there[destination] & (top[destination] == (animal == 0))
            other = there[destination] & (top[destination] == (animal == 1))
            assert scores[edge][own][:, same].min() > 0.8
            assert scores[edge][own][:, other].max() < 0.5


def test_class_maps_name_the_individual_at_each_peak():
    maps = built("confidence_map", {"keypoints": 3, "refinement": "offset", "sigma": 1.0})
    classes = built("class_map", {"classes": 2})
    xy = torch.tensor([[[10.0, 10], [30, 12], [50, 10]], [[10, 50], [30, 48], [50, 50]]])[None]
    for order in ([0, 1], [1, 0]):
        told = Truth(xy, torch.tensor([order]), SIZE)
        found = maps.decode(maps.targets(told), {})
        probability = classes.decode(classes.targets(told), found)["probability"]
        for keypoint in range(3):
            for peak in (found["value"][0, keypoint] > 0.2).nonzero()[:, 0]:
                animal = int(found["xy"][0, keypoint, peak, 1] > 30)
                assert probability[0, keypoint, peak].argmax() == order[animal]
                assert probability[0, keypoint, peak].max() == 1


def test_a_class_map_is_not_told_about_animals_without_a_name_nor_about_empty_places():
    head = built("class_map", {"classes": 2})
    xy = torch.tensor([[[10.0, 10]], [[60, 50]]])[None]
    targets = head.targets(Truth(xy, torch.tensor([[1, -1]]), SIZE))["classes"][0]
    assert targets[:, 2, 2].tolist() == [0, 1]
    assert targets[:, 12, 15].isnan().all()
    assert targets[:, 8, 8].isnan().all()


def test_a_class_vector_names_the_animal_that_the_crop_was_cut_around():
    head = built("class_vector", {"classes": 3})
    told = Truth(torch.zeros(3, 2, 1, 2), torch.tensor([[2, 0], [0, 2], [-1, 1]]), SIZE)
    targets = head.targets(told)
    assert targets["classes"][:2].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert targets["classes"][2].isnan().all()
    assert head.decode(targets, {})["probability"][:2].argmax(-1).tolist() == [2, 0]


def test_simcc_refuses_pictures_of_another_size_than_it_was_made_for():
    head = built("simcc", {"keypoints": 3, "size": (64, 64)})
    with pytest.raises(SpecError, match="64 x 64 px, not 64 x 96"):
        head(features())


def test_an_output_gets_the_loss_and_the_weight_that_the_spec_names():
    options = {"keypoints": 3, "refinement": "offset"}
    targets = built("confidence_map", options).targets(truth())
    nothing = {name: torch.zeros_like(target) for name, target in targets.items()}
    plain = built("confidence_map", options).losses(nothing, targets)
    told = built("confidence_map", {**options, "loss": {"maps": "huber"}, "weight": {"offsets": 1.0}})
    other = told.losses(nothing, targets)
    torch.testing.assert_close(other["maps"], LOSSES["huber"](nothing["maps"], targets["maps"]))
    torch.testing.assert_close(other["offsets"], 20 * plain["offsets"])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"loss": {"map": "mse"}}, "'map', which is no output.*maps"),
        ({"weight": {"locref": 1.0}}, "'locref', which is no output"),
        ({"loss": {"maps": "mean"}}, "no loss is named 'mean'.*mse"),
        ({"refinement": "locref"}, "no refinement is named 'locref'.*offset"),
    ],
)
def test_what_a_head_cannot_be_told_is_refused_with_what_it_can(options, why):
    with pytest.raises(SpecError, match=why):
        built("confidence_map", {"keypoints": 3, **options})
