"""The instances of a video as the SORT family sees them: boxes, centres, scores (sleap-nn 0.3.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64, Num

from ethopose.track.sleap.mot.options import MotOptions

Boxes = Float64[np.ndarray, "instance 4"]  # xmin, ymin, xmax, ymax, px
Poses = Float64[np.ndarray, "instance keypoint 2"]
THINNEST = 0.25  # of the body: no box is thinner


@dataclass(frozen=True, slots=True)
class Found:
    """Instances, one row each. Rows without any keypoint are not valid and NaN."""

    frame: Int64[np.ndarray, "instance"]
    xy: Poses
    extent: Boxes  # of what was found
    box: Boxes  # the same, padded
    centre: Float64[np.ndarray, "instance 2"]
    score: Float64[np.ndarray, "instance"]  # 0 to 1
    known: Int64[np.ndarray, "instance"]  # keypoints
    thin: Bool[np.ndarray, "instance"]  # a lone keypoint, or narrower than a pixel

    @property
    def valid(self) -> Bool[np.ndarray, "instance"]:
        """Whether anything is known of them."""
        return self.known > 0

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: slice | Int64[np.ndarray, "row"]) -> Found:
        return Found(**{name: getattr(self, name)[rows] for name in self.__slots__})


def found(
    frame: Int64[np.ndarray, "instance"],
    xy: Num[np.ndarray, "instance keypoint 2"],
    confidence: Num[np.ndarray, "instance keypoint"],
    score: Num[np.ndarray, "instance"],
    options: MotOptions,
) -> Found:
    """What is known before the video is measured; thin extents are a pixel wide."""
    xy = xy.astype(np.float64)
    seen = np.isfinite(xy).all(axis=2)
    low = np.where(seen[..., None], xy, np.inf).min(axis=1)
    high = np.where(seen[..., None], xy, -np.inf).max(axis=1)
    known = seen.sum(axis=1)
    low[known == 0], high[known == 0] = np.nan, np.nan
    thin = (known == 1) | ((known > 0) & ((high - low) < 1).any(axis=1))
    centre = 0.5 * (low + high)
    extent = np.concatenate((low, high), axis=1)
    extent[thin] = _boxes(centre, 0.5 * np.maximum(high - low, 1))[thin]
    pad = options.box_padding * (extent[:, 2:] - extent[:, :2]).max(axis=1, keepdims=True)
    box = extent + np.concatenate((-pad, -pad, pad, pad), axis=1)
    sure = _sure(seen, confidence.astype(np.float64), score.astype(np.float64), options.score_mode)
    return Found(frame, np.where(seen[..., None], xy, np.nan), extent, box, centre, sure, known, thin)


def measured(some: Found, body: float, best: float | None) -> Found:
    """With the video's body size (px) in the place of thin boxes, and scores in shares of its `best`."""
    square = _boxes(some.centre, np.full_like(some.centre, 0.5 * max(body, 1.0)))
    extent, box = (np.where(some.thin[:, None], square, boxes) for boxes in (some.extent, some.box))
    lack = 0.5 * np.maximum(THINNEST * body - (box[:, 2:] - box[:, :2]), 0)
    box = box + np.concatenate((-lack, lack), axis=1)
    score = some.score if best is None else np.clip(some.score / best, 0, 1)
    return replace(some, extent=extent, box=box, score=score)


def _boxes(centre: Float64[np.ndarray, "instance 2"], half: Float64[np.ndarray, "instance 2"]) -> Boxes:
    return np.concatenate((centre - half, centre + half), axis=1)


def _sure(
    seen: Bool[np.ndarray, "instance keypoint"],
    confidence: Float64[np.ndarray, "instance keypoint"],
    score: Float64[np.ndarray, "instance"],
    mode: str,
) -> Float64[np.ndarray, "instance"]:
    """A score from 0 to 1; the instance's own where keypoints tell nothing, 1 where it has none."""
    if mode == "none":
        return np.ones(len(score))
    told = seen & np.isfinite(confidence)
    parts = np.where(told, confidence, 0.0)
    mean = parts.sum(axis=1) / np.maximum(told.sum(axis=1), 1)
    use = (parts != 0).any(axis=1) & (mode == "auto")
    sure = np.where(use, mean, score)
    return np.clip(np.where(np.isfinite(sure), sure, 1.0), 0, 1)
