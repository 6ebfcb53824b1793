"""Lines, joins and animals against what sleap-nn 0.3.5 recorded."""

import json

import numpy as np
import pytest
from decoding import THRESHOLD, context, in_scan_order, lines_of, peaks_of
from grouping_scenes import FIELD_STRIDE, KEYPOINTS, MAP_STRIDE, PEAKS_KEPT, SCENES, TREE, drawn, lines

from ethopose.core import SpecError
from ethopose.models.grouping import Affinity
from ethopose.models.grouping.affinity import edge_order
from ethopose.models.grouping.joining import assemble

SKELETONS = ("chain", "tree", "disconnected", "two_parents")
CASES = [f"paf_{skeleton}_{options}_" for skeleton in SKELETONS for options in range(3)]
LINE_OPTIONS = {
    "n_points": "line_points",
    "max_edge_length_ratio": "max_length_ratio",
    "dist_penalty_weight": "length_penalty",
}
GROUPING_OPTIONS = {"min_line_scores": "min_line_score", "min_instance_peaks": "min_peaks"}


@pytest.fixture(params=CASES)
def case(request, golden, golden_cases):
    """A recorded case: its arrays by short names, its skeleton, and what we find."""
    told = golden_cases[request.param]
    arrays = {
        name.removeprefix(request.param): array
        for name, array in golden.items()
        if name.startswith(request.param)
    }
    edges = [tuple(told["nodes"].index(end) for end in edge) for edge in told["edges"]]
    maps, fields = arrays["cms"].astype(np.float32), arrays["pafs"].astype(np.float32)
    options = {LINE_OPTIONS[k]: v for k, v in told["options"].items() if k in LINE_OPTIONS}
    found = lines_of(fields, peaks_of(maps, stride=told["cms_stride"]), edges, told["pafs_stride"], **options)
    return arrays, told, edges, found


def test_the_score_of_every_line_is_that_of_the_peer(case):
    arrays, _, edges, found = case
    rough = peaks_of(arrays["cms"].astype(np.float32), refinement="none")
    _, value, _, keypoint, peak = in_scan_order(rough)
    np.testing.assert_array_equal(value, arrays["peaks_val"])
    assert keypoint.tolist() == arrays["peaks_channel"].tolist()
    np.testing.assert_allclose(found["xy"][0, keypoint, peak], arrays["peaks_xy"], rtol=1e-5, atol=1e-4)
    source, destination = arrays["edge_peak_inds"].T
    edge = arrays["edge_inds"]
    assert [edges[e][0] for e in edge] == keypoint[source].tolist()
    scores = found["line_score"][0, edge, peak[source], peak[destination]]
    np.testing.assert_allclose(scores, arrays["line_scores"], atol=1e-5)


