"""Rendered worlds as a pose model would have found them: videos, results of them, and who was who."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ethopose.core import Poses
from ethopose.media import open_video
from ethopose.store import FrameTable, Manifest, ModelRecord, Result, start
from ethopose.testing import World

NOISE = 0.8  # px


def found(world: World, *, hut: float = 0.0, seed: int = 0) -> tuple[Poses, np.ndarray]:
    """Poses without names, and which animal each is. Who is mostly hidden is missed, as by a model, and whose
    body is within `hut` px of the middle of the picture, where ways cross."""
    truth = world.truth
    hidden = world._hidden(truth.frame, truth.individual, truth.xy)
    middle = (np.array(world.size[::-1]) - 1) / 2
    covered = np.linalg.norm(truth.xy[:, 0] - middle, axis=1) < hut
    seen = np.flatnonzero((hidden.mean(1) < 0.5) & ~covered)
    chance = np.random.default_rng(seed)
    order = seen[np.lexsort((chance.random(len(seen)), truth.frame[seen]))]
    xy = truth.xy[order] + chance.normal(0, NOISE, truth.xy[order].shape).astype(np.float32)
    confidence = np.where(np.isfinite(xy).all(-1), np.float32(0.9), np.float32(np.nan))
    skeleton = replace(world.skeleton, individuals=())
    ones = np.ones(len(order), np.float32)
    return Poses(skeleton, truth.frame[order], xy, confidence, ones), truth.individual[order].astype(int)


def write_found(
    folder: Path,
    world: World,
    video: Path | None,
    *,
    poses: Poses | None = None,
    part_frames: int = 128,
    features: dict[str, np.ndarray] | None = None,
    digest: str = "1" * 64,
) -> Result:
    """A finished result of a world's poses."""
    poses = found(world)[0] if poses is None else poses
    told = {"path": "gone.mp4"} if video is None else open_video(video).fingerprint()
    vectors = features or {}
    manifest = Manifest(
        skeleton=poses.skeleton,
        video=told,
        model=ModelRecord(name="mice", digest=digest),
        frames=((0, world.frames - 1),),
        part_frames=part_frames,
        features={kind: each.shape[1] for kind, each in vectors.items()},
    )
    with start(folder, manifest) as writer:
        for first in range(0, world.frames, part_frames):
            frame = np.arange(first, min(first + part_frames, world.frames))
            rows = slice(*np.searchsorted(poses.frame, [first, frame[-1] + 1]))
            count = np.bincount(poses.frame[rows] - first, minlength=len(frame)).astype(np.int32)
            table = FrameTable(frame, frame / world.fps, np.zeros(len(frame), np.uint8), count)
            kept = {kind: each[rows] for kind, each in vectors.items()}
            writer.write_part(table, poses[rows], features=kept)
        return writer.finish()


def idf1(animal: np.ndarray, track: np.ndarray) -> float:
    """Of rows in one order: twice those whose track is their animal's, over all rows and those on tracks."""
    seen = track >= 0
    together = np.zeros((animal.max() + 1, track.max(initial=0) + 1))
    np.add.at(together, (animal[seen], track[seen]), 1)
    mine, theirs = linear_sum_assignment(together, maximize=True)
    return 2 * together[mine, theirs].sum() / (len(animal) + seen.sum())
