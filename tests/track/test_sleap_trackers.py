"""sleap-nn's trackers by name give the tracks that sleap-nn gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import sleap_scenes

from ethopose.core.errors import DataError, UsageError
from ethopose.formats import slp
from ethopose.media import open_video
from ethopose.track.sleap.classic import ClassicTracker
from ethopose.track.sleap.mot.linking import link_tracks
from ethopose.track.sleap.mot.options import mot_options
from ethopose.track.sleap.mot.tracker import track_video
from ethopose.track.sleap.options import ClassicOptions

GOLDEN = json.loads((Path(__file__).parent / "golden/sleap.json").read_text())
SCENES = sleap_scenes.scenes()
QUEUES = {"candidates_method": "local_queues"}
TWO = {"tracking_target_instance_count": 2}
RECORDED = {
    "t_fixed_default": {},
    "t_fixed_centroid_eucl_w10": {
        "features": "centroids",
        "scoring_method": "euclidean_dist",
        "tracking_window_size": 10,
    },
    "t_fixed_connect_clean": {
        **TWO,
        "post_connect_single_breaks": True,
        "tracking_clean_instance_count": 2,
        "scoring_reduction": "max",
    },
    "t_local_max2": {**QUEUES, "max_tracks": 2},
    "t_local_bbox_iou_greedy": {
        **QUEUES,
        "features": "bboxes",
        "scoring_method": "iou",
        "track_matching_method": "greedy",
        "max_tracks": 2,
    },
    "t_local_oks_robust": {**QUEUES, "scoring_reduction": "robust_quantile", "robust_best_instance": 0.95},
    "t_kalman2": {"use_kalman": True, **TWO},
    "t_precull1": {"tracking_target_instance_count": 1, "tracking_pre_cull_to_target": 1},
    "t_flow_0_299": {**QUEUES, "use_flow": True, "max_tracks": 2, "of_img_scale": 0.5},
}
MOT = {
    "t_bytetrack": {"tracker": "bytetrack"},
    "t_ocsort_2": {"tracker": "ocsort", "max_tracks": 2},
}


def tracked(options, poses, frames, images=None):
    """Each row's track; -1: none, -2: taken out."""
    tracker = ClassicTracker(ClassicOptions(**options))
    tracks = np.full(len(poses.frame), -2)
    for frame in frames:
        rows = np.flatnonzero(poses.frame == frame)
        image = images[frame] if images else None
        found = tracker(frame, poses.xy[rows], poses.confidence[rows], poses.score[rows], image)
        tracks[rows] = np.where(found.kept, found.track, -2)
    return tracks


def agreement(found, recorded):
    """The share of rows with the same track, up to the tracks' names, or without one for the same reason."""
    from scipy.optimize import linear_sum_assignment

    both = (found >= 0) & (recorded >= 0)
    pairs = np.zeros((found.max() + 1, recorded.max() + 1))
    np.add.at(pairs, (found[both], recorded[both]), 1)
    same = pairs[linear_sum_assignment(pairs, maximize=True)].sum()
    return (same + (~both & (found == recorded)).sum()) / len(found)


def followed(options, poses, frames):
    """The same by a tracker of the SORT family."""
    asked = mot_options(**options)
    return track_video(asked, poses.frame, poses.xy, poses.confidence, poses.score, np.array(frames)).track


@pytest.fixture(scope="module")
def clip(shared_data):
    return slp.read(shared_data / "tracks/clip.untracked.slp").poses


def recorded_tracks(path, poses):
    """The recorded track of each row, whatever order it was written in."""
    told, tracks = np.load(path), np.full(len(poses.frame), -2)
    rows = {
        (frame, xy.tobytes()): row for row, (frame, xy) in enumerate(zip(poses.frame, poses.xy, strict=True))
    }
    for frame, xy, track in zip(told["frame_idx"], told["xy"], told["track"], strict=True):
        tracks[rows[frame, xy.astype(np.float32).tobytes()]] = track
    return tracks


