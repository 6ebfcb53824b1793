"""Whether confidence means what it says: right as often as it is sure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against the share of points (or joins) that are right, in bins of equal numbers of them."""

    within: float  # px from the label that count as right; NaN: right or wrong was told
    confidence: Float64[np.ndarray, "bin"]  # mean of each bin, ascending
    right: Float64[np.ndarray, "bin"]  # share of its points
    count: Int64[np.ndarray, "bin"]
    ece: float  # expected calibration error: mean |confidence - right| over points (Naeini et al. 2015)
    brier: float  # mean square of confidence - right (Brier 1950)
    auroc: float  # chance that a right point is surer than a wrong one; NaN unless there are both


def reliability(
    confidence: Float64[np.ndarray, "point"], error: Float64[np.ndarray, "point"], *, within: float = 5.0
) -> Reliability:
    """Of points with a confidence (0 to 1) and an error in px; others are passed over."""
    known = ~(np.isnan(confidence) | np.isnan(error))
    return calibration(confidence[known], error[known] <= within, within=within)


def calibration(
    sure: Float64[np.ndarray, "point"], right: Bool[np.ndarray, "point"], *, within: float = np.nan
) -> Reliability:
    """Of certainties (0 to 1), and whether each was right."""
    order = np.argsort(sure, kind="stable")
    bins = [rows for rows in np.array_split(order, BINS) if len(rows)]
    means = np.array([sure[rows].mean() for rows in bins])
    shares = np.array([right[rows].mean() for rows in bins])
    counts = np.array([len(rows) for rows in bins], np.int64)
    return Reliability(
        within,
        means,
        shares,
        counts,
        ece=float((counts * np.abs(means - shares)).sum() / len(sure)) if len(sure) else np.nan,
        brier=float(((sure - right) ** 2).mean()) if len(sure) else np.nan,
        auroc=_auroc(sure, right),
    )


def _auroc(sure: Float64[np.ndarray, "point"], right: Bool[np.ndarray, "point"]) -> float:
    """Area under the ROC curve from ranks, ties halved (Mann and Whitney 1947)."""
    from scipy.stats import rankdata  # takes a second to load

    good, bad = int(right.sum()), int((~right).sum())
    if not good or not bad:
        return float("nan")
    return float((rankdata(sure)[right].sum() - good * (good + 1) / 2) / (good * bad))
