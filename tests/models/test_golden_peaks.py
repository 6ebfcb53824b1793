"""Peaks, classes and identities against what sleap-nn 0.3.5 recorded on the same arrays."""

import numpy as np
import pytest
from decoding import classes_of, context, in_scan_order, peaks_of

from ethopose.models.grouping import ByClassMap, ByClassVector, OneEach

EVERY = 250  # more than any map of the recording has


def test_local_peaks_are_those_of_the_peer_with_its_plateaus(golden):
    xy, value, sample, keypoint, _ = in_scan_order(
        peaks_of(golden["peaks_cm"], refinement="none", peaks_kept=EVERY)
    )
    assert sample.tolist() == golden["peaks_local_none_sample"].tolist()
    assert keypoint.tolist() == golden["peaks_local_none_channel"].tolist()
    np.testing.assert_array_equal(value, golden["peaks_local_none_val"])
    np.testing.assert_array_equal(xy, golden["peaks_local_none_xy"])
    assert np.any(xy % 1), "the recording has plateaus between cells"


def test_integral_refinement_is_that_of_the_peer(golden):
    found = peaks_of(golden["peaks_cm"], refinement="none", peaks_kept=EVERY)
    refined = peaks_of(golden["peaks_cm"], peaks_kept=EVERY)
    *_, sample, keypoint, peak = in_scan_order(found)
    xy = refined["xy"][sample, keypoint, peak]
    np.testing.assert_allclose(xy, golden["peaks_local_integral_xy"], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("thr095_none", {"refinement": "none"}),
        ("thr095_integral", {"refinement": "integral"}),
    ],
)
def test_global_peaks_are_those_of_the_peer(golden, name, options):
    found = peaks_of(golden["peaks_cm"], single=True, **options)
    xy = np.where(found["value"] < 0.95, np.nan, found["xy"][:, :, 0])
    np.testing.assert_allclose(xy, golden[f"peaks_global_{name}_xy"], rtol=1e-5, atol=1e-4)
    animals = OneEach()(found, context(2, threshold=0.95))
    np.testing.assert_array_equal(animals.confidence, golden[f"peaks_global_{name}_val"])
    np.testing.assert_array_equal(animals.xy, xy)


def test_a_wider_patch_is_refined_as_the_peer_does(golden):
    wanted = golden["peaks_global_patch7_xy"]
    found = peaks_of(golden["peaks_cm"], single=True, patch=7)["xy"][:, :, 0]
    seen = ~np.isnan(wanted)
    assert seen.sum() >= 8
    np.testing.assert_allclose(found[seen], wanted[seen], rtol=1e-5, atol=1e-4)
    narrow = peaks_of(golden["peaks_cm"], single=True, patch=5)["xy"][:, :, 0]
    assert np.abs(narrow - found)[seen].max() > 0.01


def test_class_maps_give_each_peak_to_the_individual_that_the_peer_gives_it_to(golden):
    peaks = _by_keypoint(golden, keypoints=2)
    animals = ByClassMap()(classes_of(golden["cls_maps"], peaks, stride=1), context(2, threshold=0))
    assert len(animals.frame) > 2
    wanted = golden["cls_out_points"], golden["cls_out_vals"]
    there = ~np.isnan(wanted[0]).all((2, 3))
    assert np.argwhere(there).tolist() == np.stack((animals.picture, animals.individual), 1).tolist()
    np.testing.assert_array_equal(animals.xy, wanted[0][there])
    np.testing.assert_array_equal(animals.confidence, wanted[1][there])
    np.testing.assert_allclose(animals.score, np.nanmean(wanted[1][there], -1), rtol=1e-6)
    np.testing.assert_allclose(
        animals.identity_score, np.nanmean(golden["cls_out_probs"][there], -1), rtol=1e-6
    )


def test_class_vectors_share_out_the_individuals_as_the_peer_does(golden):
    crops = len(golden["vec_in"])
    found = {
        "xy": np.zeros((crops, 1, 1, 2), np.float32),
        "value": np.ones((crops, 1, 1), np.float32),
        "probability": golden["vec_in"],
    }
    one_frame = context(crops)
    one_frame.frame[:] = 7
    animals = ByClassVector()(found, one_frame)
    assert animals.individual.tolist() == golden["vec_inds"].tolist()
    np.testing.assert_array_equal(animals.identity_score, golden["vec_probs"])


def _by_keypoint(golden, keypoints: int) -> dict[str, np.ndarray]:
    """The recorded list of peaks as arrays of fixed size, in its order."""
    size = len(golden["cls_pts"])
    xy = np.full((2, keypoints, size, 2), np.nan, np.float32)
    value = np.full((2, keypoints, size), -np.inf, np.float32)
    for peak, (sample, keypoint) in enumerate(zip(golden["cls_sample"], golden["cls_channel"], strict=True)):
        xy[sample, keypoint, peak] = golden["cls_pts"][peak]
        value[sample, keypoint, peak] = golden["cls_vals"][peak]
    return {"xy": xy, "value": value}


def test_of_several_peaks_a_single_animal_has_the_highest():
    value = np.array([[[0.4, 0.9, -np.inf], [0.2, 0.1, 0.05]]], np.float32)
    xy = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    animals = OneEach()({"xy": xy, "value": value}, context(1, threshold=0.3))
    np.testing.assert_array_equal(animals.xy, [[[2, 3], [np.nan, np.nan]]])
    np.testing.assert_allclose(animals.confidence, [[0.9, 0]])
