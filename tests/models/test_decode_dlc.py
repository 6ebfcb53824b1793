"""Maps become animals as DeepLabCut 3 makes them, by its recorded maps and poses."""

import json

import numpy as np
import pytest
import torch

from ethopose.models.grouping import GROUPINGS
from ethopose.models.grouping.instances import Context
from ethopose.models.heads import HEADS
from ethopose.models.heads.peaks import plateau_peaks

ASSEMBLIES = [f"paf_{number}" for number in (0, 1, 2, 3, 4, 5, 7, 8, 9)]
ONE = {"channels": [], "kernels": [], "strides": []}


@pytest.fixture
def case(shared_data):
    def read(name: str) -> tuple[dict, dict[str, np.ndarray]]:
        told = json.loads((shared_data / "dlc3/decode/index.json").read_text())[name]
        with np.load(shared_data / f"dlc3/decode/{name}.npz") as stored:
            return told, dict(stored)

    return read


def decoded(head, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    tensors = {name: torch.from_numpy(array.astype(np.float32)) for name, array in outputs.items()}
    with torch.inference_mode():
        found = head.decode({n: t if t.ndim > 3 else t[None] for n, t in tensors.items()}, {})
    return {name: tensor.numpy() for name, tensor in found.items()}


def grown(channels: int) -> dict:
    return {**ONE, "last": [channels, 1]}


@pytest.mark.parametrize("name", ["single_0", "single_1"])
def test_one_animal_by_maps_and_offsets(name, case):
    told, recorded = case(name)
    keypoints = len(recorded["heatmap"])
    head = HEADS.build(
        "located_map",
        {told["stride"]: 1},
        keypoints=keypoints,
        source=told["stride"],
        maps=grown(keypoints),
        offsets=grown(2 * keypoints),
        sigmoid=told["apply_sigmoid"],
        clip=told["clip_scores"],
        unit=told["locref_std"],
    )
    found = decoded(head, {"maps": recorded["heatmap"], "offsets": recorded["locref"]})
    wanted = recorded["poses"][0, 0]
    np.testing.assert_allclose(found["xy"][0, :, 0], wanted[:, :2], atol=1e-2)
    np.testing.assert_allclose(found["value"][0, :, 0], wanted[:, 2], atol=1e-4)


@pytest.mark.parametrize("name", ASSEMBLIES)
def test_several_animals_by_fields(name, case):
    told, recorded = case(name)
    keypoints, animals, stride = told["num_multibodyparts"], told["num_animals"], told["stride"]
    graph, kept = told["graph"], told["edges_to_keep"]
    head = HEADS.build(
        "staged_fields",
        {stride: 1},
        keypoints=keypoints,
        edges=graph,
        kept=kept,
        source=stride,
        stages=0,
        maps=grown(keypoints),
        offsets=grown(2 * keypoints),
        fields=grown(2 * len(graph)),
        unit=told["locref_stdev"],
        sigma=told["sigma"],
        **({"every": True} if told.get("add_discarded") else {"peaks_kept": animals}),
    )
    outputs = {"maps": recorded["heatmap"], "offsets": recorded["locref"], "fields": recorded["paf"]}
    found = decoded(head, outputs)
    grouping = GROUPINGS.build(
        "assembly",
        keypoints=keypoints,
        edges=[graph[edge] for edge in kept],
        animals=animals,
        min_line_score=told["min_affinity"],
        fuse_nearest=told.get("force_fusion", False),
        hand_out=told.get("add_discarded", False),
    )
    made = grouping(found, Context(0.0, None, np.zeros(1, np.int64)))
    wanted = recorded["poses"][0]
    wanted = wanted[~(wanted[:, :, :2] == -1).all((1, 2))]
    assert len(made.xy) == len(wanted)
    np.testing.assert_allclose(made.xy, wanted[..., :2], atol=1e-2)
    # of a keypoint that it has not, the peer is 0 sure
    np.testing.assert_allclose(np.nan_to_num(made.confidence), wanted[..., 2], atol=1e-4)
    if animals > 1:
        np.testing.assert_allclose(made.score, wanted[:, 0, 4], atol=1e-4)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_of_more_animals_than_asked_for_those_of_the_highest_scores_stay(most):
    """A score is the mean of an animal's lines: the first animal has more of them, and the lowest score."""
    lines = np.array([[0.5, 0.7, 0.6], [0.5, 0.7, 0.6], [0.5, 0, 0]], np.float32)  # (edge, animal)
    xy = np.stack(np.broadcast_arrays(np.arange(3) * 50.0, np.arange(3)[:, None] * 10.0), -1)
    found = {
        "xy": xy[None].astype(np.float32),
        "value": np.full((1, 3, 3), 0.9, np.float32),
        "line_score": np.stack([np.diag(row) for row in lines])[None],
    }
    grouping = GROUPINGS.build("assembly", keypoints=3, edges=[(0, 1), (1, 2), (0, 2)], animals=3)
    made = grouping(found, Context(0.0, most, np.zeros(1, np.int64)))
    np.testing.assert_allclose(sorted(made.score), sorted([0.7, 0.6, 0.5][:most]), atol=1e-3)
    assert sorted(made.xy[:, 0, 0]) == sorted([50, 100, 0][:most])


@pytest.mark.parametrize("name", ASSEMBLIES)
def test_every_peak_and_every_line_are_those_recorded(name, case):
    told, recorded = case(name)
    keypoints, stride, graph = told["num_multibodyparts"], told["stride"], told["graph"]
    options = {"maps": grown(keypoints), "offsets": grown(2 * keypoints), "fields": grown(2 * len(graph))}
    options |= {"keypoints": keypoints, "edges": graph, "kept": told["edges_to_keep"], "source": stride}
    options |= {"unit": told["locref_stdev"], "sigma": told["sigma"], "stages": 0}
    head = HEADS.build("staged_fields", {stride: 1}, **options, every=True, peaks_kept=256)
    outputs = {"maps": recorded["heatmap"], "offsets": recorded["locref"], "fields": recorded["paf"]}
    found = decoded(head, outputs)
    there = np.isfinite(found["value"][0])
    for number in range(keypoints):
        if f"peaks/{number}/xy" in recorded:
            place = found["xy"][0, number, there[number]]
            np.testing.assert_allclose(place, recorded[f"peaks/{number}/xy"].reshape(-1, 2), atol=1e-3)
            sure = found["value"][0, number, there[number]]
            np.testing.assert_allclose(sure, recorded[f"peaks/{number}/conf"].ravel(), atol=1e-6)
    for place, edge in enumerate(told["edges_to_keep"]):
        both = np.ix_(*(there[end] for end in graph[edge]))
        for ours, theirs in (("line_score", "m1"), ("line_length", "distance")):
            if f"costs/{edge}/{theirs}" in recorded:
                line = found[ours][0, place][both]
                np.testing.assert_allclose(line, recorded[f"costs/{edge}/{theirs}"], atol=1.001e-3)
    assert np.all(found["next_value"] == -np.inf), "none is left out"
    few = HEADS.build("staged_fields", {stride: 1}, **options, every=True, peaks_kept=1)
    highest = np.sort(found["value"], -1)[..., ::-1]
    np.testing.assert_array_equal(decoded(few, outputs)["next_value"], highest[..., 1])


def test_of_equally_high_cells_the_first_are_peaks():
    maps = torch.zeros(1, 1, 9, 11)
    for row, column in ((1, 8), (4, 2), (4, 6), (7, 9)):
        maps[0, 0, row, column] = 0.5
    maps[0, 0, 7, 4] = 0.75
    column, row, value, left = plateau_peaks(maps, 3, 0.01)
    assert [*zip(row[0, 0].tolist(), column[0, 0].tolist(), strict=True)] == [(1, 8), (4, 2), (7, 4)]
    assert value[0, 0].tolist() == [0.5, 0.5, 0.75]
    assert left.item() == 0.5


@pytest.mark.parametrize("name", ["dekr_0", "dekr_1", "dekr_2"])
def test_several_animals_by_centres(name, case):
    told, recorded = case(name)
    words = {"combined": "both", "heatmap": "map", "center": "centre"}
    head = HEADS.build(
        "centre_offsets",
        {told["stride"]: 1},
        keypoints=len(recorded["heatmap"]) - 1,
        animals=told["num_animals"],
        stride=told["stride"],
        map_width=1,
        width=1,
        sigmoid=told["apply_sigmoid"],
        clip=told["clip_scores"],
        absorb=told["max_absorb_distance"] if told["use_heatmap"] else None,
        confidence=words[told["keypoint_score_type"]],
    )
    found = decoded(head, {"maps": recorded["heatmap"], "offsets": recorded["offset"]})
    grouping = GROUPINGS.build("by_centre", min_distance=told["nms_threshold"], apart=told["apply_pose_nms"])
    made = grouping(found, Context(-1.0, None, np.zeros(1, np.int64)))
    wanted = recorded["poses"][0]
    wanted = wanted[(wanted[..., 2] >= 0).all(1)]
    assert len(made.xy) == len(wanted)
    np.testing.assert_allclose(made.xy, wanted[..., :2], atol=1e-2)
    np.testing.assert_allclose(made.confidence, wanted[..., 2], atol=1e-4)


def centred(centres: dict[tuple[int, int], float], animals: int, **options) -> dict[str, np.ndarray]:
    """What is found of two keypoints, 2 cells left and right of every cell, with centres at (row, column)."""
    maps, offsets = np.zeros((3, 24, 32)), np.zeros((4, 24, 32))
    offsets[0], offsets[2] = 2, -2
    for (row, column), sure in centres.items():
        maps[:2, row, column], maps[2, row, column] = 0.5, sure
    told = {"keypoints": 2, "animals": animals, "stride": 4, "map_width": 1, "width": 1, **options}
    return decoded(HEADS.build("centre_offsets", {4: 1}, **told), {"maps": maps, "offsets": offsets})


def test_where_fewer_centres_are_than_animals_the_rest_are_sure_of_nothing():
    found = centred({(5, 8): 0.9}, animals=3)
    made = GROUPINGS.build("by_centre", apart=False)(found, Context(-1.0, None, np.zeros(1, np.int64)))
    np.testing.assert_allclose(made.score, [0.9, 0, 0], atol=1e-6)  # as the peer tells them
    made = GROUPINGS.build("by_centre", apart=False)(found, Context(0.0, None, np.zeros(1, np.int64)))
    np.testing.assert_allclose(made.xy[0, :, 0], [6.5 * 4, 10.5 * 4])
    assert len(made.xy) == 1, "who asks for more than nothing gets no more"


def test_keypoints_below_the_threshold_are_none_and_so_are_centres():
    found = centred({(5, 8): 0.9, (15, 20): 0.3}, animals=2, confidence="map")
    found["value"][0, 0, 0] = 0.6
    context = Context(0.5, None, np.zeros(1, np.int64))
    made = GROUPINGS.build("by_centre")(found, context)
    assert made.score.tolist() == pytest.approx([0.9])
    assert np.isfinite(made.xy[0]).all(1).tolist() == [True, False]
    np.testing.assert_allclose(made.confidence[0], [0.6, 0], atol=1e-6)


def test_one_keypoint_of_several_animals_has_no_fields():
    options = {"keypoints": 1, "edges": [], "source": 4, "features": 3, "peaks_kept": 2}
    grown_ = {"channels": [1], "kernels": [3], "strides": [2]}
    ways = {**grown_, "channels": [2]}
    head = HEADS.build("staged_fields", {4: 5}, maps=grown_, offsets=ways, fields=grown_, **options)
    assert list(head({4: torch.zeros(1, 5, 6, 8)})) == ["maps", "offsets"]
    assert not [name for name in head.state_dict() if "fields" in name]
    maps, offsets = np.full((1, 25, 33), -9.0), np.zeros((2, 25, 33))
    maps[0, 4, 7], maps[0, 16, 20] = 8, 9
    found = decoded(head, {"maps": maps, "offsets": offsets})
    grouping = GROUPINGS.build("assembly", keypoints=1, edges=[], animals=2)
    made = grouping(found, Context(-1.0, None, np.zeros(1, np.int64)))
    assert made.xy[:, 0].tolist() == [[20, 16], [7, 4]]


def test_one_animal_by_bins(case):
    told, recorded = case("simcc_0")
    keypoints = recorded["x"].shape[1]
    split = told["simcc_split_ratio"]
    size = int(recorded["y"].shape[2] / split), int(recorded["x"].shape[2] / split)
    sharpness = [sigma * told["decode_beta"] for sigma in told["sigma"]]
    head = HEADS.build(
        "attended_simcc", {32: 1}, keypoints=keypoints, size=size, split=split, sharpness=sharpness
    )
    with torch.inference_mode():
        found = head.decode({axis: torch.from_numpy(recorded[axis]) for axis in "xy"}, {})
    wanted = recorded["poses"][:, 0]
    np.testing.assert_allclose(found["xy"][:, :, 0], wanted[..., :2], atol=1e-2)
    np.testing.assert_allclose(found["value"][..., 0], wanted[..., 2], atol=1e-4)


def test_individuals_are_as_likely_at_every_pixel_as_the_peer_said(case):
    told, recorded = case("identity_0")
    classes, height, width = recorded["heatmap"].shape[-3:]
    stride = int(told["stride"])
    head = HEADS.build(
        "identity_map",
        {stride: 1},
        classes=classes,
        source=stride,
        maps=grown(classes),
        sigmoid=told["apply_sigmoid"],
    )
    rows, columns = np.mgrid[: height * stride, : width * stride]
    places = torch.from_numpy(np.stack((columns, rows), -1).reshape(1, 1, -1, 2).astype(np.float32))
    found = head.decode({"individuals": torch.from_numpy(recorded["heatmap"])}, {"xy": places + 0.3})
    wanted = recorded["out"]
    np.testing.assert_allclose(found["probability"].reshape(wanted.shape), wanted, atol=1e-5)
    np.testing.assert_allclose(found["nowhere"][0], wanted[0, 0, 0], atol=1e-5)
    lost = head.decode({"individuals": torch.from_numpy(recorded["heatmap"])}, {"xy": places * torch.nan})
    assert lost["probability"].isfinite().all()
