"""Record what DeepLabCut's trackers and its stitcher make of random scenes, for tests/track.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1 filterpy==1.4.5
    python tools/record_dlc_tracking.py

writes tests/track/golden/deeplabcut.npz. The scenes are redrawn by tests/track/tracking_scenes.py; only the
answers are stored: of each row, its tracklet, or its tracks in the table that the stitcher writes. The
stitcher is asked under several seeds of Python's hashes; where its answers differ, none is stored. Minutes.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

os.environ["DLClight"] = "True"  # noqa: SIM112  as the peer spells it: no windows
FOLDER = Path(__file__).parents[1] / "tests/track"
sys.path.insert(0, str(FOLDER))
import tracking_scenes as scenes  # noqa: E402  it stands beside the tests

HASHES = ("1", "2", "3")
JOINTS = [f"part{number}" for number in range(scenes.N_KEYPOINTS)]


def main() -> None:
    """Ask as often as there are seeds of hashes, and keep what is always the same."""
    told = []
    for seed in HASHES:
        asked = subprocess.run(
            [sys.executable, __file__, "ask"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        )
        told.append(pickle.loads(asked.stdout))
    sure = {
        key: value for key, value in told[0].items() if all(np.array_equal(value, one[key]) for one in told)
    }
    np.savez_compressed(scenes.GOLDEN, **sure)
    print(f"{len(sure)} of {len(told[0])} answers are always the same")
    print("not:", *sorted(told[0].keys() - sure.keys()))


def ask() -> dict[str, np.ndarray]:
    """Every answer, by the number of the scene and what was asked of it."""
    from deeplabcut.pose_estimation_pytorch.apis.tracklets import build_tracklets

    answers = {}
    for seed in scenes.SEEDS:
        scene = scenes.scene(seed)
        rows = {number: assembled(scene, index) for number, index in scene.frames()}
        config = {"pcutoff": 0.1, "topktoretain": scene.n_animals}
        for number, (method, options) in enumerate(scenes.TRACKERS):
            made = build_tracklets(dict(rows), method, config | options, JOINTS, "scorer", 160)
            made.pop("header")
            track, invented = by_row(scene, made)
            answers[f"{seed}.tracklets.{number}"] = track
            if len(invented):
                answers[f"{seed}.invented.{number}"] = invented
        made = build_tracklets(dict(rows), "ellipse", config, JOINTS, "scorer", 160, identity_only=True)
        made.pop("header")
        answers[f"{seed}.identity_only"] = by_row(scene, made, keep_names=True)[0]
        made = build_tracklets(dict(rows), "ellipse", config | scenes.TRACKERS[0][1], JOINTS, "scorer", 160)
        made.pop("header")
        for number, (options, weight) in enumerate(scenes.STITCHERS):
            track = stitched(scene, made, options, weight)
            if track is not None:
                answers[f"{seed}.stitched.{number}"] = track
    return answers


def assembled(scene: scenes.Scene, index: np.ndarray) -> np.ndarray:
    parts = (scene.xy[index], scene.confidence[index, :, None], scene.individual[index, :, None])
    return np.concatenate(parts, axis=2, dtype=np.float64)


def by_row(
    scene: scenes.Scene, made: dict[int, dict[str, np.ndarray]], *, keep_names: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The tracklet of each row, counted as they come up; and frame, tracklet, pose of those in no row."""
    place = {key(scene, row): row for row in range(len(scene.frame))}
    track, invented = np.full(len(scene.frame), -1, np.int16), []
    for number, (name, tracklet) in enumerate(made.items()):
        for frame, pose in tracklet.items():
            at = int(frame.removeprefix("frame"))
            if pose.ndim == 1:
                invented.append(np.array([at, number, *pose.reshape(-1, 3)[:, :2].ravel()]))
            else:
                track[place[at, pose[:, 2].tobytes()]] = name if keep_names else number
    return track, np.array(invented)


def key(scene: scenes.Scene, row: int) -> tuple[int, bytes]:
    """What tells a row from others: its confidences, which nothing changes."""
    return int(scene.frame[row]), scene.confidence[row].astype(np.float64).tobytes()


def stitched(
    scene: scenes.Scene, made: dict[int, dict[str, np.ndarray]], options: dict[str, Any], weight: str
) -> np.ndarray | None:
    """Rows and their tracks, -1: none, in the table that the stitcher would write; None where it fails."""
    from deeplabcut.refine_training_dataset.stitch import TrackletStitcher

    given = {name: dict(tracklet) for name, tracklet in made.items()}
    if weight != "identity":  # which without votes is distance
        for tracklet in given.values():
            tracklet.update({at: np.c_[pose[:, :3], -np.ones(len(pose))] for at, pose in tracklet.items()})
    max_gap = options.get("max_gap")
    others = {name: value for name, value in options.items() if name != "max_gap"}
    functions = {
        "identity": lambda a, b: (0.01 if a.identity == b.identity else 1) * a.distance_to(b),
        "distance": None,
        "motion": lambda a, b: a.motion_affinity_with(b),
        "shape": shape,
        "overlap": lambda a, b: 1 - a.box_overlap_with(b),
        "dynamics": lambda a, b: a.dynamic_dissimilarity_with(b),
    }
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stitcher = TrackletStitcher.from_dict_of_dict(given, scene.n_animals, **others)
            stitcher.build_graph(max_gap=max_gap, weight_func=functions[weight])
            stitcher.stitch()
            table = stitcher.concatenate_data().reshape(stitcher.n_frames, scene.n_animals, -1, 3)
        except Exception as error:
            print(weight, options, repr(error), file=sys.__stderr__)
            return None
    place = {key(scene, row): row for row in range(len(scene.frame))}
    pairs = []
    for (frame, animal), told in np.ndenumerate(np.isfinite(table).any(axis=(2, 3))):
        if told:
            confidence = table[frame, animal, :, 2].tobytes()
            pairs.append((place[frame + stitcher._first_frame, confidence], animal))
    lost = set(range(len(scene.frame))) - {row for row, _ in pairs}
    return np.array(sorted([*pairs, *((row, -1) for row in lost)]), np.int16).T


def shape(one: Any, other: Any) -> float:
    """Its own method, which fails where a keypoint is missing, on those that are not."""
    first, second = (xy[np.isfinite(xy).all(axis=1)] for xy in (one.xy[-1], other.xy[0]))
    return one.undirected_hausdorff(first, second)


if __name__ == "__main__":
    if sys.argv[1:] == ["ask"]:
        keep = sys.stdout
        sys.stdout = sys.stderr
        answers = ask()
        keep.buffer.write(pickle.dumps(answers))
    else:
        main()
