"""Pieces that no path took, given to paths that are nowhere else at the time."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from jaxtyping import Int64

from ethopose.track.joins import FAR, Joins
from ethopose.track.pieces import Ends

LIKE = 0.0  # worth of a row: those of less are as good as nothing
CLEAR = 6.0  # nats by which another path must be less likely


def filled(
    ends: Ends, joins: Joins, path: Int64[np.ndarray, "piece"], animals: int
) -> Int64[np.ndarray, "piece"]:
    """The paths with those pieces that look like animals and are there while a path has nothing: so many
    animals are known to be there, and one of them it must be. The most worth first, each to the path on
    which its joins cost least."""
    path = path.copy()
    mine = [_Line(ends, np.flatnonzero(path == number)) for number in range(animals)]
    spare = np.flatnonzero((path < 0) & (ends.worth > LIKE))
    for piece in spare[np.argsort(-ends.worth[spare], kind="stable")]:
        costs = [line.cost(joins, int(piece)) for line in mine]
        best, second = np.argsort([*costs, np.inf], kind="stable")[:2]
        if np.isfinite(costs[best]) and [*costs, np.inf][second] - costs[best] > CLEAR:
            mine[best].insert(int(piece))
            path[piece] = best
    return path


class _Line:
    """The pieces of a path in order."""

    def __init__(self, ends: Ends, pieces: Int64[np.ndarray, "piece"]) -> None:
        self._ends, self._pieces, self._begun = ends, pieces.tolist(), ends.first[pieces].tolist()

    def cost(self, joins: Joins, piece: int) -> float:
        """Of the joins with what comes before and after; infinite where there is something already."""
        place = bisect_left(self._begun, self._ends.first[piece])
        before, after = self._pieces[max(place - 1, 0) : place], self._pieces[place : place + 1]
        one = np.array([*before, *[piece] * len(after)], np.int64)
        other = np.array([*[piece] * len(before), *after], np.int64)
        if (self._ends.last[one] >= self._ends.first[other]).any():
            return float("inf")
        return float(np.minimum(joins.between(one, other), FAR).sum())

    def insert(self, piece: int) -> None:
        """Take it."""
        place = bisect_left(self._begun, self._ends.first[piece])
        self._pieces.insert(place, piece)
        self._begun.insert(place, int(self._ends.first[piece]))
