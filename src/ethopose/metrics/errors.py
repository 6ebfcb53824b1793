"""How far found points are from the labelled ones: our own numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from ethopose.core import Poses
from ethopose.metrics.points import Points

BLOCK = 4096  # animals measured at a time


@dataclass(frozen=True, slots=True)
class Errors:
    """Distances in px over labelled points that were found; NaN where there is none.

    PCK is the share of *labelled* points that were found within so many px, or such a share of the body
    length: a point that was not found is a miss. `_pcutoff` leaves out points of less confidence.
    """

    labelled: int
    missed: int  # labelled and not found
    false: int  # found where nothing is labelled
    median: float
    mean: float
    rmse: float  # root of the mean square; DeepLabCut calls the mean so
    p95: float  # 95 % of the points err less
    pck_2: float
    pck_5: float
    pck_10: float
    pck_body_10: float  # within 10 % of the body length
    pck_body_20: float
    kept_pcutoff: int
    median_pcutoff: float
    mean_pcutoff: float
    rmse_pcutoff: float


def errors(points: Points, *, pcutoff: float, body: float = np.nan) -> Errors:
    """The errors of points; `body` is the body length in px, NaN where there is none."""
    labelled, seen = points.labelled, points.seen
    both = labelled & seen
    away = points.error[both]
    sure = away[points.confidence[both] >= pcutoff]
    total = int(labelled.sum())
    return Errors(
        labelled=total,
        missed=total - len(away),
        false=int((seen & ~labelled).sum()),
        median=_of(np.median, away),
        mean=_of(np.mean, away),
        rmse=_of(_root_mean_square, away),
        p95=_of(lambda values: float(np.percentile(values, 95)), away),
        pck_2=_pck(away, total, 2),
        pck_5=_pck(away, total, 5),
        pck_10=_pck(away, total, 10),
        pck_body_10=_pck(away, total, 0.1 * body),
        pck_body_20=_pck(away, total, 0.2 * body),
        kept_pcutoff=len(sure),
        median_pcutoff=_of(np.median, sure),
        mean_pcutoff=_of(np.mean, sure),
        rmse_pcutoff=_of(_root_mean_square, sure),
    )


def body_length(truth: Poses) -> float:
    """The median over animals of the longest distance between two of their keypoints, px; NaN if none."""
    several = truth.xy[(~np.isnan(truth.xy).any(axis=-1)).sum(axis=1) > 1]
    blocks = [_longest(several[start : start + BLOCK]) for start in range(0, len(several), BLOCK)]
    length = float(np.median(np.concatenate(blocks))) if blocks else 0.0
    return length or float("nan")


def _longest(xy: Float32[np.ndarray, "animal keypoint 2"]) -> Float32[np.ndarray, "animal"]:
    return np.asarray(np.nanmax(np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1), axis=(1, 2)))


def _of(measure: Callable[[np.ndarray], float], away: Float64[np.ndarray, "point"]) -> float:
    return float(measure(away)) if len(away) else np.nan


def _root_mean_square(away: Float64[np.ndarray, "point"]) -> float:
    return float(np.sqrt((away**2).mean()))


def _pck(away: Float64[np.ndarray, "point"], total: int, limit: float) -> float:
    if not total or np.isnan(limit):
        return np.nan
    return float((away <= limit).sum() / total)
