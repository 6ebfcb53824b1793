"""Which rows of a video to learn from: those of pieces of tracklets, where several are there at one time.

Rows of a piece are one animal; pieces that coexist are different animals. A fifth of the video is held out,
to see whether what was learned of some pieces tells others apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from ethopose.track import Rows

MOST = 8192, 2048  # rows to learn from, and held out
FEWEST = 8  # clear rows of a piece
MOMENTS = 512  # at which the animals that are there are compared
SHARES = 5  # of the video, of which one is held out
END = int(np.iinfo(np.int64).max)

Pieced = Callable[[], Iterator[tuple[Rows, Int64[np.ndarray, "instance"]]]]
Clear = Callable[[Rows], Bool[np.ndarray, "instance"]]  # which rows show an animal well


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows, in order, and the pieces that they are of."""

    row: Int64[np.ndarray, "sample"]  # counted over the whole result
    frame: Int64[np.ndarray, "sample"]
    xy: Float32[np.ndarray, "sample keypoint 2"]
    piece: Int64[np.ndarray, "sample"]
    first: Int64[np.ndarray, "piece"]  # frame
    last: Int64[np.ndarray, "piece"]
    name: Int64[np.ndarray, "piece"]  # as they were named
    moments: tuple[Int64[np.ndarray, "coexisting"], ...]  # pieces that are there at one time, two or more

    def __len__(self) -> int:
        return len(self.row)

    def coexist(
        self, one: Int64[np.ndarray, "*pair"], other: Int64[np.ndarray, "*pair"]
    ) -> Bool[np.ndarray, "*pair"]:
        """Whether two pieces are of different animals: both are there at some time."""
        both = (self.first[one] <= self.last[other]) & (self.first[other] <= self.last[one])
        return np.asarray(both & (one != other))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Clear rows of pieces: how many, and from when to when."""

    name: Int64[np.ndarray, "piece"]  # sorted
    count: Int64[np.ndarray, "piece"]
    first: Int64[np.ndarray, "piece"]
    last: Int64[np.ndarray, "piece"]

    def __getitem__(self, rows: np.ndarray) -> _Pieces:
        return _Pieces(self.name[rows], self.count[rows], self.first[rows], self.last[rows])

    def merged(self, name: Int64[np.ndarray, "piece"]) -> _Pieces:
        """With names of fewer."""
        names, to = np.unique(name, return_inverse=True)
        count, first, last = np.zeros_like(names), np.full_like(names, END), np.full_like(names, -1)
        np.add.at(count, to, self.count)
        np.minimum.at(first, to, self.first)
        np.maximum.at(last, to, self.last)
        return _Pieces(names, count, first, last)


def sampled(pieced: Pieced, clear: Clear, end: int, seed: int = 0) -> tuple[Samples, Samples]:
    """Samples of a video of `end` frames to learn from, and those of the fifth of it that is held out: clear
    rows of pieces, spread evenly over each piece. What is kept grows with the pieces, not with the rows."""
    shares = _tallied(pieced, clear, end)
    held = _richest(shares)
    pieces = shares.merged(2 * (shares.name // SHARES) + (shares.name % SHARES == held))
    chance = np.random.default_rng(seed)
    plans = tuple(
        _Plan(pieces[np.flatnonzero(pieces.name % 2 == part)], most, chance) for part, most in enumerate(MOST)
    )
    begun = 0
    for rows, piece in pieced():
        ok = np.flatnonzero((piece >= 0) & clear(rows))
        name = 2 * piece[ok] + (_share(rows.frame[ok], end) == held)
        for plan in plans:
            plan.take(rows, ok, name, begun)
        begun += len(rows)
    return plans[0].samples(), plans[1].samples()


def _share(frame: Int64[np.ndarray, "row"], end: int) -> Int64[np.ndarray, "row"]:
    return np.asarray(frame * SHARES // max(end, 1))


def _tallied(pieced: Pieced, clear: Clear, end: int) -> _Pieces:
    """Of each piece in each share of the video."""
    found = [np.empty((4, 0), np.int64)]
    for rows, piece in pieced():
        ok = np.flatnonzero((piece >= 0) & clear(rows))
        name = SHARES * piece[ok] + _share(rows.frame[ok], end)
        order = np.argsort(name, kind="stable")
        names, at, count = np.unique(name[order], return_index=True, return_counts=True)
        frame = rows.frame[ok][order]
        found.append(np.stack([names, count, frame[at], frame[at + count - 1]]))
    every = _Pieces(*np.concatenate(found, 1))
    return every.merged(every.name)


def _richest(shares: _Pieces) -> int:
    """The share of the video with most rows of pieces besides its longest: there are several to compare."""
    long = shares[np.flatnonzero(shares.count >= FEWEST)]
    rows, longest = np.zeros(SHARES, np.int64), np.zeros(SHARES, np.int64)
    np.add.at(rows, long.name % SHARES, long.count)
    np.maximum.at(longest, long.name % SHARES, long.count)
    return int((rows - longest).argmax())


class _Plan:
    """Which rows of which pieces are taken."""

    def __init__(self, pieces: _Pieces, most: int, chance: np.random.Generator) -> None:
        long = pieces[np.flatnonzero(pieces.count >= FEWEST)]
        moments = _moments(long, most // (2 * FEWEST), chance)
        used = np.unique(np.concatenate([np.empty(0, np.int64), *moments]))
        self._pieces = long[used]
        self._moments = tuple(np.searchsorted(used, moment) for moment in moments)
        self._quota = np.minimum(self._pieces.count, max(FEWEST, most // max(len(used), 1)))
        self._seen = np.zeros(len(used), np.int64)
        self._taken: list[tuple[np.ndarray, ...]] = []

    def take(self, rows: Rows, ok: np.ndarray, name: np.ndarray, begun: int) -> None:
        """Of the next rows; `ok` of them are clear, of the pieces with these names."""
        if not len(self._seen):
            return
        place = np.minimum(np.searchsorted(self._pieces.name, name), len(self._seen) - 1)
        mine = np.flatnonzero(self._pieces.name[place] == name)
        order = mine[np.argsort(place[mine], kind="stable")]
        piece, row = place[order], ok[order]
        number = np.bincount(piece, minlength=len(self._seen))
        rank = np.arange(len(piece)) - np.repeat(np.cumsum(number) - number, number) + self._seen[piece]
        quota, count = self._quota[piece], self._pieces.count[piece]
        chosen = (rank + 1) * quota // count > rank * quota // count
        self._seen += number
        row, piece = row[chosen], piece[chosen]
        order = np.argsort(row)
        row, piece = row[order], piece[order]
        self._taken.append((row + begun, rows.frame[row], rows.xy[row], piece))

    def samples(self) -> Samples:
        """All that were taken."""
        if not self._taken:
            none = np.empty(0, np.int64)
            return Samples(none, none, np.empty((0, 1, 2), np.float32), none, none, none, none, ())
        row, frame, xy, piece = (np.concatenate(column) for column in zip(*self._taken, strict=True))
        own = self._pieces
        return Samples(row, frame, xy, piece, own.first, own.last, own.name // 2, self._moments)


def _moments(
    pieces: _Pieces, most: int, chance: np.random.Generator
) -> list[Int64[np.ndarray, "coexisting"]]:
    """Pieces that are there at random times, two or more, until there are so many pieces."""
    found: list[np.ndarray] = []
    used: set[int] = set()
    if not len(pieces.name):
        return found
    likely = pieces.count / pieces.count.sum()
    for one in chance.choice(len(likely), MOMENTS, p=likely):
        time = chance.integers(pieces.first[one], pieces.last[one] + 1)
        there = np.flatnonzero((pieces.first <= time) & (time <= pieces.last))
        if len(there) > 1 and len(used) < most:
            found.append(there)
            used.update(there.tolist())
    return found