def test_animals_are_those_of_the_peer_in_its_order(case):
    arrays, told, edges, found = case
    assert edge_order(edges) == told["sorted_edge_inds"]
    options = {GROUPING_OPTIONS[k]: v for k, v in told["options"].items() if k in GROUPING_OPTIONS}
    animals = Affinity(keypoints=len(told["nodes"]), edges=edges, **options)(found, context())
    np.testing.assert_allclose(animals.xy, arrays["instances"], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(animals.confidence, arrays["point_scores"])
    np.testing.assert_allclose(animals.score, arrays["instance_scores"], atol=1e-4)


def test_points_of_a_line_between_two_cells_read_the_one_that_the_peer_reads(recorded):
    peaks, fields = lines()
    there = np.ones((1, *peaks.shape[:2]), np.float32)
    found = lines_of(fields[None], {"xy": peaks[None], "value": there}, list(TREE), FIELD_STRIDE)
    np.testing.assert_allclose(found["line_score"][0], recorded["line_score"], atol=1e-5)


@pytest.fixture(scope="module", params=SCENES)
def crowd(request, recorded):
    """A drawn crowd: the scene, the peer's animals, and what we find."""
    scene = SCENES[request.param]
    told = {
        name.removeprefix(f"{request.param}/"): array
        for name, array in recorded.items()
        if name.startswith(f"{request.param}/")
    }
    maps, fields = drawn(scene)
    sums = [maps.sum(dtype=float), fields.sum(dtype=float)]
    np.testing.assert_allclose(told["sum"], sums, atol=0.01, err_msg="drawn otherwise than when recorded")
    found = peaks_of(maps[None], stride=MAP_STRIDE, peaks_kept=PEAKS_KEPT)
    return scene, told, lines_of(fields[None], found, list(scene.edges), FIELD_STRIDE)


def test_peaks_of_a_crowd_are_as_many_as_the_peer_finds(crowd):
    _, told, found = crowd
    assert np.all(found["next_value"] <= THRESHOLD)
    assert (found["value"][0] > THRESHOLD).sum(-1).tolist() == told["peaks"].tolist()


def test_a_crowd_is_grouped_as_the_peer_groups_it(crowd):
    scene, told, found = crowd
    group = Affinity(
        keypoints=KEYPOINTS,
        edges=list(scene.edges),
        min_line_score=scene.min_line_score,
        min_peaks=scene.min_peaks,
    )
    animals = group(found, context())
    assert len(animals.score) == len(told["score"])
    np.testing.assert_allclose(animals.xy, told["xy"], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(animals.confidence, told["confidence"], atol=1e-6)
    np.testing.assert_allclose(animals.score, told["score"], atol=1e-4)


def test_a_limit_keeps_the_best_animals_of_a_crowd(crowd):
    scene, told, found = crowd
    group = Affinity(
        keypoints=KEYPOINTS,
        edges=list(scene.edges),
        min_line_score=scene.min_line_score,
        min_peaks=scene.min_peaks,
    )
    best = np.sort(told["score"])[::-1][:5]
    np.testing.assert_allclose(group(found, context(limit=5)).score, best, atol=1e-4)


@pytest.mark.parametrize("seed", range(12))
def test_joins_in_circles_end_as_the_peer_ends_them(recorded, seed):
    matches, wanted = recorded[f"joins {seed}/matches"], recorded[f"joins {seed}/peak"]
    animals, _ = assemble(matches, 6, 5, 0)
    assert animals.tolist() == wanted.tolist()


@pytest.mark.parametrize("fewest", [2, 3, 5, 7])
def test_animals_with_fewer_keypoints_than_asked_for_are_left_out(recorded, fewest):
    animals, score = assemble(recorded["joins 3/matches"], 6, 5, 0)
    kept, kept_score = assemble(recorded["joins 3/matches"], 6, 5, fewest)
    # a circle can give one animal two peaks of a keypoint; both count
    size = (animals >= 0).sum(1)
    assert len(kept) <= len(animals)
    assert all(row in animals.tolist() for row in kept.tolist())
    assert {tuple(row) for row in animals[size >= fewest]} <= {tuple(row) for row in kept}
    assert set(kept_score) <= set(score)


def test_edges_are_taken_in_the_order_of_the_peer(recorded):
    orders = json.loads(str(recorded["orders"]))
    for told in orders:
        assert edge_order([tuple(edge) for edge in told["edges"]]) == told["order"]
    assert any(len(told["order"]) < len(told["edges"]) for told in orders)


def test_a_skeleton_that_runs_in_a_circle_is_refused():
    with pytest.raises(SpecError, match="circle"):
        edge_order([(0, 1), (1, 2), (2, 0)])


def test_nobody_is_found_where_no_peak_is():
    found = {
        "xy": np.full((2, 3, 4, 2), np.nan, np.float32),
        "value": np.full((2, 3, 4), -np.inf, np.float32),
        "line_score": np.full((2, 2, 4, 4), np.nan, np.float32),
    }
    assert len(Affinity(keypoints=3, edges=[(0, 1), (0, 2)])(found, context(2)).frame) == 0
