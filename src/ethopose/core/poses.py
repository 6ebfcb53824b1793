"""Skeletons and poses: what was found, one row an animal in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64

from ethopose.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The keypoints of an animal, in the order given, and how they hang together."""

    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()  # (source, destination) as indices of keypoints
    symmetries: tuple[tuple[int, int], ...] = ()
    individuals: tuple[str, ...] = ()  # names, where identity is part of the model
    unique: tuple[str, ...] = ()  # keypoints that belong to no animal
    name: str = "animal"

    def __post_init__(self) -> None:
        if not self.keypoints:
            raise DataError("a skeleton needs at least one keypoint")
        if len(set(self.keypoints)) != len(self.keypoints):
            raise DataError(f"keypoint names repeat: {', '.join(self.keypoints)}")
        pairs = (*self.edges, *self.symmetries)
        if any(not 0 <= end < len(self.keypoints) for pair in pairs for end in pair):
            raise DataError(f"an edge or symmetry names a keypoint beyond {len(self.keypoints)}: {pairs}")


@dataclass(frozen=True, slots=True)
class Poses:
    """What was found, one row an animal in a frame, sorted by frame. NaN: not found.

    Coordinates are pixels of the frame as the container gives it after rotation, x right, y down,
    the centre of the top left pixel at (0, 0). Scores and confidences are the model's own.
    """

    skeleton: Skeleton
    frame: Int64[np.ndarray, "instance"]
    xy: Float32[np.ndarray, "instance keypoint 2"]
    confidence: Float32[np.ndarray, "instance keypoint"]
    score: Float32[np.ndarray, "instance"]
    track: Int32[np.ndarray, "instance"] = field(default_factory=lambda: np.empty(0, np.int32))  # -1: none
    individual: Int16[np.ndarray, "instance"] = field(default_factory=lambda: np.empty(0, np.int16))
    identity_score: Float32[np.ndarray, "instance"] = field(
        default_factory=lambda: np.empty(0, np.float32)
    )  # how sure of track or individual; NaN: not told

    def __post_init__(self) -> None:
        n, k = len(self.frame), len(self.skeleton.keypoints)
        for name, missing in (("track", -1), ("individual", -1), ("identity_score", np.nan)):
            if n and not len(getattr(self, name)):
                dtype = getattr(self, name).dtype
                object.__setattr__(self, name, np.full(n, missing, dtype))
        for name, (shape, dtype) in _columns(n, k).items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise DataError(f"{name} is {array.dtype}{array.shape}, wanted {np.dtype(dtype)}{shape}")
        if n and np.any(np.diff(self.frame) < 0):
            raise DataError("poses are not sorted by frame")

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: slice | np.ndarray) -> Poses:
        """The rows asked for, as poses."""
        return Poses(self.skeleton, **{name: getattr(self, name)[rows] for name in COLUMNS})


COLUMNS = tuple(column.name for column in fields(Poses) if column.name != "skeleton")


def _columns(n: int, k: int) -> dict[str, tuple[tuple[int, ...], type]]:
    return {
        "frame": ((n,), np.int64),
        "xy": ((n, k, 2), np.float32),
        "confidence": ((n, k), np.float32),
        "score": ((n,), np.float32),
        "track": ((n,), np.int32),
        "individual": ((n,), np.int16),
        "identity_score": ((n,), np.float32),
    }


def no_poses(skeleton: Skeleton) -> Poses:
    """Poses of nobody."""
    columns = _columns(0, len(skeleton.keypoints))
    return Poses(skeleton, **{name: np.empty(shape, dtype) for name, (shape, dtype) in columns.items()})


def join_poses(parts: Sequence[Poses], skeleton: Skeleton) -> Poses:
    """Poses of one skeleton one after the other, in frame order as given."""
    if not parts:
        return no_poses(skeleton)
    return Poses(skeleton, **{name: np.concatenate([getattr(p, name) for p in parts]) for name in COLUMNS})
