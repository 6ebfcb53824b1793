"""Labelled and found keypoints side by side, one row a point."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.core import Poses
from ethopose.metrics.matching import match


@dataclass(frozen=True, slots=True)
class Points:
    """Keypoints that are labelled, found, or both. Coordinates in px, NaN where not there."""

    image: Int64[np.ndarray, "point"]
    row: Int64[np.ndarray, "point"]  # of what was found; -1: nothing
    truth_row: Int64[np.ndarray, "point"]  # of the labels; -1: nothing
    keypoint: Int64[np.ndarray, "point"]
    truth: Float64[np.ndarray, "point 2"]
    found: Float64[np.ndarray, "point 2"]
    confidence: Float64[np.ndarray, "point"]

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: slice | np.ndarray) -> Points:
        """The points asked for."""
        return Points(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def labelled(self) -> Bool[np.ndarray, "point"]:
        """Whether somebody placed it."""
        return np.asarray(~np.isnan(self.truth).any(axis=-1))

    @property
    def seen(self) -> Bool[np.ndarray, "point"]:
        """Whether it was found."""
        return np.asarray(~np.isnan(self.found).any(axis=-1))

    @property
    def error(self) -> Float64[np.ndarray, "point"]:
        """Distance from the label in px; NaN unless labelled and found."""
        return np.asarray(np.linalg.norm(self.found - self.truth, axis=-1))


def compare_points(found: Poses, truth: Poses) -> Points:
    """The points of matched animals, then those of animals that nobody found, then of those too many.

    Both have the same keypoints in the same order, and `frame` counts in images. Where no image holds
    more than one labelled animal, what was found is compared however far it is; else an animal must be
    nearer than the labelled ones are long (`match`), and what is not is missed.
    """
    single = not np.any(np.diff(truth.frame) == 0)
    pairs = match(found, truth, gate=np.inf if single else None)
    missed = np.setdiff1d(np.arange(len(truth)), pairs.truth_rows)
    extra = np.setdiff1d(np.arange(len(found)), pairs.rows)
    rows = np.concatenate([pairs.rows, np.full(len(missed), -1), extra])
    truth_rows = np.concatenate([pairs.truth_rows, missed, np.full(len(extra), -1)])
    image = np.concatenate([truth.frame[pairs.truth_rows], truth.frame[missed], found.frame[extra]])
    keypoints = len(truth.skeleton.keypoints)
    points = Points(
        np.repeat(image, keypoints),
        np.repeat(rows, keypoints),
        np.repeat(truth_rows, keypoints),
        np.tile(np.arange(keypoints), len(rows)),
        _taken(truth.xy, truth_rows).reshape(-1, 2),
        _taken(found.xy, rows).reshape(-1, 2),
        _taken(found.confidence, rows).reshape(-1),
    )
    return points[points.labelled | points.seen]


def _taken(array: np.ndarray, rows: Int64[np.ndarray, "row"]) -> np.ndarray:
    """Rows of an array as float64, NaN for row -1."""
    padded = np.concatenate([array.astype(np.float64), np.full((1, *array.shape[1:]), np.nan)])
    return np.asarray(padded[rows])
