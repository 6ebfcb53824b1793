"""Vectors at keypoints are those of the features there, whatever reads them; what has none is NaN."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ethopose.core import ModelError
from ethopose.models.appearance import Appearance, Grid, at_keypoints
from ethopose.models.build import build, read_at_keypoints
from ethopose.models.spec import Network, Part, Preparation, Stage

ROWS, COLUMNS = 6, 9
GRIDS = [Grid(8), Grid(8, 4), Grid(4, 1.5)]


def by_torch(features: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The vectors (place number) at cells (place 2) of one picture's features, x before y."""
    size = torch.tensor((features.shape[2] - 1.0, features.shape[1] - 1.0))
    places = torch.from_numpy(cells).float() / size * 2 - 1
    told = functional.grid_sample(
        torch.from_numpy(features)[None], places[None, None], padding_mode="border", align_corners=True
    )
    return told[0, :, 0].T.numpy()


@pytest.mark.parametrize("grid", GRIDS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_vectors_lie_between_the_cells_around_a_keypoint(grid, seed):
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(3, 5, ROWS, COLUMNS)).astype(np.float32)
    picture = chance.integers(0, 3, 7)
    size = np.array((COLUMNS, ROWS)) * grid.stride
    xy = chance.uniform(-0.5, size - 0.51, (7, 4, 2)).astype(np.float32)
    found = at_keypoints(features, picture, xy, grid).reshape(7, 4, 5)
    for row, of in enumerate(picture):
        wanted = by_torch(features[of], (xy[row] - grid.first) / grid.stride)
        np.testing.assert_allclose(found[row], wanted, rtol=2e-3, atol=2e-3)


def test_a_keypoint_in_the_middle_of_a_cell_has_its_vector():
    features = np.arange(2 * ROWS * COLUMNS, dtype=np.float32).reshape(1, 2, ROWS, COLUMNS)
    for grid in GRIDS:
        xy = np.array([[[3, 2]]], np.float32) * grid.stride + np.float32(grid.first)
        np.testing.assert_array_equal(
            at_keypoints(features, np.zeros(1, int), xy, grid)[0], features[0, :, 2, 3]
        )


def test_what_was_not_found_or_lies_off_the_map_has_none_and_never_that_of_another_cell():
    features = np.ones((1, 2, ROWS, COLUMNS), np.float32)
    right, bottom = COLUMNS * 8 - 0.5, ROWS * 8 - 0.5
    inside = [(-0.5, -0.5), (right - 0.1, bottom - 0.1), (20, 20)]
    off = [
        (-0.6, 9),
        (9, -0.6),
        (right, 9),
        (9, bottom),
        (np.nan, np.nan),
        (np.nan, 9),
        (1e9, 9),
        (-np.inf, 9),
    ]
    xy = np.array([inside + off], np.float32)
    found = at_keypoints(features, np.zeros(1, int), xy, Grid(8)).reshape(-1, 2)
    assert (found[:3] == 1).all()
    assert np.isnan(found[3:]).all()


def test_numbers_that_are_too_large_are_the_largest():
    features = np.full((1, 1, 2, 2), 1e9, np.float32)
    assert at_keypoints(features, np.zeros(1, int), np.ones((1, 1, 2), np.float32), Grid(1)) == 65504


def test_nobody_has_no_vectors():
    features = np.ones((1, 2, ROWS, COLUMNS), np.float32)
    nobody = at_keypoints(features, np.zeros(0, int), np.zeros((0, 3, 2), np.float32), Grid(8))
    assert nobody.shape == (0, 6)


def test_directions_are_at_right_angles_and_keep_distances_in_the_mean():
    how = Appearance(Grid(8), channels=64, size=16, seed="a model")
    drawn = how.directions
    np.testing.assert_allclose(drawn @ drawn.T, 4 * np.eye(16), atol=1e-5)
    vectors = np.random.default_rng(0).normal(size=(2, 500, 64))
    before, after = (np.linalg.norm(each[0] - each[1], axis=1) for each in (vectors, vectors @ drawn.T))
    assert 0.97 < np.mean(after / before) < 1.03
    np.testing.assert_array_equal(drawn, Appearance(Grid(8), 64, 16, "a model").directions)
    assert not np.allclose(drawn, Appearance(Grid(8), 64, 16, "another").directions)
    assert Appearance(Grid(8), 64, 64, "a model").directions is None


def stage_of(*heads: Part, backbone: str = "nano", **options: object) -> Stage:
    network = Network(in_channels=1, backbone=Part(name=backbone, options=options), heads=heads)
    return Stage(preparation=Preparation(), network=network, grouping=Part(name="one_each"))


def test_of_several_features_that_keypoints_are_read_from_the_finest_are_kept():
    heads = [Part(name="probability_map", options={"keypoints": 3, "stride": s}) for s in (8, 4)]
    graph = build(stage_of(*heads, width=4, max_stride=8))
    assert read_at_keypoints(graph) == (Grid(4, 1.5), 8)


def test_heads_that_find_no_keypoints_have_no_appearance():
    options = {"size": (40, 56), "kept": 40}
    boxes = Part(name="anchored_boxes", options=options)
    with pytest.raises(ModelError, match="do not tell which features"):
        read_at_keypoints(build(stage_of(boxes, backbone="ssdlite", size=(40, 56))))
