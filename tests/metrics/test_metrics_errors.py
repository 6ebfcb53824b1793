"""Our own numbers: errors, PCK, missed and false points, reliability."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethopose.core import Poses, Skeleton
from ethopose.metrics import body_length, compare_points, errors, reliability
from ethopose.testing import any_poses


def poses(frame, xy, confidence=None):
    xy = np.asarray(xy, np.float32)
    gone = np.isnan(xy).any(axis=-1)
    confidence = np.ones(xy.shape[:2]) if confidence is None else np.asarray(confidence)
    return Poses(
        Skeleton(("a", "b")),
        np.asarray(frame, np.int64),
        xy,
        np.where(gone, np.nan, confidence).astype(np.float32),
        np.ones(len(xy), np.float32),
    )


NOWHERE = [np.nan, np.nan]


def test_distances_of_3_and_4_px_are_summed_up_as_the_words_say():
    truth = poses([0, 1], [[[0, 0], [0, 50]], [[0, 0], [0, 50]]])
    found = poses([0, 1], [[[3, 0], [0, 54]], [[0, 0], [0, 50]]], [[0.9, 0.1], [0.8, 0.7]])
    told = errors(compare_points(found, truth), pcutoff=0.6, body=50)
    assert (told.labelled, told.missed, told.false) == (4, 0, 0)
    assert (told.median, told.mean) == (1.5, 1.75)
    assert told.rmse == pytest.approx(2.5)
    assert told.p95 == pytest.approx(3.85)
    assert (told.pck_2, told.pck_5, told.pck_body_10) == (0.5, 1, 1)
    assert (told.kept_pcutoff, told.mean_pcutoff, told.median_pcutoff) == (3, 1, 0)
    assert told.rmse_pcutoff == pytest.approx(np.sqrt(3))


def test_a_point_that_was_not_found_is_a_miss_and_one_without_label_is_false():
    truth = poses([0, 1, 2], [[[0, 0], [0, 50]], [[0, 0], NOWHERE], [[0, 0], [9, 9]]])
    found = poses([0, 1, 3], [[[0, 0], NOWHERE], [[0, 0], [7, 7]], [[1, 1], [2, 2]]])
    told = errors(compare_points(found, truth), pcutoff=0.6)
    assert (told.labelled, told.missed, told.false) == (5, 3, 3)
    assert told.pck_10 == pytest.approx(2 / 5)
    assert np.isnan(told.pck_body_10)


def test_a_single_animal_is_compared_however_far_and_of_several_only_the_near():
    one = poses([0], [[[0, 0], [0, 50]]])
    away = poses([0], [[[900, 0], [900, 50]]])
    assert errors(compare_points(away, one), pcutoff=0).mean == 900
    two = poses([0, 0], [[[0, 0], [0, 50]], [[200, 0], [200, 50]]])
    told = errors(compare_points(away, two), pcutoff=0)
    assert (told.missed, told.false) == (4, 2)


def test_nothing_labelled_and_nothing_found_has_no_errors():
    none = poses([], np.empty((0, 2, 2)))
    told = errors(compare_points(none, none), pcutoff=0.6, body=body_length(none))
    assert (told.labelled, told.missed, told.false) == (0, 0, 0)
    assert np.isnan([told.median, told.rmse, told.pck_5, told.pck_body_20]).all()


@settings(deadline=None)
@given(any_poses(), st.integers(0, 2**32))
def test_every_labelled_and_every_found_keypoint_is_counted_once(truth, seed):
    chance = np.random.default_rng(seed)
    kept = truth[chance.random(len(truth)) < 0.7]
    found = replace(kept, xy=kept.xy + chance.normal(0, 40, kept.xy.shape).astype(np.float32))
    points = compare_points(found, truth)
    assert points.labelled.sum() == (~np.isnan(truth.xy).any(axis=-1)).sum()
    assert points.seen.sum() == (~np.isnan(found.xy).any(axis=-1)).sum()
    told = errors(points, pcutoff=0.5)
    assert told.labelled - told.missed + told.false == points.seen.sum()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 20))
def test_errors_grow_as_the_picture_does(seed, factor):
    chance = np.random.default_rng(seed)
    truth = poses(range(9), chance.uniform(0, 99, (9, 2, 2)))
    found = replace(truth, xy=truth.xy + chance.normal(0, 5, truth.xy.shape).astype(np.float32))
    told = errors(compare_points(found, truth), pcutoff=0, body=body_length(truth))
    truth, found = (replace(p, xy=(p.xy * factor).astype(np.float32)) for p in (truth, found))
    larger = errors(compare_points(found, truth), pcutoff=0, body=body_length(truth))
    assert larger.rmse == pytest.approx(factor * told.rmse, rel=1e-3)
    assert larger.pck_body_20 == pytest.approx(told.pck_body_20, abs=0.06)


def test_the_body_length_is_that_of_the_middle_animal_whatever_way_it_lies():
    truth = poses([0, 1, 2, 3], [[[0, 0], [0, 50]], [[0, 0], [30, 40]], [[0, 0], [99, 0]], [[0, 0], NOWHERE]])
    assert body_length(truth) == 50
    assert np.isnan(body_length(truth[3:]))


def test_confidence_that_says_what_it_means_has_no_calibration_error():
    chance = np.random.default_rng(0)
    confidence = chance.random(200_000)
    error = np.where(chance.random(200_000) < confidence, 1.0, 20.0)
    told = reliability(confidence, error)
    np.testing.assert_allclose(told.right, told.confidence, atol=0.01)
    assert told.ece < 0.01
    assert told.brier == pytest.approx(1 / 6, abs=0.005)
    assert told.auroc == pytest.approx(5 / 6, abs=0.005)
    assert told.count.tolist() == [20_000] * 10


def test_confidence_that_is_always_sure_and_right_half_the_time():
    told = reliability(np.ones(100), np.tile([1.0, 9.0], 50))
    assert (told.ece, told.brier, told.auroc) == (0.5, 0.5, 0.5)
    assert reliability(np.ones(100), np.tile([1.0, 9.0], 50), within=10).ece == 0


def test_few_points_or_none_are_enough():
    told = reliability(np.array([0.2, np.nan, 0.9]), np.array([30.0, 1.0, 2.0]))
    assert told.count.tolist() == [1, 1]
    assert told.auroc == 1
    assert np.isnan(reliability(np.empty(0), np.empty(0)).ece)
