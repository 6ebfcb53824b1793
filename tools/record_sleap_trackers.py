"""Record what sleap-nn's trackers make of small random scenes, for tests/track.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install sleap-nn==0.3.5
    python tools/record_sleap_trackers.py

writes tests/track/golden/sleap.json: the options, and for each row of the scene its track, -1 for none,
-2 where the row is taken out. The scenes are redrawn by tests/track/sleap_scenes.py. A minute.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import sleap_io as sio
from sleap_nn.inference.tracking import TrackerConfig, apply_tracking
from sleap_nn.tracking.tracker import run_tracker

FOLDER = Path(__file__).parents[1] / "tests/track"
sys.path.insert(0, str(FOLDER))
import sleap_scenes  # noqa: E402  it stands beside the tests

RENAMED = {"tracking_window_size": "window_size"}
QUEUES = {"candidates_method": "local_queues"}
KALMAN = {"use_kalman": True, "tracking_target_instance_count": 3}
CLASSIC = [
    ("few", {}),
    ("few", {"min_new_track_points": 2}),
    ("few", {"min_match_points": 2, "scoring_reduction": "max"}),
    ("few", {"oks_stddev": 0.2, "tracking_window_size": 2}),
    ("few", {"features": "centroids", "scoring_method": "cosine_sim"}),
    ("few", {"features": "keypoints", "scoring_method": "euclidean_dist"}),
    ("few", {"features": "bboxes", "scoring_method": "iou", "track_matching_method": "greedy"}),
    ("few", {"scoring_reduction": "robust_quantile", "robust_best_instance": 0.7}),
    ("crowd", {**QUEUES, "max_tracks": 4}),
    ("crowd", {"max_tracks": 6, "min_new_track_points": 2, "features": "keypoints"}),
    ("crowd", {**QUEUES, "min_new_track_points": 2, "min_match_points": 2}),
    ("crowd", {"tracking_target_instance_count": 4, "tracking_pre_cull_to_target": 1}),
    (
        "crowd",
        {
            "tracking_target_instance_count": 3,
            "tracking_pre_cull_to_target": 1,
            "tracking_pre_cull_iou_threshold": 0.3,
        },
    ),
    ("crowd", {"tracking_clean_instance_count": 4, "tracking_clean_iou_threshold": 0.5}),
    ("crowd", {"tracking_target_instance_count": 6, "post_connect_single_breaks": True, "oks_stddev": 0.1}),
    (
        "crowd",
        {"track_matching_method": "greedy", "features": "centroids", "scoring_method": "euclidean_dist"},
    ),
    ("gaps", {}),
    ("gaps", {"min_match_points": 3, "tracking_window_size": 3}),
    ("gaps", {**QUEUES, "track_matching_method": "greedy", "max_tracks": 4, "oks_stddev": 0.3}),
    ("gaps", {"features": "bboxes", "scoring_method": "euclidean_dist", "scoring_reduction": "max"}),
    ("points", {"features": "centroids", "scoring_method": "euclidean_dist"}),
    ("few", {"use_flow": True, "oks_stddev": 0.1}),
    ("few", {"use_flow": True, **QUEUES, "of_window_size": 11, "of_max_levels": 1, "of_img_scale": 0.8}),
    (
        "points",
        {
            "use_flow": True,
            "features": "centroids",
            "scoring_method": "euclidean_dist",
            "tracking_window_size": 1,
        },
    ),
    ("few", {**KALMAN}),
    ("few", {**KALMAN, "kf_track_features": "keypoints"}),
    ("gaps", {**KALMAN, "kf_node_indices": [0, 1, 2], "kf_init_frame_count": 6, "kf_reset_gap_size": 2}),
    (
        "gaps",
        {
            **KALMAN,
            "kf_track_features": "keypoints",
            "kf_node_indices": [1, 3],
            "oks_stddev": 0.2,
            "kf_init_frame_count": 4,
        },
    ),
    ("crowd", {**KALMAN, **QUEUES, "max_tracks": 5, "kf_init_frame_count": 5}),
    ("long", {**KALMAN, "features": "bboxes", "scoring_method": "iou"}),
    (
        "capped",
        {
            "features": "centroids",
            "scoring_method": "euclidean_dist",
            "tracking_window_size": 8,
            "candidates_method": "fixed_window",
            "scoring_reduction": "mean",
            "track_matching_method": "hungarian",
            "min_match_points": 2,
            "max_tracks": 2,
            "tracking_target_instance_count": 3,
        },
    ),
    (
        "full",
        {
            "features": "keypoints",
            "scoring_method": "euclidean_dist",
            "tracking_window_size": 5,
            "candidates_method": "local_queues",
            "scoring_reduction": "max",
            "track_matching_method": "greedy",
            "min_match_points": 4,
            "max_tracks": 2,
            "tracking_target_instance_count": 2,
            "tracking_pre_cull_to_target": 1,
            "post_connect_single_breaks": True,
        },
    ),
    (
        "reserved",
        {
            "features": "bboxes",
            "scoring_method": "iou",
            "tracking_window_size": 3,
            "candidates_method": "fixed_window",
            "scoring_reduction": "max",
            "track_matching_method": "greedy",
            "min_match_points": 1,
            "max_tracks": 5,
            "tracking_clean_instance_count": 4,
            "tracking_clean_iou_threshold": 0.1,
        },
    ),
    (
        "faint",
        {
            "features": "centroids",
            "scoring_method": "euclidean_dist",
            "tracking_window_size": 4,
            "candidates_method": "local_queues",
            "scoring_reduction": "mean",
            "track_matching_method": "hungarian",
            "min_new_track_points": 1,
        },
    ),
    (
        "nobody",
        {
            "features": "keypoints",
            "scoring_method": "oks",
            "tracking_window_size": 1,
            "candidates_method": "fixed_window",
            "scoring_reduction": "mean",
            "track_matching_method": "hungarian",
            "oks_stddev": 0.1,
            "min_new_track_points": 3,
        },
    ),
]
MOT = [
    (scene, {"tracker": tracker, **options})
    for tracker in ("bytetrack", "ocsort", "sort")
    for scene, options in (
        ("few", {}),
        ("crowd", {"min_hits": 1, "track_buffer": 5}),
        ("gaps", {"min_match_similarity": 0.1, "new_track_threshold": 0.3}),
        ("points", {}),
        ("long", {}),
        ("long", {"max_tracks": 4}),
        ("long", {"link_tracklets": True, "track_buffer": 10}),
        ("strides", {"max_tracks": 3, "track_high_threshold": 0.4}),
        ("crowd", {"max_tracks": 3, "track_buffer": 8}),
        ("few", {"scoring_method": "oks", "oks_stddev": 0.2}),
        ("gaps", {"scoring_method": "euclidean_dist", "max_tracks": 2}),
        ("knots", {"scoring_method": "oks", "min_match_similarity": 0.5, "max_tracks": 5}),
        ("long", {"mot_params": {"preset": "paper"}}),
        ("crowd", {"mot_params": {"score_mode": "instance", "body_size": 20.0, "box_padding": 0.3}}),
        ("gaps", {"mot_params": {"time_base": "steps", "kalman": "xyah", "normalize_scores": False}}),
    )
] + [
    (
        "hosts",
        {
            "tracker": "bytetrack",
            "min_hits": 1,
            "max_tracks": 2,
            "mot_params": {"score_mode": "none", "body_size": 20.0},
        },
    ),
    ("rivals", {"tracker": "bytetrack", "track_buffer": 3, "min_hits": 1, "max_tracks": 3}),
    (
        "knots",
        {
            "tracker": "bytetrack",
            "track_buffer": 30,
            "new_track_threshold": 0.5,
            "min_match_similarity": 0.5,
            "max_tracks": 5,
            "scoring_method": "oks",
            "mot_params": {"kalman": "xyah", "time_base": "frames"},
        },
    ),
    (
        "twins",
        {
            "tracker": "ocsort",
            "track_buffer": 0,
            "min_hits": 1,
            "min_match_similarity": 0.2,
            "max_tracks": 4,
            "mot_params": {"body_size": 20.0},
        },
    ),
    ("ranks", {"tracker": "bytetrack", "track_buffer": 0, "max_tracks": 5}),
    ("few", {"tracker": "ocsort", "mot_params": {"use_byte": True, "delta_t": 1, "inertia": 0.5}}),
    (
        "knots",
        {"tracker": "bytetrack", "scoring_method": "oks", "max_tracks": 5, "mot_params": {"kalman": "xyah"}},
    ),
]
LINKED = [
    ("few", {"link_tracklets": True}),
    ("long", {"link_tracklets": True, "max_tracks": 9}),
    ("gaps", {"link_tracklets": True, "tracking_window_size": 2, "min_new_track_points": 3}),
    ("crowd", {"link_tracklets": True, "oks_stddev": 0.1}),
    ("strides", {"link_tracklets": True, "tracking_window_size": 1, "max_tracks": 4}),
]


def main() -> None:
    scenes = sleap_scenes.scenes()
    recorded = {
        "classic": [classic(name, scenes[name], options) for name, options in CLASSIC],
        "mot": [mot(name, scenes[name], options) for name, options in MOT],
        "linked": [mot(name, scenes[name], options) for name, options in LINKED],
    }
    (FOLDER / "golden").mkdir(exist_ok=True)
    (FOLDER / "golden/sleap.json").write_text(as_text(recorded))


def as_text(recorded: dict[str, list[dict[str, object]]]) -> str:
    """A line a run."""
    groups = []
    for name, runs in recorded.items():
        lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
        groups.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    return "{\n" + ",\n".join(groups) + "\n}\n"


def classic(name: str, scene: sleap_scenes.Scene, options: dict[str, object]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        frames, rows = labelled(scene, Path(folder))
        theirs = {RENAMED.get(option, option): value for option, value in options.items()}
        tracked = run_tracker(frames, **theirs)
        return {"scene": name, "options": options, "track": told(tracked, rows)}


def mot(name: str, scene: sleap_scenes.Scene, options: dict[str, object]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        frames, rows = labelled(scene, Path(folder))
        explicit = {"scoring_method_explicit": True} if "scoring_method" in options else {}
        theirs = {RENAMED.get(option, option): value for option, value in options.items()}
        labels = apply_tracking(sio.Labels(frames), TrackerConfig(**theirs, **explicit))
        return {"scene": name, "options": options, "track": told(labels.labeled_frames, rows)}


def labelled(scene: sleap_scenes.Scene, folder: Path) -> tuple[list[sio.LabeledFrame], list[object]]:
    """The scene as the peer takes it, and its instances row by row."""
    files = []
    for number, image in enumerate(sleap_scenes.images(scene)):
        files.append(str(folder / f"{number:04}.png"))
        cv2.imwrite(files[-1], image)
    paths = dict(zip(scene.frames.tolist(), files, strict=True))
    every = [paths.get(frame, files[0]) for frame in range(int(scene.frames[-1]) + 1)]
    video = sio.Video.from_filename(every)
    skeleton = sio.Skeleton([f"k{index}" for index in range(scene.xy.shape[1])])
    rows = [
        sio.PredictedInstance.from_numpy(
            xy.astype(np.float64), skeleton=skeleton, point_scores=sure.astype(np.float64), score=float(score)
        )
        for xy, sure, score in zip(scene.xy, scene.confidence, scene.score, strict=True)
    ]
    frames = [
        sio.LabeledFrame(
            video=video,
            frame_idx=int(frame),
            instances=[rows[row] for row in np.flatnonzero(scene.frame == frame)],
        )
        for frame in scene.frames
    ]
    return frames, rows


def told(frames: list[sio.LabeledFrame], rows: list[object]) -> list[int]:
    """Each row's track, numbered in order of appearance."""
    left = {id(instance): instance for frame in frames for instance in frame.instances}
    numbers: dict[int, int] = {}
    tracks = []
    for row in rows:
        if id(row) not in left:
            tracks.append(-2)
        elif row.track is None:
            tracks.append(-1)
        else:
            tracks.append(numbers.setdefault(id(row.track), len(numbers)))
    return tracks


if __name__ == "__main__":
    main()
