"""How well vectors tell animals apart, measured on pieces of tracklets that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ethopose.reid.samples import Samples
from ethopose.track.likeness import USEFUL

ENOUGH = 30  # triplets
FAR = 10.0  # seconds between two rows of a piece: nearer ones are alike since pose, place and light are
SURELY = 0.9  # area under the curve that is asked for where pieces are too short for that


@dataclass(frozen=True, slots=True)
class Told:
    """What vectors tell of pieces that were held out; NaN where there is too little to say."""

    triplets: float  # share of triplets in which the positive is nearer than the negative
    auc: float  # how often two rows of a piece are more alike than two of pieces that coexist
    frames: float  # between the two rows of a piece, median
    far: bool  # whether these lie as far apart as they should

    @property
    def useful(self) -> bool:
        """Whether animals are told apart, not the moments of which rows of short pieces are."""
        return self.auc >= (USEFUL if self.far else SURELY)


UNKNOWN = Told(np.nan, np.nan, np.nan, far=False)


@dataclass(frozen=True, slots=True)
class Triplets:
    """Samples: any one, another of its piece far from it in time, one of a piece that coexists."""

    anchor: Int64[np.ndarray, "triplet"]
    positive: Int64[np.ndarray, "triplet"]
    negative: Int64[np.ndarray, "triplet"]

    def __len__(self) -> int:
        return len(self.anchor)


def triplets(samples: Samples, seed: int = 0, most: int = 4096) -> Triplets:
    """At random, moments alike often. The positive is three eighths of its piece away at least."""
    chance = np.random.default_rng(seed)
    if not samples.moments:
        return Triplets(*(np.empty(0, np.int64) for _ in range(3)))
    order = np.argsort(samples.piece, kind="stable")
    start = np.searchsorted(samples.piece[order], np.arange(len(samples.first) + 1))
    count = np.diff(start)
    moments = chance.integers(0, len(samples.moments), most)
    size = np.array([len(moment) for moment in samples.moments])[moments]
    flat = np.concatenate(samples.moments)
    begin = np.cumsum([0, *map(len, samples.moments)])[moments]
    first = chance.integers(0, size)
    second = (first + chance.integers(1, size)) % size
    one, other = flat[begin + first], flat[begin + second]
    number = chance.integers(0, count[one])
    away = 3 * count[one] // 8
    far = (number + away + chance.integers(0, count[one] - 2 * away)) % count[one]
    far = np.where(far == number, (far + 1) % count[one], far)
    near = chance.integers(0, count[other])
    return Triplets(*(order[start[piece] + at] for piece, at in ((one, number), (one, far), (other, near))))


def told(
    vectors: Float32[np.ndarray, "sample dimension"], samples: Samples, chosen: Triplets, far: float
) -> Told:
    """Of the vectors of all samples, by triplets whose positive is `far` frames away, if there are such."""
    apart = np.abs(samples.frame[chosen.anchor] - samples.frame[chosen.positive])
    distant = bool((apart >= far).sum() >= ENOUGH)
    rows = np.flatnonzero(apart >= far) if distant else np.arange(len(chosen))
    if len(rows) < ENOUGH:
        return UNKNOWN
    same, other = (
        np.square(vectors[chosen.anchor[rows]] - vectors[each[rows]]).sum(1)
        for each in (chosen.positive, chosen.negative)
    )
    return Told(float((same < other).mean()), auc(other, same), float(np.median(apart[rows])), distant)


def auc(
    higher: Float64[np.ndarray, "one"] | Float32[np.ndarray, "one"],
    lower: Float64[np.ndarray, "other"] | Float32[np.ndarray, "other"],
) -> float:
    """Area under the curve: how often a number of the first is above one of the second; ties count half."""
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher) + np.searchsorted(ordered, higher, side="right")
    return float(below.mean() / (2 * len(lower)))
