"""Whether two pieces of tracklets look alike, by appearance vectors; learned from the video itself.

A vector is an animal's own, plus a slow walk, plus noise. The noise is what changes within a piece, the walk
what changes along it, and how much animals differ is told by pieces that are there at the same time: they are
different animals. Of two means of vectors it is then known how much likelier they are of one animal than of
two (probabilistic linear discriminant analysis, Ioffe 2006). Nothing but these three is learned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64

SPAN = 32  # frames of a block
ENOUGH = 30  # blocks, or pairs of them
FEWEST = 8  # rows of a block that pairs are made of
LAGS = 2 ** np.arange(7)  # blocks
LEAST = 1e-3  # variance between animals, of the noise's
USEFUL = 0.65  # of ten pairs told apart (area under the curve); below, vectors say nothing
SHIFT = 0.1  # of vectors that were learned from the pieces: rows of one are more alike than they should be


@dataclass(frozen=True, slots=True)
class Blocks:
    """Means of vectors over `SPAN` frames of a piece, in order of piece and time."""

    piece: Int64[np.ndarray, "block"]
    time: Int64[np.ndarray, "block"]  # counted in spans
    count: Int64[np.ndarray, "block"]
    mean: Float32[np.ndarray, "block dimension"]

    def __len__(self) -> int:
        return len(self.piece)

    def __getitem__(self, rows: np.ndarray) -> Blocks:
        return Blocks(self.piece[rows], self.time[rows], self.count[rows], self.mean[rows])

    def renamed(self, piece: Int64[np.ndarray, "piece"]) -> Blocks:
        """Of pieces that are counted otherwise, in order of these."""
        mine = piece[self.piece]
        order = np.lexsort((self.time, mine))
        return Blocks(mine[order], self.time[order], self.count[order], self.mean[order])


class Blocking:
    """Gathers blocks, and the noise within them."""

    def __init__(self) -> None:
        self._blocks: list[Blocks] = []
        self._scatter: Float64[np.ndarray, "dimension dimension"] | float = 0.0
        self._freedom = 0

    def __call__(
        self,
        piece: Int64[np.ndarray, "instance"],
        frame: Int64[np.ndarray, "instance"],
        vector: Float32[np.ndarray, "instance dimension"],
    ) -> None:
        """Enter the rows of some frames, all of those of a span at once."""
        there = np.flatnonzero((piece >= 0) & np.isfinite(vector).all(1))
        if not len(there):
            return
        time = frame[there] // SPAN
        order = np.lexsort((time, piece[there]))
        there, time = there[order], time[order]
        mine, rows = piece[there], vector[there].astype(np.float64)
        first = np.flatnonzero((np.diff(mine, prepend=-1) != 0) | (np.diff(time, prepend=-1) != 0))
        count = np.diff(np.append(first, len(mine)))
        mean = np.add.reduceat(rows, first) / count[:, None]
        off = rows - np.repeat(mean, count, axis=0)
        self._scatter = self._scatter + off.T @ off
        self._freedom += int((count - 1).sum())
        self._blocks.append(Blocks(mine[first], time[first], count, mean.astype(np.float32)))

    def blocks(self) -> Blocks:
        """All of them, in order."""
        if not self._blocks:
            nothing = np.empty(0, np.int64)
            return Blocks(nothing, nothing, nothing, np.empty((0, 0), np.float32))
        names = ("piece", "time", "count", "mean")
        parts = (np.concatenate([getattr(each, name) for each in self._blocks]) for name in names)
        joined = Blocks(*parts)
        return joined[np.lexsort((joined.time, joined.piece))]

    def noise(self) -> Float64[np.ndarray, "dimension dimension"]:
        """Covariance of a vector within a block."""
        if not self._blocks:
            return np.empty((0, 0))
        covariance = np.asarray(self._scatter) / max(self._freedom, 1)
        least = 1e-6 * np.trace(covariance) / len(covariance) + 1e-12  # so that it can be inverted
        return np.asarray(covariance + least * np.eye(len(covariance)))


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two means of vectors are, in axes in which noise has the variance 1."""

    axes: Float64[np.ndarray, "dimension axis"]
    between: Float64[np.ndarray, "axis"]  # variance between animals
    drift: float  # variance a frame by which an animal's own vector walks
    share: float  # of rows that tell something new: vectors of consecutive frames are alike
    told: float  # how often (area under the curve) it tells pieces it has not seen apart
    shift: float = 0.0  # variance from piece to piece of an animal besides, of that between animals

    @property
    def horizon(self) -> float:
        """Frames after which another row says more about the walk than about the animal."""
        return float(np.clip(np.sqrt(1 / (self.share * max(self.drift, 1e-12))), SPAN, 64 * SPAN))

    @property
    def shifted(self) -> Float64[np.ndarray, "axis"]:
        """Variance from piece to piece of an animal, also in axes in which animals are alike."""
        shifted: np.ndarray = self.shift * np.maximum(self.between, self.between.mean())
        return shifted

    def same(
        self,
        one: Float64[np.ndarray, "*pair axis"],
        other: Float64[np.ndarray, "*pair axis"],
        rows: Float64[np.ndarray, "*pair"],
        frames: Float64[np.ndarray, "*pair"],
    ) -> Float64[np.ndarray, "*pair"]:
        """Log odds that two means in these axes are of one animal. `rows` is half the harmonic mean of the
        rows behind them: 1 / (1 / a + 1 / b); `frames` the time between them."""
        noise = (1 / (self.share * rows) + self.drift * frames)[..., None] + self.shifted
        off, wide = np.square(one - other), noise + 2 * self.between
        odds = (off / wide - off / noise + np.log(wide / noise)).sum(-1) / 2
        return np.asarray(odds)


