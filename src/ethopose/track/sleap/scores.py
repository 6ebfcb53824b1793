"""How like two instances are, and which goes with which (sleap-nn 0.3.5)."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.core.assignment import assignment
from ethopose.track.sleap.options import ClassicOptions

Poses = Float64[np.ndarray, "instance keypoint 2"]
Features = Float64[np.ndarray, "instance *feature"]
Boxes = Float64[np.ndarray, "*box 4"]
Scores = Float64[np.ndarray, "instance candidate"]


def features(xy: Poses, kind: str) -> Features:
    """What of poses is compared: the poses, their medians, or their boxes as xmin, ymin, xmax, ymax."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pose without any keypoint: NaN
        if kind == "centroids":
            return np.asarray(np.nanmedian(xy, axis=1))
        if kind == "bboxes":
            return np.concatenate((np.nanmin(xy, axis=1), np.nanmax(xy, axis=1)), axis=1)
    return xy


def support(xy: Poses) -> Int64[np.ndarray, "instance"]:
    """How many keypoints of each pose are known."""
    return np.asarray(np.isfinite(xy).all(axis=2).sum(axis=1))


def scores(new: Features, old: Features, kind: str, stddev: float) -> Scores:
    """The likeness of each new instance and each candidate, more is better; NaN: cannot be told."""
    if kind == "oks":
        return _keypoint_similarity(new, old, stddev)
    if kind == "iou":
        return _box_overlap(new, old)
    new, old = (some.reshape(len(some), int(np.prod(some.shape[1:]))) for some in (new, old))
    new, old = new[:, None], old[None]
    if kind == "euclidean_dist":
        return np.asarray(-np.linalg.norm(new - old, axis=2))
    lengths = np.linalg.norm(new, axis=2) * np.linalg.norm(old, axis=2)
    unknown = np.full(lengths.shape, np.nan)
    return np.asarray(np.divide((new * old).sum(2), lengths, out=unknown, where=lengths > 0))


def _keypoint_similarity(new: Poses, old: Poses, stddev: float) -> Scores:
    """The mean over the new pose's keypoints; its box gives the scale, a missing candidate's counts 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        area = np.prod(np.nanmax(new, axis=1) - np.nanmin(new, axis=1), axis=-1)
        spread = (2 * stddev) ** 2 * (2 * (area + np.spacing(1)))
        distance = ((new[:, None] - old[None]) ** 2).sum(-1) / spread[:, None, None]
        likeness = np.where(np.isnan(distance), 0.0, np.exp(-distance))
        return np.asarray(likeness.sum(-1) / support(new)[:, None])


def _box_overlap(new: Features, old: Features) -> Scores:
    """Intersection over union, of boxes that hold their last pixel."""
    new, old = new[:, None], old[None]
    shared = _shared(new, old)
    return np.asarray(shared / (_area(new) + _area(old) - shared))


def _shared(one: Boxes, other: Boxes) -> Float64[np.ndarray, "*box"]:
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2]) + 1
    return np.asarray(np.maximum(sides, 0).prod(-1))


def _area(boxes: Boxes) -> Float64[np.ndarray, "*box"]:
    return np.asarray((boxes[..., 2:] - boxes[..., :2] + 1).prod(-1))


def reduced(some: Scores, options: ClassicOptions) -> Float64[np.ndarray, "instance"]:
    """One score of those with several candidates of a track; NaN: none could be told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if options.scoring_reduction == "max":
            return np.asarray(np.nanmax(some, axis=1))
        if options.scoring_reduction == "robust_quantile":
            return np.asarray(np.nanquantile(some, options.robust_best_instance, axis=1))
        return np.asarray(np.nanmean(some, axis=1))


def matched(cost: Float64[np.ndarray, "instance track"], method: str) -> list[tuple[int, int]]:
    """Pairs of a row and a column; those of infinite cost are made last, but made."""
    if method == "greedy":
        return _greedy(cost)
    possible = np.isfinite(cost)
    dear = np.abs(cost[possible]).max() * 10 + 1 if possible.any() else 1e6
    row, column = assignment(np.where(possible, cost, dear))
    return list(zip(row.tolist(), column.tolist(), strict=True))


def _greedy(cost: Float64[np.ndarray, "instance track"]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    free_row, free_column = (np.ones(length, bool) for length in cost.shape)
    for cell in np.argsort(cost, axis=None):
        row, column = divmod(int(cell), cost.shape[1])
        if free_row[row] and free_column[column]:
            pairs.append((row, column))
            free_row[row] = free_column[column] = False
    return pairs


def superfluous(
    xy: Poses, score: Float64[np.ndarray, "instance"], wanted: int, overlap: float
) -> Bool[np.ndarray, "instance"]:
    """Which of a frame's instances are too many: those that overlap more (0: any may), then the worst."""
    out = np.zeros(len(xy), bool)
    if len(xy) <= wanted:
        return out
    if overlap:
        out[:] = True
        out[_unlike(features(xy, "bboxes"), score, wanted, overlap)] = False
    kept = np.flatnonzero(~out)
    lowest = kept[np.argsort(score[kept], kind="stable")]
    out[lowest[: max(0, len(kept) - wanted)]] = True
    return out


def _unlike(boxes: Boxes, score: Float64[np.ndarray, "instance"], wanted: int, overlap: float) -> list[int]:
    """The best boxes of which none is covered by a better one; filled up to the wanted number."""
    left, kept, covered = np.argsort(score), list[int](), list[int]()
    area = _area(boxes)
    while len(left):
        best, left = left[-1], left[:-1]
        kept.append(int(best))
        over = _shared(boxes[best], boxes[left]) / area[left] > overlap
        covered.extend(left[over].tolist())
        left = left[~over]
    covered.sort(key=lambda row: -score[row])
    return kept + covered[: max(0, wanted - len(kept))]
