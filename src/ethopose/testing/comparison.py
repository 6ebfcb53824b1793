"""How far poses are from the truth: animals matched frame by frame, errors in px."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import linear_sum_assignment

from ethopose.core import DataError, Poses


@dataclass(frozen=True, slots=True)
class Comparison:
    """Poses against the truth; `rows` and `truth_rows` are the matched pairs as rows of the two."""

    found: float  # share of the truth's rows that have a match; 1 where there is nothing to find
    extra: float  # rows without a match, a frame that either names
    missing: float  # share of the keypoints in matched rows of the truth that were not found
    errors: Float64[
        np.ndarray, "pair keypoint"
    ]  # px, in the truth's order of keypoints; NaN: missing in either
    rows: Int64[np.ndarray, " pair"]
    truth_rows: Int64[np.ndarray, " pair"]

    @property
    def median(self) -> float:
        """Half of the keypoints err less, px; NaN where nothing matched."""
        return self._quantile(0.5)

    @property
    def p95(self) -> float:
        """95 % of the keypoints err less, px; NaN where nothing matched."""
        return self._quantile(0.95)

    def _quantile(self, share: float) -> float:
        known = self.errors[~np.isnan(self.errors)]
        return float(np.quantile(known, share)) if len(known) else float("nan")


def compare(poses: Poses, truth: Poses, *, gate: float | None = None) -> Comparison:
    """Match animals within each frame by the mean distance of their common keypoints, and measure.

    Pairs at `gate` px or more are no match: unless given, the median diagonal of the truth's animals; a
    truth of single points has none. Raises `DataError` unless both have the same keypoints, in any order.
    """
    names = poses.skeleton.keypoints
    if set(names) != set(truth.skeleton.keypoints):
        raise DataError(
            f"poses of {', '.join(names)} compared with a truth of {', '.join(truth.skeleton.keypoints)}"
        )
    xy = poses.xy[:, [names.index(name) for name in truth.skeleton.keypoints]].astype(np.float64)
    rows, truth_rows = _candidates(poses, truth)
    errors = np.linalg.norm(xy[rows] - truth.xy[truth_rows], axis=-1)
    known = ~np.isnan(errors)
    shared = known.sum(axis=1)
    distances = np.where(known, errors, 0).sum(axis=1) / np.maximum(shared, 1)
    distances[shared == 0] = np.inf
    keep = _matched(rows, truth.frame[truth_rows], distances, _gate(truth) if gate is None else gate)
    there = ~np.isnan(truth.xy[truth_rows[keep]]).any(axis=-1)
    frames = len(np.union1d(poses.frame, truth.frame))
    return Comparison(
        found=len(keep) / len(truth) if len(truth) else 1.0,
        extra=(len(poses) - len(keep)) / max(frames, 1),
        missing=1 - known[keep].sum() / max(there.sum(), 1) if len(keep) else 0.0,
        errors=errors[keep],
        rows=rows[keep],
        truth_rows=truth_rows[keep],
    )


def _candidates(poses: Poses, truth: Poses) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """All pairs of a row of each in the same frame: by frame, then row, then row of the truth."""
    first = np.searchsorted(truth.frame, poses.frame)
    counts = np.searchsorted(truth.frame, poses.frame, side="right") - first
    rows = np.repeat(np.arange(len(poses)), counts)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, first[rows] + place


def _matched(
    rows: Int64[np.ndarray, " pair"],
    frame: Int64[np.ndarray, " pair"],
    distances: Float64[np.ndarray, " pair"],
    gate: float,
) -> Int64[np.ndarray, " match"]:
    """The pairs of the cheapest assignment in each frame, where no pair costs more than the gate."""
    finite = np.isfinite(distances)
    # The solver takes no infinities; dearer than every pair that can be matched is enough.
    costs = np.minimum(distances, min(gate, distances[finite].max(initial=0) + 1))
    bounds = [*np.flatnonzero(np.diff(frame, prepend=-1)), len(frame)]
    matches = []
    for start, end in pairwise(bounds):
        width = np.searchsorted(rows[start:end], rows[start], side="right")
        block = costs[start:end].reshape(-1, width)
        matches.append(start + np.ravel_multi_index(linear_sum_assignment(block), block.shape))
    chosen = np.concatenate([np.empty(0, np.int64), *matches])
    return np.asarray(chosen[distances[chosen] < gate])


def _gate(truth: Poses) -> float:
    """The median diagonal of the boxes around the truth's animals, px; infinite where it is nothing."""
    seen = ~np.isnan(truth.xy)
    low, high = np.where(seen, truth.xy, np.inf).min(axis=1), np.where(seen, truth.xy, -np.inf).max(axis=1)
    sides = np.where(seen.any(axis=1), high - low, 0)
    diagonal = float(np.median(np.linalg.norm(sides, axis=-1))) if len(truth) else 0.0
    return diagonal or float("inf")
