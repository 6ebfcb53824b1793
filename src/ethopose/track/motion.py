"""How far animals get in a time, learned from tracklets: what a join over a gap may be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numba import njit

STEPS = 6  # rows that a velocity is taken from
LAGS = 2 ** np.arange(9)  # frames
SHARES = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97, 1.0])  # of the velocity that are tried
BINS, PER_OCTAVE, LOWEST = 400, 8, -12.0  # of squared errors, px², by their binary logarithm
LONGEST = 12.0  # binary logarithm of frames
ENOUGH = 200  # pairs of rows
HALF = 1.386  # median of the sum of two squared normal variables of variance 1


class Tally(NamedTuple):
    """How often going on with a share of the velocity erred by how much."""

    errors: np.ndarray  # (lag, share, bin)


def new_tally() -> Tally:
    """Of nothing yet."""
    return Tally(np.zeros((len(LAGS), len(SHARES), BINS), np.int64))


@njit(cache=True, nogil=True)
def tally(told: Tally, start: np.ndarray, frame: np.ndarray, place: np.ndarray) -> None:
    """Learn from tracklets that lie one after the other in `frame` and `place` and begin at `start`."""
    for piece in range(len(start) - 1):
        first, end = start[piece], start[piece + 1]
        for row in range(first + STEPS, end):
            earlier = row - STEPS
            time = frame[row] - frame[earlier]
            vx, vy = (place[row, 0] - place[earlier, 0]) / time, (place[row, 1] - place[earlier, 1]) / time
            later = row + 1
            for index, lag in enumerate(LAGS):
                while later < end and frame[later] < frame[row] + lag:
                    later += 1
                if later == end:
                    break
                if frame[later] > frame[row] + lag:
                    continue
                dx, dy = place[later, 0] - place[row, 0], place[later, 1] - place[row, 1]
                for number, share in enumerate(SHARES):
                    off = (dx - share * lag * vx) ** 2 + (dy - share * lag * vy) ** 2
                    place_of = int((np.log2(off + 1e-12) - LOWEST) * PER_OCTAVE)
                    told.errors[index, number, min(max(place_of, 0), BINS - 1)] += 1


@dataclass(frozen=True, slots=True)
class Motion:
    """After `lag` frames an animal is where `share` of its velocity takes it, within `variance`."""

    lag: Float64[np.ndarray, "lag"]  # binary logarithm
    share: Float64[np.ndarray, "lag"]
    variance: Float64[np.ndarray, "lag"]  # px², of one axis


def motion(told: Tally, noise: float, length: float, area: float) -> Motion:
    """What was learned; where too little was, errors grow with the square root of time, up to what they
    are between any two places of the area. `length` is the square of a body's; all are px²."""
    lags: list[float] = []
    shares: list[float] = []
    variances: list[float] = []
    for lag, count in zip(LAGS, told.errors, strict=True):
        if count[0].sum() < ENOUGH:
            break
        middle = (count.cumsum(1) >= count.sum(1, keepdims=True) / 2).argmax(1)
        best = int(middle.argmin())
        lags.append(float(np.log2(lag)))
        shares.append(float(SHARES[best]))
        variances.append(max(2.0 ** (LOWEST + (middle[best] + 0.5) / PER_OCTAVE) / HALF, noise / 4))
    if not lags:
        lags, shares, variances = [0.0], [0.5], [0.1 * length]
    while lags[-1] < LONGEST:
        lags.append(lags[-1] + 1)
        shares.append(shares[-1] / 2)
        variances.append(max(variances[-1], min(2 * variances[-1], area / 12)))
    return Motion(np.array(lags), np.array(shares), np.array(variances))
