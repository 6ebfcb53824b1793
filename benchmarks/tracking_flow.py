"""Would optical flow tell where an animal goes next better than its own velocity does?

    python benchmarks/tracking_flow.py shared/data/tracks [--out benchmarks]

Two flies in 1,500 frames of video, proofread (`clip.slp`), and rendered animals, all alike; every frame, and
every second, fourth and eighth one, so that steps get longer. From the true pose of an animal in one frame
its step to the next is foretold: by pyramidal Lucas-Kanade at its keypoints, as sleap-nn's `--use_flow` looks
(window 21, 3 levels; the median over keypoints), and by the step before. Errors are in body lengths; "beside
another" are the rows with another animal within a body length, where alone it matters. Then the rendered
animals are tracked, their number known, from true poses with errors of 1.5 px: by sleap-nn's tracker without
and with flow (`--method simple`, `flow`), and by ethopose. Writes `tracking_flow.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ethopose.core import Poses
from ethopose.formats import read_poses
from ethopose.media import open_video
from ethopose.metrics import closeness, identity, sightings
from ethopose.testing import World
from ethopose.track import Memory, Rows, follow, in_chunks
from ethopose.track.peers import Method

EVERY = (1, 2, 4, 8)
FRAMES, SIZE = 200, (384, 512)  # of the rendered animals
QUEUES = {"candidates_method": "local_queues"}
WINDOW, LEVELS = (21, 21), 3
Scene = Iterator[tuple[np.ndarray, np.ndarray]]  # gray picture; (animal, keypoint, 2) px, NaN: not seen


def rendered(every: int) -> Scene:
    """Four animals alike."""
    world = World(animals=4, size=SIZE, frames=FRAMES * every, seed=5)
    places = everywhere(world.truth, world.frames)
    for frame in range(0, world.frames, every):
        yield cv2.cvtColor(world.image(frame), cv2.COLOR_RGB2GRAY), places[frame]


def flies(folder: Path, every: int) -> Scene:
    """The real ones."""
    file = read_poses(folder / "clip.slp")[1]
    wanted = file.frames[::every]
    places = everywhere(file.poses, int(file.frames[-1]) + 1)
    for block, frame in zip(
        open_video(folder / "clip.mp4").blocks(wanted, 1, gray=True), wanted, strict=True
    ):
        yield block.image[0][..., 0], places[frame]


def tracked(every: int) -> list[str]:
    """Lines of the second table."""
    world = World(animals=4, size=SIZE, frames=FRAMES * every, seed=5)
    truth = world.truth[world.truth.frame % every == 0]
    truth = replace(truth, frame=truth.frame // every)
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(truth)), truth.frame))  # in no order within a frame
    xy = truth.xy + rng.normal(0, 1.5, truth.xy.shape).astype(np.float32)
    poses = replace(truth, xy=xy, track=np.full(len(xy), -1, np.int32))[order]
    looked = np.arange(FRAMES)
    tracks = {
        name: Method(name, QUEUES)(
            poses, looked, world.animals, (world.image(f * every) for f in looked)
        ).track
        for name in ("simple", "flow")
    }
    rows = [Rows(poses.frame, poses.xy, poses.confidence, np.zeros((len(xy), 0), np.float32))]
    spool = Memory()
    known = follow(lambda: rows, world.animals, spool)
    tracks["ethopose"] = np.concatenate(
        [known.of(r, of)[0] for r, of in zip(in_chunks(rows), spool, strict=True)]
    )
    lines = []
    for name, track in tracks.items():
        found = replace(poses, track=track.astype(np.int32))[track >= 0]
        told = identity(sightings(found, truth, likeness=closeness(world.length)))
        lines.append(
            f"| {every} | {name} | {told.idf1:.3f} | {told.hota:.3f} | {told.switches} | {told.misses} |"
        )
        sys.stdout.write(lines[-1] + "\n")
    return lines


def everywhere(poses: Poses, frames: int) -> np.ndarray:
    """(frame, animal, keypoint, 2), by track."""
    xy = np.full((frames, poses.track.max() + 1, *poses.xy.shape[1:]), np.nan, np.float32)
    xy[poses.frame, poses.track] = poses.xy
    return xy


def errors(scene: Scene) -> np.ndarray:
    """Rows of step, error by flow, error by velocity, distance to the nearest other; px."""
    rows, pictures, poses = [], [], []
    for picture, xy in scene:
        pictures, poses = [*pictures[-1:], picture], [*poses[-2:], xy]
        if len(poses) < 3:
            continue
        for animal in range(len(xy)):
            there = np.isfinite([each[animal] for each in poses]).all((0, 2))
            if there.any():
                rows.append(
                    foretold(pictures, [each[animal][there] for each in poses], nearest(poses[1], animal))
                )
    return np.array(rows)


def foretold(pictures: list[np.ndarray], poses: list[np.ndarray], near: float) -> tuple[float, ...]:
    """Of one animal, in three frames."""
    before, now, later = poses
    found, status, _ = cv2.calcOpticalFlowPyrLK(*pictures, now, None, winSize=WINDOW, maxLevel=LEVELS)
    found[status[:, 0] == 0] = np.nan
    step, flow = (later - now).mean(0), np.nanmedian(found - now, 0)
    velocity = (now - before).mean(0)
    flow = np.where(np.isfinite(flow), flow, velocity)
    step, by_flow, by_velocity = (
        float(np.linalg.norm(each)) for each in (step, flow - step, velocity - step)
    )
    return step, by_flow, by_velocity, near


def nearest(poses: np.ndarray, animal: int) -> float:
    """How far another animal's middle is."""
    middle = np.array(
        [np.nanmean(pose, 0) if np.isfinite(pose).any() else (np.nan, np.nan) for pose in poses]
    )
    away = np.linalg.norm(np.delete(middle, animal, 0) - middle[animal], axis=1)
    return float(np.min(away[np.isfinite(away)], initial=np.inf))


