"""How far poses are from the truth: animals matched frame by frame, errors in px."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.core import Poses
from ethopose.metrics import match


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
    pairs = match(poses, truth, gate=gate)
    there = ~np.isnan(truth.xy[pairs.truth_rows]).any(axis=-1)
    known = ~np.isnan(pairs.errors)
    frames = len(np.union1d(poses.frame, truth.frame))
    return Comparison(
        found=len(pairs.rows) / len(truth) if len(truth) else 1.0,
        extra=(len(poses) - len(pairs.rows)) / max(frames, 1),
        missing=1 - known.sum() / max(there.sum(), 1) if len(pairs.rows) else 0.0,
        errors=pairs.errors,
        rows=pairs.rows,
        truth_rows=pairs.truth_rows,
    )
