"""Detectors are torchvision's to the number, and what is left of their boxes too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection import (
    FasterRCNN,
    fasterrcnn_resnet50_fpn_v2,
    ssdlite320_mobilenet_v3_large,
)
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.ops import nms
from torchvision.ops.misc import FrozenBatchNorm2d

from ethopose.core import ModelError
from ethopose.families.deeplabcut3 import detectors
from ethopose.families.deeplabcut3.weights import DETECTORS, _substituted
from ethopose.models.build import build_trained
from ethopose.models.grouping import GROUPINGS, Context
from ethopose.models.grouping.overlaps import unrivalled
from ethopose.models.heads import HEADS, boxes
from ethopose.models.heads.head import Truth
from ethopose.models.layers import IMAGENET, Normalise
from ethopose.models.spec import Preparation, Stage

SIDES = {"resnet50": (160, 200), "mobilenet_v3_large": (384, 500)}  # px, so that it takes seconds
FROZEN = {"norm_layer": FrozenBatchNorm2d, "weights": None}
MOBILENET = {
    "rpn_anchor_generator": AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3),
    "rpn_score_thresh": 0.05,
}


def sides(name: str) -> tuple[int, int]:
    return next((size for body, size in SIDES.items() if body in name), (0, 0))


def peer(name: str, size: tuple[int, int], classes: int = 2) -> torch.nn.Module:
    """torchvision's own detector as DeepLabCut makes it, with larger weights than an untrained one's."""
    torch.manual_seed(2)
    short, long = sides(name)
    told = {"num_classes": classes, "box_score_thresh": 0.01, "min_size": short, "max_size": long}
    if name == "ssdlite":
        made = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
    elif name == "fasterrcnn_resnet50_fpn":
        made = FasterRCNN(resnet_fpn_backbone(backbone_name="resnet50", **FROZEN), **told)
    elif name == "fasterrcnn_resnet50_fpn_v2":
        made = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **told)
    else:
        fewer = {"rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150} if "320" in name else {}
        encoder = mobilenet_backbone(backbone_name="mobilenet_v3_large", fpn=True, **FROZEN)
        made = FasterRCNN(encoder, **MOBILENET, **fewer, **told)
    return told_apart(made.eval(), Normalise(*IMAGENET)(torch.rand(1, 3, *size)))


LAST = {"cls_logits": 3.0, "cls_score": 3.0, "bbox_pred": 0.3}  # layers, and how much their outputs spread


def told_apart(detector: torch.nn.Module, images: torch.Tensor) -> torch.nn.Module:
    """The same with outputs of every layer that differ from place to place, as an untrained network's hardly
    do: its own rounding would decide which box is the surer."""

    def scale(layer: torch.nn.Module, output: torch.Tensor, spread: float | None) -> torch.Tensor:
        if spread is not None:
            middle = output.movedim(1, -1).flatten(0, -2).mean(0)
            layer.bias -= middle
            output = output - middle.view(-1, *[1] * (output.ndim - 2))
        times = (spread or 1.0) / output.std()
        for weight in layer.parameters():
            weight *= times
        return output * times

    hooks = []
    for name, layer in detector.named_modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            spread = LAST.get(name.rpartition(".")[2])
            hook = lambda layer, _, output, spread=spread: scale(layer, output, spread)  # noqa: E731
            hooks.append(layer.register_forward_hook(hook))
    with torch.no_grad():
        detector(list(images))
    for hook in hooks:
        hook.remove()
    return detector


def ours(name: str, **told: object) -> Stage:
    config = {"type": "SSDLite"} if name == "ssdlite" else {"type": "FasterRCNN", "variant": name} | told
    network = detectors.network(config)
    if name != "ssdlite":
        options = network.backbone.options | dict(zip(("shortest", "longest"), sides(name), strict=True))
        backbone = network.backbone.model_copy(update={"options": options})
        network = network.model_copy(update={"backbone": backbone})
    grouping, threshold = detectors.grouping(config, 1000), detectors.threshold(config)
    return Stage(preparation=Preparation(), network=network, grouping=grouping, peak_threshold=threshold)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ssdlite", (96, 130)),
        *zip(detectors.VARIANTS, ((96, 130), (150, 101), (150, 120), (64, 48)), strict=True),
    ],
)
def test_boxes_are_those_of_torchvision(name, size):
    """In fp64, since rounding grows from layer to layer of a network that has learnt nothing."""
    theirs, stage = peer(name, size).double(), ours(name)
    number = 1 if name.endswith("v2") else 2  # its head is by far the dearest
    images = torch.rand(number, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    state = {f"model.{key}": value for key, value in theirs.state_dict().items()}
    graph = build_trained(stage, {_substituted(key, DETECTORS): value for key, value in state.items()})
    graph = graph.double()
    outer = Normalise(*IMAGENET).double()
    for norm in (outer, *graph.backbone.normalise):  # whose numbers were fp32
        for constant in (norm.mean, norm.std):
            constant.copy_((constant * 1000).round() / 1000)
    with torch.inference_mode():
        wanted = theirs(list(outer(images)))
        found = graph.heads[0].decode(graph.outputs(images)[0], {})
    smallest = {} if name == "ssdlite" else {"smallest": 0.01 / max(sides(name))}
    group = GROUPINGS.build(stage.grouping.name, **{**stage.grouping.options, **smallest})
    context = Context(stage.peak_threshold, None, np.arange(number), size=size)
    instances = group({key: value.numpy() for key, value in found.items()}, context)
    for picture, told in enumerate(wanted):
        mine = instances[instances.picture == picture]
        assert len(mine.frame) == len(told["boxes"]) > 3
        np.testing.assert_allclose(mine.score, told["scores"], atol=1e-4)
        apart = np.abs(mine.xy.reshape(-1, 1, 4) - told["boxes"].numpy()).max(-1)
        assert max(apart.min(0).max(), apart.min(1).max()) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "category"),
    [("fasterrcnn_resnet50_fpn", 1), ("fasterrcnn_mobilenet_v3_large_fpn", 17)],
)
def test_of_many_categories_the_boxes_of_one_are_those_of_torchvision(name, category):
    size = (96, 130)
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    theirs = peer(name, size, detectors.CATEGORIES)
    if name == detectors.EXACT:
        overwrite_eps(theirs, 0.0)  # as torchvision does with its weights
        for key, variance in theirs.named_buffers():
            if key.endswith("running_var"):
                variance.fill_(1e-5)  # where an epsilon would be seen
    theirs = told_apart(theirs, images.float())
    with torch.no_grad():
        theirs.roi_heads.box_predictor.cls_score.bias[category] += 6  # of so many it has no chance else
    theirs.roi_heads.detections_per_img = 10**6  # of all categories: DeepLabCut asks for few of one
    theirs = theirs.double()
    stage = ours(name, type="FilteredDetector", category=category)
    # the names that torchvision's files had before 0.13
    state = {key.replace("rpn.head.conv.0.0.", "rpn.head.conv."): v for key, v in theirs.state_dict().items()}
    graph = build_trained(stage, {_substituted(f"model.{key}", DETECTORS): v for key, v in state.items()})
    graph = graph.double()
    (norm,) = graph.backbone.normalise
    for constant in (norm.mean, norm.std):  # whose numbers were fp32
        constant.copy_((constant * 1000).round() / 1000)
    with torch.inference_mode():
        wanted = theirs(list(images))
        found = graph.heads[0].decode(graph.outputs(images)[0], {})
    options = {**stage.grouping.options, "smallest": 0.01 / max(sides(name)), "animals": None}
    group = GROUPINGS.build(stage.grouping.name, **options)
    context = Context(stage.peak_threshold, None, np.arange(2), size=size)
    instances = group({key: value.numpy() for key, value in found.items()}, context)
    for picture, told in enumerate(wanted):
        mine = instances[instances.picture == picture]
        of_it = told["labels"] == category
        assert len(mine.frame) == of_it.sum() > 3
        np.testing.assert_allclose(mine.score, told["scores"][of_it], atol=1e-4)
        apart = np.abs(mine.xy.reshape(-1, 1, 4) - told["boxes"][of_it].numpy()).max(-1)
        assert max(apart.min(0).max(), apart.min(1).max()) < 1e-2


def some_boxes(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    corner, size = chance.uniform(0, 0.7, (number, 2)), chance.uniform(0, 0.5, (number, 2))
    made = np.concatenate((corner, corner + size), 1).astype(np.float32)
    return made, np.sort(chance.random(number).astype(np.float32))[::-1].copy()


@given(seed=st.integers(0, 10**6), number=st.integers(0, 40), overlap=st.sampled_from((0.1, 0.5, 0.7)))
@settings(max_examples=60, deadline=None)
def test_of_boxes_that_overlap_those_stay_that_stay_in_torchvision(seed, number, overlap):
    made, score = some_boxes(seed, number)
    stay = nms(torch.from_numpy(made), torch.from_numpy(score), overlap).numpy()
    np.testing.assert_array_equal(np.flatnonzero(unrivalled(made, overlap)), np.sort(stay))


def grouped(made: np.ndarray, score: np.ndarray, limit: int | None = None, **options: object):
    group = GROUPINGS.build("boxes", **options)
    found = {"box": made[None], "value": score[None, None]}
    return group(found, Context(0.3, limit, np.array([7]), size=(100, 200)))


def test_the_surest_boxes_are_animals_in_pixels_of_the_picture():
    made = np.array(
        [[0, 0, 0.5, 0.5], [0.6, 0.6, 1, 1], [0.01, 0, 0.5, 0.5], [0.2, 0.7, 0.4, 0.9]], np.float32
    )
    score = np.array([0.5, 0.9, 0.8, 0.2], np.float32)
    found = grouped(made, score)
    np.testing.assert_allclose(found.xy, [[[120, 60], [200, 100]], [[2, 0], [100, 50]]], rtol=1e-6)
    assert found.score.tolist() == score[[1, 2]].tolist()
    assert found.frame.tolist() == [7, 7]
    assert len(grouped(made, score, animals=1).frame) == len(grouped(made, score, 1).frame) == 1
    assert len(grouped(made, score, overlap=0.99).frame) == 3


def test_boxes_without_extent_are_none_where_a_least_is_told():
    made, score = np.array([[0.5, 0.1, 0.5, 0.9]], np.float32), np.ones(1, np.float32)
    assert len(grouped(made, score).frame) == 1
    assert len(grouped(made, score, smallest=1e-5).frame) == 0


def test_a_box_comes_back_from_the_way_to_it():
    places, wanted = (torch.from_numpy(some_boxes(seed, 30)[0]) for seed in (1, 2))
    for weights in ((1.0, 1.0), (10.0, 5.0)):
        back = boxes.moved(places, boxes.ways_to(places, wanted, weights), weights)
        np.testing.assert_allclose(back, wanted, atol=1e-5)


def test_animals_come_back_from_where_their_targets_put_their_boxes():
    head = HEADS.build("anchored_boxes", {16: 8, 32: 8}, strides=(16, 32), size=(96, 128), margin=4)
    xy = torch.tensor([[[[20.0, 10], [50, 40]], [[90, 60], [torch.nan, torch.nan]], [[80, 20], [120, 60]]]])
    targets = head.targets(Truth(xy, torch.full((1, 3), -1), (96, 128)))
    found = head.decode({"scores": 30 * targets["scores"], "ways": targets["ways"].nan_to_num()}, {})
    instances = GROUPINGS.build("boxes")(
        {name: array.numpy() for name, array in found.items()},
        Context(0.5, None, np.arange(1), size=(96, 128)),
    )
    wanted = [[16, 6, 54, 44], [76, 16, 124, 64], [86, 56, 94, 64]]
    got = sorted(instances.xy.reshape(-1, 4).round(2).tolist())
    np.testing.assert_allclose(got, sorted(map(list, wanted)), atol=0.01)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"type": "YOLO"}, "the detector YOLO is not supported.*SSDLite, FasterRCNN"),
        ({"type": "FasterRCNN", "variant": "fasterrcnn_x"}, "fasterrcnn_x is not supported.*resnet50_fpn_v2"),
    ],
)
def test_a_detector_that_nobody_knows_is_refused_with_those_that_are_known(config, why):
    with pytest.raises(ModelError, match=why):
        detectors.network(config)


def test_a_score_of_none_is_the_usual_one():
    assert detectors.threshold({"type": "FasterRCNN", "box_score_thresh": None}) == 0.01
    assert detectors.threshold({"type": "FasterRCNN", "box_score_thresh": 0.6}) == 0.6
    assert detectors.threshold({"type": "SSDLite", "box_score_thresh": 0.6}) == 0.001
