"""How well tracks and instances fit, and which go together, from 0 to 1 (sleap-nn 0.3.5)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from ethopose.core.assignment import assignment
from ethopose.track.sleap.mot.found import THINNEST, Boxes, Poses

Likeness = Float64[np.ndarray, "track instance"]
Centres = Float64[np.ndarray, "row 2"]
Pairs = list[tuple[int, int]]
ABOVE = 1e-5  # what a forbidden pair costs more than the dearest one that is not
WIDE_ENOUGH = 1.0  # px: keypoints in one place have no box


def overlap(one: Boxes, other: Boxes) -> Likeness:
    """Intersection over union; 0 for boxes that are not known."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    return _ratio(both, area(one)[:, None] + area(other)[None] - both)


def area(boxes: Boxes) -> Float64[np.ndarray, "row"]:
    """px²."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1))


def nearness(one: Centres, other: Centres, scale: float) -> Likeness:
    """A Gaussian of the distance, `scale` px wide."""
    distance = ((one[:, None] - other[None]) ** 2).sum(-1)
    return np.asarray(np.nan_to_num(np.exp(-distance / (2 * scale**2))))


def keypoint_similarity(
    track: Poses, size: Float64[np.ndarray, "track"], instance: Poses, stddev: float
) -> Likeness:
    """Over the keypoints known in both; `size` (px², 1 at least) is that of the tracks' boxes."""
    size = np.where(np.isfinite(size), np.maximum(size, 1), 1)
    distance = ((track[:, None] - instance[None]) ** 2).sum(-1)
    both = np.isfinite(distance)
    spread = (2 * stddev) ** 2 * (size[:, None, None] + np.spacing(1)) * 2
    likeness = np.where(both, np.exp(-np.where(both, distance, 0) / spread), 0).sum(-1)
    return np.asarray(likeness / np.maximum(both.sum(-1), 1))


def shared_overlap(track: Poses, instance: Poses, padding: float, body: float) -> Likeness:
    """The overlap of the boxes of keypoints known in both; 0 where they are too few or in one place."""
    both = np.isfinite(track).all(-1)[:, None] & np.isfinite(instance).all(-1)[None]
    boxes, wide = [], both.sum(-1) >= 2
    for xy in (track[:, None], instance[None]):
        low = np.where(both[..., None], xy, np.inf).min(axis=2)
        high = np.where(both[..., None], xy, -np.inf).max(axis=2)
        low, high = np.where(wide[..., None], low, 0), np.where(wide[..., None], high, 0)
        wide = wide & (high - low >= WIDE_ENOUGH).any(-1)
        pad = padding * (high - low).max(-1, keepdims=True)
        low, high = low - pad, high + pad
        lack = 0.5 * np.maximum(THINNEST * body - (high - low), 0)
        boxes.append((low - lack, high + lack))
    (low, high), (other_low, other_high) = boxes
    shared = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None).prod(-1)
    together = (high - low).prod(-1) + (other_high - other_low).prod(-1) - shared
    return np.where(wide, _ratio(shared, together), 0)


def _ratio(
    part: Float64[np.ndarray, "*shape"], whole: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    known = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return np.asarray(np.clip(np.nan_to_num(known), 0, 1))


def cheapest(cost: Likeness, most: float) -> Pairs:
    """The pairs of least cost in sum, none dearer than `most`."""
    possible = cost <= most
    if not possible.any():
        return []
    row, column = assignment(np.where(possible, cost, most + ABOVE))
    return _kept(row, column, possible)


def best(score: Likeness, possible: Bool[np.ndarray, "track instance"]) -> Pairs:
    """The pairs of highest score in sum over all, of which the possible ones are taken."""
    if not possible.any():
        return []
    row, column = assignment(-score)
    return _kept(row, column, possible)


def only(possible: Bool[np.ndarray, "track instance"]) -> Pairs | None:
    """The possible pairs if nobody has a choice; None: somebody has, or nobody is there."""
    if not possible.any() or possible.sum(axis=0).max() > 1 or possible.sum(axis=1).max() > 1:
        return None
    return [(int(row), int(column)) for row, column in np.argwhere(possible)]


def _kept(row: np.ndarray, column: np.ndarray, possible: Bool[np.ndarray, "track instance"]) -> Pairs:
    pairs = zip(row.tolist(), column.tolist(), strict=True)
    return [(one, other) for one, other in pairs if possible[one, other]]
