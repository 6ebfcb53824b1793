"""What every grouping takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from jaxtyping import Float16, Float32, Int16, Int64

# What graph 2 found, by name: see `ethopose.models.heads.head.Found`.
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Context:
    """What a grouping is told besides the arrays."""

    threshold: float  # peaks must be above it
    limit: int | None  # at most so many animals a frame
    frame: Int64[np.ndarray, "batch"]  # the frame that each picture of the batch shows
    score: Float32[np.ndarray, "batch"] | None = None  # of the centroid or box that each crop was cut around
    size: tuple[int, int] = (1, 1)  # (height, width) of the pictures, which shares of them are told in


@dataclass(frozen=True, slots=True)
class Instances:
    """Animals of a batch, frame by frame in the model's own order."""

    frame: Int64[np.ndarray, "instance"]
    xy: Float32[np.ndarray, "instance keypoint 2"]  # pixels of the prepared picture
    confidence: Float32[np.ndarray, "instance keypoint"]
    score: Float32[np.ndarray, "instance"]
    picture: Int64[np.ndarray, "instance"]  # index in the batch
    individual: Int16[np.ndarray, "instance"]  # -1: none
    identity_score: Float32[np.ndarray, "instance"]
    likeness: Float32[np.ndarray, "instance keypoint individual"]  # of no individuals, where none are told
    vectors: Float16[np.ndarray, "instance number"]  # what keypoints look like, where that is kept

    def __getitem__(self, rows: np.ndarray) -> Instances:
        return Instances(*(getattr(self, column.name)[rows] for column in fields(self)))

    def joined(self, other: Instances) -> Instances:
        """Both, one after the other."""
        columns = ((getattr(self, column.name), getattr(other, column.name)) for column in fields(self))
        return Instances(*(np.concatenate(pair) for pair in columns))


class Grouping(Protocol):
    """Peaks and what is known about them in, animals out."""

    reads: tuple[str, ...]  # which of the arrays that heads find

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch."""
        ...


def make_instances(
    context: Context,
    picture: np.ndarray,
    xy: np.ndarray,
    confidence: np.ndarray,
    score: np.ndarray,
    identity: tuple[np.ndarray, np.ndarray] | None = None,
) -> Instances:
    """Instances without those that have no keypoint at all; `identity` is (individual, its score)."""
    individual, identity_score = identity or (np.full(len(picture), -1), np.full(len(picture), np.nan))
    instances = Instances(
        frame=context.frame[picture],
        xy=xy.astype(np.float32),
        confidence=confidence.astype(np.float32),
        score=score.astype(np.float32),
        picture=picture,
        individual=individual.astype(np.int16),
        identity_score=identity_score.astype(np.float32),
        likeness=np.zeros((*confidence.shape, 0), np.float32),
        vectors=np.zeros((len(picture), 0), np.float16),
    )
    return instances[~np.isnan(instances.xy).all((1, 2))]


def no_instances(keypoints: int) -> Instances:
    """Nobody."""
    nothing = np.zeros(0, np.int64)
    empty = Context(threshold=0, limit=None, frame=nothing)
    return make_instances(empty, nothing, np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), nothing)


def strongest(score: np.ndarray, limit: int | None) -> np.ndarray:
    """Indices of the `limit` highest scores, highest first; all in their order if there are no more.

    Equal scores come in the order of NumPy's default sort reversed (sleap-nn 0.3.5).
    """
    if limit is None or len(score) <= limit:
        return np.arange(len(score))
    return np.argsort(score)[::-1][:limit]