@pytest.mark.parametrize("name", [name for name in RECORDED if "flow" not in name])
def test_the_tracks_of_a_clip_are_those_that_sleap_nn_recorded(name, clip, shared_data):
    recorded = recorded_tracks(shared_data / f"tracks/recorded/{name}.npz", clip)
    assert agreement(tracked(RECORDED[name], clip, np.unique(clip.frame)), recorded) == 1


def test_the_tracks_by_optical_flow_are_those_that_sleap_nn_recorded(clip, shared_data):
    video, frames = open_video(shared_data / "tracks/clip.mp4"), range(100)
    (block,) = video.blocks(np.array(frames), len(frames), gray=video.gray)
    poses = clip[clip.frame < len(frames)]
    recorded = recorded_tracks_of_flow(shared_data, clip)[: len(poses.frame)]
    found = tracked(RECORDED["t_flow_0_299"], poses, frames, dict(zip(frames, block.image, strict=True)))
    assert agreement(found, recorded) == 1


def recorded_tracks_of_flow(shared_data, clip):
    return recorded_tracks(shared_data / "tracks/recorded/t_flow_0_299.npz", clip)


@pytest.mark.parametrize(
    "run", GOLDEN["classic"], ids=[f"{run['scene']}-{index}" for index, run in enumerate(GOLDEN["classic"])]
)
def test_scenes_are_tracked_as_sleap_nn_tracks_them(run):
    options, scene = dict(run["options"]), SCENES[run["scene"]]
    if "kf_node_indices" in options:
        options["kf_node_indices"] = tuple(options["kf_node_indices"])
    pictures = dict(zip(scene.frames.tolist(), sleap_scenes.images(scene), strict=True))
    found = tracked(options, scene, scene.frames.tolist(), pictures if "use_flow" in options else None)
    recorded = np.array(run["track"])
    assert ((found == -2) == (recorded == -2)).all()
    assert agreement(found, recorded) >= 0.99


@pytest.mark.parametrize("name", MOT)
def test_the_sort_family_tracks_a_clip_as_sleap_nn_recorded(name, clip, shared_data):
    recorded = recorded_tracks(shared_data / f"tracks/recorded/{name}.npz", clip)
    assert agreement(followed(MOT[name], clip, np.unique(clip.frame)), recorded) == 1


@pytest.mark.parametrize(
    "run",
    GOLDEN["mot"],
    ids=[f"{run['options']['tracker']}-{run['scene']}-{index}" for index, run in enumerate(GOLDEN["mot"])],
)
def test_the_sort_family_tracks_scenes_as_sleap_nn_does(run):
    scene, recorded = SCENES[run["scene"]], np.array(run["track"])
    options = dict(run["options"])
    found = followed(options.pop("mot_params", {}) | options, scene, scene.frames)
    assert ((found < 0) == (recorded < 0)).all()
    assert agreement(found, recorded) >= 0.99


