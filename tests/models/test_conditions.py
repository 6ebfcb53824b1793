"""Conditions: which poses they are, the crops around them, the pixels painted for them, and what becomes of
these in a network."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ethopose.models.backbones.conditioned import Spots
from ethopose.models.conditions import (
    Conditions,
    boxes_around,
    condition_crops,
    conditions_of,
    painted,
    rescored,
)
from ethopose.models.grouping.instances import Context, make_instances
from ethopose.models.spec import Conditioning

SIZE = (24, 32)


def conditions(*poses: list[tuple[float, float, float]]) -> Conditions:
    """One row a pose, in frame 0, of (x, y, confidence) a keypoint."""
    rows = np.array(poses)
    return Conditions(np.zeros(len(rows), np.int64), rows[..., :2], rows[..., 2])


def pixels(*pose: tuple[float, float, float], bounds: tuple[int, int] = SIZE) -> list[list[int]]:
    """(row, column, keypoint) of what is painted of a pose."""
    told = conditions(list(pose))
    seen = painted(told.xy, told.confidence, SIZE, bounds)[0]
    assert set(np.unique(seen)) <= {0, 255}
    return np.argwhere(seen).tolist()


@pytest.mark.parametrize("margin", [0, 20])
def test_boxes_around_keypoints_are_those_that_the_peer_recorded(shared_data, margin):
    with np.load(shared_data / "dlc3/decode/bbox_from_keypoints.npz") as stored:
        told, size = stored["keypoints"], (int(stored["image_h"]), int(stored["image_w"]))
        wanted = stored[f"bbox_margin{margin}"]
    made = boxes_around(conditions(*told), size, margin)
    np.testing.assert_allclose(made, wanted, atol=1e-9)


def test_a_keypoint_is_painted_in_the_pixel_above_and_to_the_left_of_where_it_is():
    assert pixels((5.9, 3.2, 0.5), (9.0, 24.0, 1.0)) == [[2, 4, 0], [23, 8, 1]]


def test_before_the_first_pixel_comes_the_last():
    assert pixels((0.5, 3.0, 0.5), (4.0, 0.0, 1.0)) == [[2, 31, 0], [23, 3, 1]]
    assert pixels((np.nan, 3.0, 0.5)) == [[2, 31, 0]]


@pytest.mark.parametrize("place", [(-0.5, 3, 1), (3, -0.5, 1), (32.1, 3, 1), (3, 24.1, 1)])
def test_what_lies_outside_is_not_painted(place):
    assert pixels(place) == []


@pytest.mark.parametrize("confidence", [0.0, -1.0, np.nan])
def test_what_has_no_confidence_is_not_painted(confidence):
    assert pixels((5.0, 5.0, confidence)) == []


def test_bounds_may_be_narrower_than_the_crop():
    assert pixels((20.0, 5.0, 1.0), bounds=(24, 16)) == []


def test_poses_that_are_unsure_or_without_extent_are_no_conditions():
    image = np.full((1, 60, 80, 3), 7, np.uint8)
    told = conditions(
        [(10, 10, 0.9), (30, 20, 0.0)],
        [(40, 40, 0.04), (50, 50, 0.03)],  # unsure
        [(20, 20, 0.05), (np.nan, np.nan, np.nan)],
        [(900, 10, 0.9), (950, 20, 0.9)],  # its box ends where the frame does
    )
    kept, crops, pictures = condition_crops(image, told, SIZE, Conditioning(margin=4, bounds=SIZE))
    assert kept.xy[:, 0].tolist() == [[10, 10], [20, 20]]
    assert pictures.shape == (2, *SIZE, 5)
    np.testing.assert_array_equal(pictures[..., :3], crops.images)
    assert crops.corner[0].tolist() == [5, 6]
    np.testing.assert_allclose(crops.scale[0], [10 / 32, 8 / 24])
    # at x (10 - 5) * 32 / 10, y (10 - 6) * 24 / 8 of the crop; by a third in single precision, y is below 12
    assert np.argwhere(pictures[0, ..., 3:]).tolist() == [[11, 15, 0]]


def test_animals_without_a_sure_keypoint_in_the_frame_are_no_conditions():
    xy = np.array([[[5, 5], [9, 9]], [[-1, 5], [9, 9]], [[-1, 5], [9, 0]], [[np.nan, 1], [5, 5]]], np.float32)
    confidence = np.array([[0.1, 0], [0.9, 0], [0.9, 0.9], [0.5, 0.2]], np.float32)
    context = Context(0, None, np.arange(4))
    told = conditions_of(make_instances(context, np.arange(4), xy, confidence, np.zeros(4)))
    assert told.frame.tolist() == [0, 3]


def test_what_is_found_is_as_sure_as_its_condition_and_its_own_sure_keypoints():
    told = conditions([(0, 0, 0.9), (0, 0, 0.5)], [(0, 0, 0.8), (0, 0, np.nan)])
    found = np.array([[0.6, 0.19], [0.1, 0.1]], np.float32)
    np.testing.assert_allclose(rescored(found, told), [[0.7 * 0.6] * 2, [0, 0]], rtol=1e-6)
    sure = np.array([[0.2, 0.4], [1, 1]], np.float32)
    np.testing.assert_allclose(rescored(sure, told), [[0.7 * 0.3] * 2, [0.4, 0.4]], rtol=1e-6)


places = st.tuples(st.integers(0, SIZE[0] - 1), st.integers(0, SIZE[1] - 1), st.integers(0, 1))


@given(places=st.lists(places, max_size=4), size=st.sampled_from([7, 15]))
@settings(max_examples=60, deadline=None)
def test_spots_are_as_a_blur_of_opencv_whose_brightest_pixel_is_white(places, size):
    seen = np.zeros((*SIZE, 2))
    for place in places:
        seen[place] = 255
    wanted = cv2.GaussianBlur(seen, (size, size), sigmaX=0)
    wanted *= 255 / (wanted.max() or 1)
    made = Spots(size)(torch.from_numpy(seen / 255).float().permute(2, 0, 1)[None])
    np.testing.assert_allclose(made[0].permute(1, 2, 0), wanted, atol=2e-3 if size == 7 else 1e-3)
