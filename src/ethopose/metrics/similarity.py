"""Object keypoint similarity (OKS), and the precision over recall that evaluators make of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
EPSILON = np.spacing(1)  # keeps an area of 0 from dividing


def labelled(truth: Float64[np.ndarray, "animal keypoint 2"]) -> Bool[np.ndarray, "animal keypoint"]:
    """Which keypoints have a place."""
    return np.asarray(~np.isnan(truth).any(axis=-1))


def extents(truth: Float64[np.ndarray, "animal keypoint 2"]) -> Float64[np.ndarray, "animal 2"]:
    """Width and height of the boxes around animals, px; 0 where nothing is labelled."""
    there = labelled(truth)[..., None]
    low, high = np.where(there, truth, np.inf).min(axis=1), np.where(there, truth, -np.inf).max(axis=1)
    return np.asarray(np.where(there.any(axis=1), high - low, 0))


def similarity(
    truth: Float64[np.ndarray, "animal keypoint 2"],
    found: Float64[np.ndarray, "instance keypoint 2"],
    area: Float64[np.ndarray, "animal"],
    sigma: Float64[np.ndarray, "keypoint"],
) -> Float64[np.ndarray, "instance animal"]:
    """OKS of every pair: the mean of exp(-d² / (2 area (2 sigma)²)) over the labelled keypoints.

    d is a keypoint's distance in px; one that was not found counts 0. The form is that of pycocotools
    2.0; `area` in px² and above 0. NaN for an animal without labelled keypoints.
    """
    return of_pairs(truth, found[:, None], area, sigma)


def of_pairs(
    truth: Float64[np.ndarray, "*pair keypoint 2"],
    found: Float64[np.ndarray, "*pair keypoint 2"],
    area: Float64[np.ndarray, "*pair"],
    sigma: Float64[np.ndarray, "keypoint"],
) -> Float64[np.ndarray, "*pair"]:
    """The same of pairs whose shapes broadcast."""
    squared = ((found - truth) ** 2).sum(axis=-1)
    squared = np.where(np.isnan(squared), np.inf, squared)
    likeness = np.exp(-squared / (2 * area[..., None] * (2 * sigma) ** 2))
    there = labelled(truth)
    count = there.sum(axis=-1).astype(np.float64)
    count[count == 0] = np.nan
    return np.asarray(np.where(there, likeness, 0).sum(axis=-1) / count)


def average_precision(hits: Bool[np.ndarray, "instance"], total: int) -> tuple[float, float]:
    """Mean of the precision at 101 recalls, and the last recall.

    `hits` tells, highest score first, whether each found animal is one of the `total` labelled ones.
    Precision is made to fall with recall, as in pycocotools 2.0. NaN where there is nobody to find.
    """
    if not total:
        return float("nan"), float("nan")
    right, wrong = np.cumsum(hits), np.cumsum(~hits)
    precision = right / (right + wrong + EPSILON)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(right / total, RECALLS, side="left")
    return float(np.append(falling, 0)[place].mean()), float(hits.sum() / total)
