"""Which found animal is which labelled one: the cheapest assignment of each frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ethopose.core import DataError, Poses
from ethopose.core.assignment import assignment


@dataclass(frozen=True, slots=True)
class Pairs:
    """Matched animals, as rows of what was found and of the truth."""

    rows: Int64[np.ndarray, " pair"]
    truth_rows: Int64[np.ndarray, " pair"]
    errors: Float64[np.ndarray, "pair keypoint"]  # px, in the truth's order; NaN: missing in either


def match(found: Poses, truth: Poses, *, gate: float | None = None) -> Pairs:
    """Match animals within each frame by the mean distance of their common keypoints.

    Pairs at `gate` px or more are no match: unless given, the median diagonal of the truth's animals; a
    truth of single points has none. Raises `DataError` unless both have the same keypoints, in any order.
    """
    xy = in_order_of(truth, found).astype(np.float64)
    rows, truth_rows = candidates(found.frame, truth.frame)
    errors = np.linalg.norm(xy[rows] - truth.xy[truth_rows], axis=-1)
    keep = _matched(
        rows, truth.frame[truth_rows], mean_distance(errors), _gate(truth) if gate is None else gate
    )
    return Pairs(rows[keep], truth_rows[keep], errors[keep])


def in_order_of(truth: Poses, found: Poses) -> Float32[np.ndarray, "instance keypoint 2"]:
    """Where keypoints were found, in the truth's order. Raises `DataError` unless both have the same."""
    names = found.skeleton.keypoints
    if set(names) != set(truth.skeleton.keypoints):
        raise DataError(
            f"poses of {', '.join(names)} compared with a truth of {', '.join(truth.skeleton.keypoints)}"
        )
    return found.xy[:, [names.index(name) for name in truth.skeleton.keypoints]]


def candidates(
    frame: Int64[np.ndarray, " row"], other: Int64[np.ndarray, " other"]
) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """All pairs of a row of each in the same frame, by the one's row, then by the other's; both sorted."""
    first = np.searchsorted(other, frame)
    counts = np.searchsorted(other, frame, side="right") - first
    rows = np.repeat(np.arange(len(frame)), counts)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, first[rows] + place


def mean_distance(errors: Float64[np.ndarray, "pair keypoint"]) -> Float64[np.ndarray, " pair"]:
    """The mean over the keypoints that both have, infinite where there is none."""
    known = ~np.isnan(errors)
    shared = known.sum(axis=1)
    distances = np.where(known, errors, 0).sum(axis=1) / np.maximum(shared, 1)
    return np.asarray(np.where(shared == 0, np.inf, distances))


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
        matches.append(start + np.ravel_multi_index(assignment(block), block.shape))
    chosen = np.concatenate([np.empty(0, np.int64), *matches])
    return np.asarray(chosen[distances[chosen] < gate])


def _gate(truth: Poses) -> float:
    """The median diagonal of the boxes around the truth's animals, px; infinite where it is nothing."""
    seen = ~np.isnan(truth.xy)
    low, high = np.where(seen, truth.xy, np.inf).min(axis=1), np.where(seen, truth.xy, -np.inf).max(axis=1)
    sides = np.where(seen.any(axis=1), high - low, 0)
    diagonal = float(np.median(np.linalg.norm(sides, axis=-1))) if len(truth) else 0.0
    return diagonal or float("inf")
