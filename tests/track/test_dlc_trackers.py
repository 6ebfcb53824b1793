"""DeepLabCut's trackers by name: the tracklets that it made of the same detections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracking_scenes import N_KEYPOINTS, SEEDS, TRACKERS, scene

from ethopose.core import DataError, UsageError
from ethopose.track.deeplabcut import METHODS, TrackletOptions, tracklets, tracklets_by_identity
from ethopose.track.deeplabcut.outlines import boxes


def named(options: dict[str, float]) -> TrackletOptions:
    """Options as the peer calls them, as ours."""
    ours = dict(options)
    return TrackletOptions(box_margin=ours.pop("boundingboxslack"), **ours)


@pytest.mark.parametrize("number", range(len(TRACKERS)), ids=lambda n: f"{TRACKERS[n][0]}{n}")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_scenes_give_the_recorded_tracklets(told_by_deeplabcut, seed, number):
    one, (method, options) = scene(seed), TRACKERS[number]
    found = tracklets(one.frame, one.xy, one.confidence, method=method, options=named(options))
    np.testing.assert_array_equal(found.track, told_by_deeplabcut[f"{seed}.tracklets.{number}"])
    invented = told_by_deeplabcut.get(f"{seed}.invented.{number}", np.empty((0, 2 + 2 * N_KEYPOINTS)))
    invented = invented[np.lexsort((invented[:, 1], invented[:, 0]))]
    order = np.lexsort((found.invented_track, found.invented_frame))
    np.testing.assert_array_equal(found.invented_frame[order], invented[:, 0])
    np.testing.assert_array_equal(found.invented_track[order], invented[:, 1])
    poses = found.invented_xy[order].reshape(-1, 2 * N_KEYPOINTS)
    np.testing.assert_allclose(poses, invented[:, 2:], atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_votes_for_individuals_give_the_recorded_ones(told_by_deeplabcut, seed):
    one = scene(seed)
    found = tracklets_by_identity(
        one.frame, one.xy, one.confidence, one.individual, n_individuals=one.n_animals
    )
    np.testing.assert_array_equal(found.track, told_by_deeplabcut[f"{seed}.identity_only"])


def test_the_scenes_ask_for_all_that_is_weak(told_by_deeplabcut):
    invented = [name for name in told_by_deeplabcut if ".invented." in name]
    assert len(invented) == len(SEEDS)
    for seed in SEEDS:
        one = scene(seed)
        seen = np.isfinite(one.xy).all(axis=2) & (one.confidence >= 0.1)
        assert set(range(160)) - set(one.frame.tolist())  # frames without animals
        assert not seen.all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("clip", ["trimouse", "montblanc"])
def test_real_clips_give_the_recorded_tracklets(shared_data, clip, method):
    """As DeepLabCut 2.3.11 made them, which hides no keypoint."""
    folder = shared_data / "tracking" / "real"
    given, told = np.load(folder / f"{clip}.assemblies.npz"), np.load(folder / f"{clip}.{method}.npz")
    frame, animals = given["frame"].astype(np.int64), given["data"]
    options = TrackletOptions(min_confidence=0, as_in_2=True)
    found = tracklets(frame, animals[..., :2], animals[..., 2], method=method, options=options)
    place = {
        (at, xy.tobytes()): row for row, (at, xy) in enumerate(zip(frame, animals[..., :2], strict=True))
    }
    wanted = np.full(len(frame), -1)
    for at, xy, track in zip(told["raw_frame"], told["raw_xy"], told["raw_track"], strict=True):
        wanted[place[at, xy.tobytes()]] = track
    np.testing.assert_array_equal(found.track, wanted)
    assert len(found.invented_frame) == 0


def walk(n_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One animal that walks to the right."""
    frame = np.arange(n_frames)
    body = np.array([[0, 0], [20, 3], [40, -2], [60, 1.0]])
    xy = 50 + body + frame[:, None, None] * np.array([3.0, 0.5])
    return frame, xy, np.ones(xy.shape[:2])


@settings(deadline=None)
@given(gap=st.integers(2, 50), method=st.sampled_from(METHODS))
def test_frames_without_animals_are_not_told_to_the_trackers(gap, method):
    frame, xy, confidence = walk(20)
    later = np.where(frame < 10, frame, frame + gap)
    near, far = (tracklets(at, xy, confidence, method=method).track for at in (frame, later))
    np.testing.assert_array_equal(near, far)


@pytest.mark.parametrize("method", METHODS)
def test_one_animal_that_is_always_seen_is_one_tracklet(method):
    frame, xy, confidence = walk(30)
    assert set(tracklets(frame, xy, confidence, method=method).track) == {0}


def test_keypoints_that_are_ignored_change_nothing():
    frame, xy, _ = walk(30)
    wild = np.append(xy, np.random.default_rng(0).uniform(0, 900, (30, 1, 2)), axis=1)
    sure = np.ones(wild.shape[:2])
    assert set(tracklets(frame, wild, sure, method="box").track) != {0}
    found = tracklets(frame, wild, sure, method="box", options=TrackletOptions(ignored=(4,)))
    assert set(found.track) == {0}


@pytest.mark.parametrize("method", METHODS)
def test_nobody_and_animals_without_keypoints_have_no_tracklet(method):
    frame, xy, confidence = walk(6)
    for rows in (slice(0, 0), slice(0, 1), slice(None)):
        nothing = np.full_like(xy[rows], np.nan)
        found = tracklets(frame[rows], nothing, confidence[rows], method=method)
        assert set(found.track) <= {-1}
        assert found.invented_xy.shape == (0, 4, 2)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"method": "elipse"}, "no tracker is named 'elipse'"),
        ({"options": TrackletOptions(ignored=(0, 1))}, "an ellipse needs three keypoints"),
        ({"options": TrackletOptions(ignored=(0, 1, 2)), "method": "box"}, "a box around one keypoint"),
        ({"options": TrackletOptions(ignored=(0, 1, 2, 3)), "method": "skeleton"}, "no keypoint is left"),
        ({"options": TrackletOptions(ignored=(7,))}, "of 4 keypoints"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(changed, says):
    with pytest.raises(UsageError, match=says):
        tracklets(*walk(3), **changed)


@pytest.mark.parametrize("wrong", [{"max_age": -1}, {"iou_threshold": 1.5}, {"box_margin": -2.0}])
def test_options_without_sense_are_refused(wrong):
    with pytest.raises(UsageError, match="at least 0"):
        TrackletOptions(**wrong)


def test_rows_out_of_order_and_votes_for_nobody_are_refused():
    frame, xy, confidence = walk(3)
    with pytest.raises(DataError, match="not sorted"):
        tracklets(frame[::-1], xy, confidence)
    with pytest.raises(DataError, match="others than the 2 individuals"):
        tracklets_by_identity(frame, xy, confidence, np.full((3, 4), 2), n_individuals=2)


def test_the_area_of_boxes_is_believed_to_change_least():
    """What hardly ever changes a tracklet: the noise of the three velocities in `BoxTracker`."""
    assert np.diag(boxes(0).motion.process_noise).tolist() == [1, 1, 1, 1, 0.01, 0.01, 0.0001]
