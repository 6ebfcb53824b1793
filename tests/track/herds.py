"""Animals that walk about, as a pose model would have found them, and who they were."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ethopose.core import Poses, Skeleton
from ethopose.store import FrameTable, Manifest, ModelRecord, Result, start
from ethopose.track import Memory, Rows, follow, in_chunks

BODY = Skeleton(("head", "neck", "back", "tail"))
SHAPE = np.array([[30.0, 0.0], [12.0, 4.0], [-10.0, -3.0], [-30.0, 0.0]])


@dataclass(frozen=True)
class Herd:
    """Rows of detections, in a shuffled order within frames, and which animal each is (-1: none)."""

    frame: np.ndarray
    xy: np.ndarray
    confidence: np.ndarray
    vector: np.ndarray
    animal: np.ndarray
    frames: int

    @property
    def rows(self) -> Rows:
        return Rows(self.frame, self.xy, self.confidence, self.vector)

    def without(self, gone: np.ndarray) -> Herd:
        stay = ~gone
        names = ("frame", "xy", "confidence", "vector", "animal")
        return Herd(*(getattr(self, name)[stay] for name in names), frames=self.frames)

    @property
    def poses(self) -> Poses:
        return Poses(BODY, self.frame, self.xy, self.confidence, self.confidence.mean(1))


def herd(path: np.ndarray, *, noise: float = 1.0, dimensions: int = 0, seed: int = 0) -> Herd:
    """Of animals that are at `path` (frame, animal, 2) and look where they go; with `dimensions` each has an
    appearance of its own."""
    random = np.random.default_rng(seed)
    frames, animals, _ = path.shape
    ahead = np.gradient(path, axis=0) if len(path) > 1 else np.ones_like(path)
    angle = np.arctan2(ahead[..., 1], ahead[..., 0])[..., None]
    turned = np.stack(
        [
            np.cos(angle) * SHAPE[:, 0] - np.sin(angle) * SHAPE[:, 1],
            np.sin(angle) * SHAPE[:, 0] + np.cos(angle) * SHAPE[:, 1],
        ],
        -1,
    )
    xy = (path[:, :, None] + turned + random.normal(0, noise, (frames, animals, 4, 2))).astype(np.float32)
    own = random.normal(0, 1, (animals, dimensions))
    vector = own + random.normal(0, 0.5, (frames, animals, dimensions))
    order = np.argsort(random.random((frames, animals)), 1)
    frame = np.repeat(np.arange(frames), animals)
    picked = (frame, order.ravel())
    return Herd(
        frame=frame,
        xy=xy[picked],
        confidence=np.full((len(frame), 4), 0.9, np.float32),
        vector=vector[picked].astype(np.float32),
        animal=order.ravel(),
        frames=frames,
    )


def apart(frames: int, animals: int = 3, seed: int = 0) -> np.ndarray:
    """Paths in lanes of their own, so that nobody meets."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None]
    speed, phase = random.uniform(0.01, 0.03, animals), random.uniform(0, 6, animals)
    x = 400 + 300 * np.sin(speed * time + phase)
    y = 150.0 + 200 * np.arange(animals) + 20 * np.cos(3 * speed * time + phase)
    return np.stack([x, y], -1)


def crossing(frames: int = 200) -> np.ndarray:
    """Two straight paths that cross in the middle, where both are at the same time."""
    along = np.linspace(-300, 300, frames)
    return np.stack(
        [np.stack([400 + along, 300 + 0.6 * along], -1), np.stack([400 + along, 300 - 0.6 * along], -1)], 1
    )


def tracked(some: Herd, animals: int | None, *, looks: bool = False, parts: list[int] | None = None):
    """The track of each row and how sure it is, and what else is known."""
    edges = [0, *(parts or []), some.frames]
    at = np.searchsorted(some.frame, edges)
    rows = [some.rows[slice(a, b)] for a, b in pairwise(at)]
    spool = Memory()
    known = follow(lambda: rows, animals, spool, looks=looks)
    told = [np.stack(known.of(each, of)) for each, of in zip(in_chunks(rows), spool, strict=True)]
    track, sure = np.concatenate([np.empty((2, 0)), *told], 1)
    return track.astype(int), sure, known


def switches(some: Herd, track: np.ndarray) -> int:
    """How often an animal goes on as another track."""
    count = 0
    for animal in range(some.animal.max() + 1):
        mine = track[(some.animal == animal) & (track >= 0)]
        count += int((np.diff(mine) != 0).sum())
    return count


def write_herd(
    folder: Path, some: Herd, *, part_frames: int = 64, skeleton: Skeleton = BODY, **columns
) -> Result:
    """A finished result of the rows."""
    poses = some.poses
    manifest = Manifest(
        skeleton=skeleton,
        video={"path": "herd.mp4", "sha256": "0" * 64, "frames": some.frames},
        model=ModelRecord(name="mice", digest="1" * 64),
        frames=((0, some.frames - 1),),
        part_frames=part_frames,
    )
    with start(folder, manifest) as writer:
        for first in range(0, some.frames, part_frames):
            frame = np.arange(first, min(first + part_frames, some.frames))
            rows = slice(*np.searchsorted(poses.frame, [first, frame[-1] + 1]))
            part = Poses(
                skeleton,
                poses.frame[rows],
                poses.xy[rows],
                poses.confidence[rows],
                poses.score[rows],
                **{name: each[rows] for name, each in columns.items()},
            )
            count = np.bincount(part.frame - first, minlength=len(frame)).astype(np.int32)
            table = FrameTable(frame, frame / 30, np.zeros(len(frame), np.uint8), count)
            writer.write_part(table, part)
        return writer.finish()