@pytest.mark.parametrize("run", GOLDEN["linked"], ids=[run["scene"] for run in GOLDEN["linked"]])
def test_tracks_of_the_classic_tracker_are_linked_as_sleap_nn_links_them(run):
    options, scene = dict(run["options"]), SCENES[run["scene"]]
    del options["link_tracklets"]
    found = tracked(options, scene, scene.frames)
    kept, animals = found > -2, options.get("max_tracks")
    columns = [column[kept] for column in (scene.frame, scene.xy, scene.confidence, scene.score, found)]
    found[kept] = link_tracks(*columns, max_tracks=animals, looked=scene.frames)
    assert agreement(found, np.array(run["track"])) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"features": "image"}, "no tracking by image"),
        ({"features": "masks"}, "there is no 'masks'"),
        ({"scoring_method": "mask_iou"}, "there is no 'mask_iou'"),
        ({"track_matching_method": "auction"}, "choose from hungarian, greedy"),
        ({"tracking_window_size": 0}, "1 or more"),
        ({"scoring_method": "iou"}, "cannot score keypoints"),
        ({"features": "centroids"}, "cannot score centroids"),
        ({"robust_best_instance": 0.9}, "does nothing without scoring_reduction=robust_quantile"),
        ({"oks_stddev": 0.1, "features": "bboxes", "scoring_method": "iou"}, "without scoring_method=oks"),
        ({"tracking_pre_cull_to_target": 1}, "does nothing without tracking_target_instance_count"),
        ({"post_connect_single_breaks": True}, "does nothing without tracking_target_instance_count"),
        ({"of_img_scale": 0.5}, "does nothing without use_flow"),
        ({"kf_reset_gap_size": 3}, "does nothing without use_kalman"),
        ({"use_kalman": True}, "needs the number of animals"),
        ({"use_kalman": True, "use_flow": True, "max_tracks": 2}, "exclude each other"),
        ({"tracking_clean_instance_count": 2, "tracking_clean_iou_threshold": 1.5}, "a number from 0 to 1"),
        ({"use_kalman": True, "max_tracks": 2, "kf_node_indices": (9,)}, "the skeleton has 4 keypoints"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_that_could_not_do_what_they_say_are_refused(options, told):
    with pytest.raises(UsageError, match=told):
        tracked(options, SCENES["few"], [0])


def test_frames_out_of_order_and_flow_without_images_are_refused():
    with pytest.raises(DataError, match="frame 1 comes after 2"):
        tracked({}, SCENES["few"], [2, 1])
    with pytest.raises(UsageError, match="images"):
        tracked({"use_flow": True}, SCENES["few"], [0])


def test_lone_keypoints_are_compared_by_distance_unless_told_otherwise():
    scene = SCENES["points"]
    asked = tracked({"features": "centroids", "scoring_method": "euclidean_dist"}, scene, scene.frames)
    assert (tracked({}, scene, scene.frames) == asked).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tracker": "deepsort"}, "by appearance and is not here; fix: choose from sort, bytetrack, ocsort"),
        ({"tracker": "classic"}, "there is no tracker 'classic'"),
        ({"tracker": "sort", "preset": "zoo"}, "choose from animal, paper"),
        ({"tracker": "sort", "use_flow": True}, "sort has no option use_flow"),
        ({"tracker": "sort", "inertia": 0.1}, "sort has no option inertia"),
        ({"tracker": "ocsort", "appearance_threshold": 0.5}, "no option appearance_threshold"),
        ({"tracker": "ocsort", "scoring_method": "cosine_sim"}, "no scoring_method cosine_sim"),
        ({"tracker": "bytetrack", "oks_stddev": 0.2}, "does nothing without scoring_method=oks"),
        ({"tracker": "bytetrack", "min_hits": 0}, "1 or more"),
        ({"tracker": "bytetrack", "track_high_threshold": 2}, "a number from 0 to 1"),
        ({"tracker": "bytetrack", "track_low_threshold": 0.7}, "above track_high_threshold 0.5"),
        ({"tracker": "ocsort", "body_size": 0}, "a number above 0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_that_the_sort_family_does_not_read_are_refused(options, told):
    with pytest.raises(UsageError, match=told):
        mot_options(**options)


def test_poses_in_frames_that_were_not_looked_at_are_refused():
    scene = SCENES["few"]
    with pytest.raises(DataError, match="not looked at"):
        followed({"tracker": "sort"}, scene, scene.frames[1:])


@pytest.mark.parametrize("tracker", ["sort", "bytetrack", "ocsort"])
def test_a_video_of_nobody_has_no_tracks(tracker):
    nobody = np.empty((0, 4, 2), np.float32)
    options = mot_options(tracker, max_tracks=2)
    found = track_video(options, np.empty(0, int), nobody, nobody[..., 0], nobody[:, 0, 0], np.arange(5))
    assert not len(found.track)


def test_poses_without_any_keypoint_get_no_track():
    scene = SCENES["few"]
    hidden = sleap_scenes.Scene(scene.frame, scene.xy * np.nan, scene.confidence, scene.score, scene.frames)
    assert (followed({"tracker": "bytetrack"}, hidden, scene.frames) == -1).all()
    assert (tracked({}, hidden, scene.frames) == -2).all()
