"""Poses against the truth."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethopose.core import DataError, Poses, Skeleton, no_poses
from ethopose.testing import World, any_poses, compare, random_poses


def poses(frame, xy, names=("a", "b")):
    xy = np.asarray(xy, np.float32)
    n = len(xy)
    return Poses(
        Skeleton(names),
        np.asarray(frame, np.int64),
        xy,
        np.ones(xy.shape[:2], np.float32),
        np.ones(n, np.float32),
    )


def test_the_truth_compared_with_itself_is_found_without_error():
    truth = World().truth
    comparison = compare(truth, truth)
    assert (comparison.found, comparison.extra, comparison.missing) == (1, 0, 0)
    assert comparison.p95 == 0
    np.testing.assert_array_equal(np.sort(comparison.truth_rows), np.arange(len(truth)))


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_animals_within_a_frame_does_not_matter(seed):
    truth = World(animals=3, frames=120).truth
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(truth)), truth.frame))
    comparison = compare(truth[order], truth)
    assert comparison.found == 1
    np.testing.assert_array_equal(order[comparison.rows], comparison.truth_rows)


def test_known_shifts_are_measured_in_px():
    truth = World(frames=50).truth
    shifted = replace(truth, xy=truth.xy + np.float32([3, 4]))
    assert compare(shifted, truth).median == pytest.approx(5, abs=1e-4)
    one = replace(truth, xy=truth.xy + np.float32([[[8, 6]], *[[[0, 0]]] * 6]).reshape(7, 2))
    errors = compare(one, truth).errors
    np.testing.assert_allclose(np.nanmean(errors, axis=0), [10, 0, 0, 0, 0, 0, 0], atol=1e-4)


def test_the_pairing_is_the_cheapest_of_the_frame_not_the_first_nearest():
    truth = poses([0, 0], [[[0, 0], [0, 10]], [[6, 0], [6, 10]]])
    found = poses([0, 0], [[[4, 0], [4, 10]], [[-5, 0], [-5, 10]]])
    comparison = compare(found, truth)
    assert dict(zip(comparison.rows.tolist(), comparison.truth_rows.tolist(), strict=True)) == {0: 1, 1: 0}


def test_what_is_too_far_away_is_missed_and_extra():
    truth = poses([0, 1], [[[0, 0], [0, 10]], [[0, 0], [0, 10]]])
    found = poses([0, 1, 1], [[[0, 0], [0, 10]], [[90, 0], [90, 10]], [[1, 0], [1, 10]]])
    comparison = compare(found[:2], truth)
    assert (comparison.found, comparison.extra) == (0.5, 0.5)
    assert compare(found, truth).found == 1
    assert compare(found, truth).extra == 0.5
    assert compare(found[:2], truth, gate=100).found == 1


def test_a_far_pair_does_not_cost_a_near_one_its_match():
    truth = poses([0, 0], [[[0, 0], [0, 10]], [[500, 0], [500, 10]]])
    found = poses([0, 0], [[[1, 0], [1, 10]], [[-400, 0], [-400, 10]]])
    comparison = compare(found, truth)
    assert (comparison.rows.tolist(), comparison.truth_rows.tolist()) == ([0], [0])


def test_missing_keypoints_are_counted_and_their_errors_not_a_number():
    truth = poses([0, 1], [[[0, 0], [0, 10]], [[0, 0], [np.nan, np.nan]]])
    found = poses([0, 1], [[[0, 2], [np.nan, np.nan]], [[0, 2], [5, 5]]])
    comparison = compare(found, truth, gate=20)
    assert comparison.missing == pytest.approx(1 / 3)
    np.testing.assert_array_equal(comparison.errors, [[2, np.nan], [2, np.nan]])
    assert comparison.median == 2


def test_animals_without_a_common_keypoint_are_no_pair():
    truth = poses([0], [[[0, 0], [np.nan, np.nan]]])
    found = poses([0], [[[np.nan, np.nan], [0, 0]]])
    assert compare(found, truth).found == 0


def test_keypoints_are_compared_by_name():
    truth = poses([0], [[[0, 0], [0, 10]]])
    found = poses([0], [[[0, 10], [0, 0]]], names=("b", "a"))
    assert compare(found, truth).p95 == 0
    with pytest.raises(DataError, match="nose"):
        compare(poses([0], [[[0, 0], [0, 10]]], names=("a", "nose")), truth)


def test_nothing_compared_with_nothing_is_a_full_score():
    none = no_poses(Skeleton(("a", "b")))
    some = poses([0], [[[0, 0], [0, 10]]])
    assert compare(none, none).found == 1
    assert (compare(none, some).found, compare(none, some).extra) == (0, 0)
    assert (compare(some, none).found, compare(some, none).extra) == (1, 1)
    assert np.isnan(compare(none, some).median)


@settings(deadline=None)
@given(any_poses(), st.integers(0, 2**32))
def test_rows_are_matched_once_and_only_within_a_frame(truth, seed):
    rng = np.random.default_rng(seed)
    kept = truth[rng.random(len(truth)) < 0.7]
    moved = replace(kept, xy=kept.xy + rng.normal(0, 30, kept.xy.shape).astype(np.float32))
    comparison = compare(moved, truth)
    assert len(set(comparison.rows.tolist())) == len(comparison.rows)
    assert len(set(comparison.truth_rows.tolist())) == len(comparison.rows)
    np.testing.assert_array_equal(moved.frame[comparison.rows], truth.frame[comparison.truth_rows])
    assert comparison.errors.shape == (len(comparison.rows), len(truth.skeleton.keypoints))


def test_ten_thousand_frames_are_compared_in_seconds():
    truth = World(frames=10_000, animals=3).truth
    start = time.perf_counter()
    assert compare(truth, truth).found == 1
    assert time.perf_counter() - start < 5


def test_random_poses_hold_everything_that_poses_may_hold():
    one, again = random_poses(5), random_poses(5)
    np.testing.assert_array_equal(one.xy, again.xy)
    assert np.isnan(one.xy).any()
    assert (one.xy < 0).any()
    assert {-1, 0, 1, 2} == set(one.track.tolist()) == set(one.individual.tolist())
    assert np.isnan(one.identity_score[one.individual == -1]).all()
    assert (~np.isnan(one.identity_score)).any()
    assert len(set(one.frame.tolist())) < len(one)