def likeness(
    blocks: Blocks, noise: Float64[np.ndarray, "dimension dimension"], told: float | None = None
) -> Likeness | None:
    """Learn it; None where there is too little, or where what is learned of some pieces does not tell others
    apart. `told` is how well vectors do, where that is known: those that were learned from the pieces
    themselves are measured on pieces that were held out of it."""
    full = blocks[np.flatnonzero(blocks.count >= FEWEST)]
    both = _learned(full, noise)
    if both is None:
        return None
    measured = _told_apart(full, noise, both) if told is None else told
    if not measured >= USEFUL:  # nor where it is unknown
        return None
    return replace(both, told=measured, shift=0.0 if told is None else SHIFT)


def _told_apart(full: Blocks, noise: np.ndarray, both: Likeness) -> float:
    even, odd = (_learned(full[np.flatnonzero(full.piece % 2 == part)], noise) for part in (0, 1))
    told = [
        _told(model, full[np.flatnonzero(full.piece % 2 != part)])
        for part, model in ((0, even), (1, odd))
        if model is not None
    ]
    known = [value for value in told if np.isfinite(value)] or [_told(both, full)]
    return float(np.mean(known))


def _learned(blocks: Blocks, noise: np.ndarray) -> Likeness | None:
    one, other = _coexisting(blocks)
    if len(one) < ENOUGH:
        return None
    value, vector = np.linalg.eigh(noise)
    white = vector / np.sqrt(value)
    mean = blocks.mean @ white
    share, drift = _walk(blocks, mean)
    apart = mean[one] - mean[other]
    own = (1 / blocks.count[one] + 1 / blocks.count[other]).mean() / share
    spread = (apart.T @ apart / len(one) - np.eye(len(white)) * own) / 2
    value, vector = np.linalg.eigh(spread)
    return Likeness(white @ vector, np.maximum(value, LEAST), drift, share, np.nan)


def _coexisting(blocks: Blocks) -> tuple[Int64[np.ndarray, "pair"], Int64[np.ndarray, "pair"]]:
    """Pairs of blocks of one time and of two pieces: neighbours in the order of their pieces, which wrap."""
    order = np.lexsort((blocks.piece, blocks.time))
    time = blocks.time[order]
    first = np.searchsorted(time, time)
    size = np.searchsorted(time, time, side="right") - first
    pairs = []
    for step in range(1, min(int(size.max(initial=1)), 8)):
        rows = np.flatnonzero(size > step)
        place = first[rows] + (rows - first[rows] + step) % size[rows]
        pairs.append(np.stack([order[rows], order[place]]))
    joined = np.concatenate(pairs, 1) if pairs else np.empty((2, 0), np.int64)
    one, other = joined[:, blocks.piece[joined[0]] != blocks.piece[joined[1]]]
    return one, other


def _walk(blocks: Blocks, mean: Float64[np.ndarray, "block axis"]) -> tuple[float, float]:
    """By how much blocks of a piece differ, near ones and distant ones: the share of rows that tell something
    new, and the drift a frame, by least squares."""
    lags, offs, rows = [], [], []
    for lag in LAGS:
        same = np.flatnonzero(blocks.piece[lag:] == blocks.piece[:-lag])
        if len(same) < ENOUGH:
            break
        off = np.square(mean[same + lag] - mean[same]).mean(1)
        lags.append(((blocks.time[same + lag] - blocks.time[same]) * SPAN).mean())
        offs.append(np.median(off))
        rows.append((1 / blocks.count[same] + 1 / blocks.count[same + lag]).mean())
    if not lags:
        return 0.1, 0.0
    design = np.stack([rows, lags], 1)
    inflation, drift = np.linalg.lstsq(design, np.array(offs), rcond=None)[0]
    if len(lags) < 3 or drift < 0:
        inflation, drift = offs[0] / rows[0], 0.0
    return float(np.clip(1 / max(inflation, 1e-9), 1 / SPAN, 1.0)), float(drift)


def _told(model: Likeness, blocks: Blocks) -> float:
    """Area under the curve: how often two blocks of a piece, four apart or, where pieces are short, less, are
    more alike than two of different pieces."""
    one, other = _coexisting(blocks)
    lags = ((lag, np.flatnonzero(blocks.piece[lag:] == blocks.piece[:-lag])) for lag in (4, 2, 1))
    apart, same = next(((lag, rows) for lag, rows in lags if len(rows) >= ENOUGH), (0, one[:0]))
    if len(one) < ENOUGH or not len(same):
        return float("nan")
    mean = blocks.mean @ model.axes
    both = [
        model.same(mean[a], mean[b], 1 / (1 / blocks.count[a] + 1 / blocks.count[b]), np.zeros(len(a)))
        for a, b in ((same, same + apart), (one, other))
    ]
    order = np.argsort(np.concatenate(both), kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    a, b = len(both[0]), len(both[1])
    return float((rank[:a].sum() - a * (a + 1) / 2) / (a * b))
