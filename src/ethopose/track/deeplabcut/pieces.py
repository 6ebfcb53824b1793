"""Pieces of tracks, and how little two of them look like one animal.

Source: DeepLabCut 3.0.1, `stitch.py` (`Tracklet`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A stretch of an animal, a row a frame in which it was seen."""

    row: Int64[np.ndarray, "row"]  # of the poses that pieces are of
    frame: Int64[np.ndarray, "row"]  # sorted
    xy: Float64[np.ndarray, "row keypoint 2"]  # px
    centroid: Float64[np.ndarray, "row 2"]  # px, each keypoint as heavy as it is sure
    individual: Int64[np.ndarray, "row keypoint"]  # which one a keypoint looks most like; -1: not told

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: slice | np.ndarray) -> Piece:
        return Piece(*(getattr(self, column.name)[rows] for column in fields(Piece)))

    @property
    def start(self) -> int:
        """Its first frame."""
        return int(self.frame[0])

    @property
    def end(self) -> int:
        """Its last frame."""
        return int(self.frame[-1])

    @property
    def majority(self) -> int:
        """The individual that most of its keypoints look like; the lower one of two."""
        values, counts = np.unique(self.individual, return_counts=True)
        return int(values[np.argmax(counts)])

    def overlaps(self, other: Piece) -> bool:
        """Whether there is a frame that both are in."""
        return bool(np.isin(self.frame, other.frame).any())


def join(pieces: Sequence[Piece]) -> Piece:
    """One piece of several."""
    whole = Piece(
        *(np.concatenate([getattr(piece, column.name) for piece in pieces]) for column in fields(Piece))
    )
    return whole[np.argsort(whole.frame, kind="stable")]


def centroids(
    xy: Float64[np.ndarray, "row keypoint 2"], confidence: Float64[np.ndarray, "row keypoint"]
) -> Float64[np.ndarray, "row 2"]:
    """Where animals are, in px; a keypoint without a place that has a confidence pulls them to the corner."""
    weight = confidence[..., None] + 1e-10
    return np.asarray(np.nansum(xy * weight, axis=1) / np.nansum(weight, axis=1))


Weight = Callable[[Piece, Piece], float]  # of an earlier piece and a later one; low where they are one animal


def distance(one: Piece, other: Piece) -> float:
    """From the end of the one to the start of the other, px."""
    return float(np.linalg.norm(one.centroid[-1] - other.centroid[0]))


def motion(one: Piece, other: Piece) -> float:
    """How far each is from where the other would be at constant velocity, px; the mean of both."""
    gap = other.start - one.end
    ahead = one.centroid[-1] + gap * _velocity(one[-3:])
    back = other.centroid[0] - gap * _velocity(other[:3])
    return float(np.linalg.norm(other.centroid[0] - ahead) + np.linalg.norm(one.centroid[-1] - back)) / 2


def shape(one: Piece, other: Piece) -> float:
    """Hausdorff distance of the keypoints, px; those that were not found do not count."""
    first, second = (points[np.isfinite(points).all(axis=1)] for points in (one.xy[-1], other.xy[0]))
    apart = np.linalg.norm(first[:, None] - second[None], axis=2)
    return float(max(apart.min(axis=0, initial=np.inf).max(), apart.min(axis=1, initial=np.inf).max()))


def overlap(one: Piece, other: Piece) -> float:
    """1 - intersection over union of the boxes around the keypoints."""
    first, second = (
        np.array([np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)]) for xy in (one.xy[-1], other.xy[0])
    )
    sides = np.maximum(np.minimum(first[1], second[1]) - np.maximum(first[0], second[0]), 0)
    common = sides.prod()
    both = np.prod(first[1] - first[0]) + np.prod(second[1] - second[0]) - common
    with np.errstate(invalid="ignore"):
        return float(1 - common / both)


def dynamics(one: Piece, other: Piece) -> float:
    """How differently the centroids move: 0 alike, up to 2 - √2 (Li et al. 2012, hankelets)."""
    first, second = (_hankelet(piece.centroid) for piece in (one, other))
    size = min(*first.shape, *second.shape)
    together = (first @ first.T)[:size, :size] + (second @ second.T)[:size, :size]
    return float(2 - np.linalg.norm(together))


WEIGHTS: dict[str, Weight] = {
    "distance": distance,
    "motion": motion,
    "shape": shape,
    "overlap": overlap,
    "dynamics": dynamics,
}


def _velocity(piece: Piece) -> Float64[np.ndarray, "2"]:
    steps = np.diff(piece.centroid, axis=0) / np.diff(piece.frame)[:, None]
    return np.asarray(steps.mean(axis=0))


def _hankelet(xy: Float64[np.ndarray, "row 2"]) -> Float64[np.ndarray, "double column"]:
    from scipy.linalg import hankel  # takes a while to load

    n_columns = int(np.ceil(len(xy) * 2 / 3))
    n_rows = len(xy) - n_columns + 1
    matrix = np.empty((2 * n_rows, n_columns))
    for axis in (0, 1):
        matrix[axis::2] = hankel(xy[:n_rows, axis], xy[-n_columns:, axis])
    return matrix / np.linalg.norm(matrix)