def lines_of(name: str, every: int, told: np.ndarray, length: float) -> list[str]:
    """Two lines of the table."""
    lines = []
    for label, some in (("all", told), ("beside another", told[told[:, 3] < length])):
        step, *both = some[:, :3].T / length
        cells = [f"{np.median(step):.3f}", *(f"{np.percentile(e, p):.3f}" for p in (50, 90) for e in both)]
        lines.append(f"| {name} | {every} | {label} | {len(some):,} | {' | '.join(cells)} |")
        sys.stdout.write(lines[-1] + "\n")
    return lines


def main() -> None:
    """Everything."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("data", type=Path)
    ask.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = ask.parse_args()
    assert __doc__ is not None
    lines = ["# Optical flow beside velocity", "", __doc__.split("\n\n", 2)[2].strip(), ""]
    lines += [
        "| scene | every | rows | number | step, median | flow, median | velocity, median | flow, 90 % "
        "| velocity, 90 % |",
        "| --- " * 9 + "|",
    ]
    fly = body(read_poses(given.data / "clip.slp")[1].poses.xy)
    for every in EVERY:
        lines += lines_of("flies", every, errors(flies(given.data, every)), fly)
    for every in EVERY:
        lines += lines_of("rendered", every, errors(rendered(every)), World(animals=4, size=SIZE).length)
    lines += ["", "| every | method | IDF1 | HOTA | switches | misses |", "| --- " * 6 + "|"]
    for every in EVERY:
        lines += tracked(every)
    (given.out / "tracking_flow.md").write_text("\n".join(lines) + "\n")


def body(xy: np.ndarray) -> float:
    """The median over animals of the greatest distance of two keypoints, px."""
    return float(np.median(np.nanmax(np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1), (1, 2))))


if __name__ == "__main__":
    main()
