"""How like a found animal is to a true one, 0 to 1: three measures, of many pairs at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64

from ethopose.core import DataError
from ethopose.metrics.matching import mean_distance
from ethopose.metrics.similarity import EPSILON, extents, labelled, of_pairs

Places: TypeAlias = Float64[np.ndarray, "pair keypoint 2"]  # px; NaN: not there
Likeness: TypeAlias = Callable[[Places, Places], Float64[np.ndarray, " pair"]]  # of truth and found


def closeness(body: float) -> Likeness:
    """1 - mean distance of common keypoints / body length (px); 0 from a body length on.

    Raises `DataError` unless there is a body length: `body_length` finds none in single points.
    """
    if not 0 < body < np.inf:
        raise DataError(f"a body length of {body:g} px measures nothing", fix="say how long animals are")
    return lambda truth, found: np.asarray(
        np.maximum(0, 1 - mean_distance(np.linalg.norm(found - truth, axis=-1)) / body)
    )


def keypoint_similarity(sigma: float | Sequence[float]) -> Likeness:
    """OKS: one sigma for all keypoints, or each keypoint's own; an animal's area is its keypoints' box."""
    spread = np.atleast_1d(np.asarray(sigma, np.float64))
    if not np.all(spread > 0):
        raise DataError(f"a sigma of {spread.min():g} measures nothing", fix="COCO's are 0.025 to 0.107")

    def of(truth: Places, found: Places) -> Float64[np.ndarray, " pair"]:
        _refuse_points(truth)
        if spread.size not in (1, truth.shape[1]):
            raise DataError(f"{spread.size} sigmas for {truth.shape[1]} keypoints")
        oks = of_pairs(truth, found, extents(truth).prod(axis=1) + EPSILON, spread)
        return np.asarray(np.nan_to_num(oks))

    return of


def box_overlap(truth: Places, found: Places) -> Float64[np.ndarray, " pair"]:
    """Intersection over union of the boxes around keypoints."""
    _refuse_points(truth)
    (low, high), (found_low, found_high) = _corners(truth), _corners(found)
    common = np.maximum(0, np.minimum(high, found_high) - np.maximum(low, found_low)).prod(axis=-1)
    union = extents(truth).prod(axis=-1) + extents(found).prod(axis=-1) - common
    return np.asarray(np.divide(common, union, out=np.zeros(len(common)), where=union > 0))


def _corners(places: Places) -> tuple[np.ndarray, np.ndarray]:
    there = labelled(places)[..., None]
    return np.where(there, places, np.inf).min(axis=1), np.where(there, places, -np.inf).max(axis=1)


def _refuse_points(truth: Places) -> None:
    if truth.shape[1] == 1:
        raise DataError("animals of a single keypoint have no extent", fix="measure by distance")
