"""Pieces of tracklets put together by their looks alone.

That is another start for exchanges of ends, which find what is best near their start; how likely paths are
as a whole tells which outcome is better. And it tells where pieces hold two animals: where two of one group
are both there for a few frames, in these one of them is another animal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from ethopose.track.changes import Moments
from ethopose.track.joins import Joins
from ethopose.track.likeness import SPAN
from ethopose.track.looks import Looks
from ethopose.track.pieces import Ends

ROUNDS = 20
ACROSS = 200.0  # nats of a join of two groups
CLEAR = 15.0  # nats by which it is clear which group a piece is of


class Groups(NamedTuple):
    """Pieces that look alike."""

    path: np.ndarray  # (piece,) its group, but -1 where that has another piece at the time
    likeliest: np.ndarray  # (piece,) its group; -1 where it has no looks
    clear: np.ndarray  # (piece,) nats by which another group is less likely

    def apart(self, joins: Joins) -> Joins:
        """The joins, those of pieces of two groups at such a cost that hardly any is taken."""
        one, other = (self.likeliest[pieces] for pieces in joins.pairs)
        return replace(joins, cost=joins.cost + ACROSS * ((one >= 0) & (other >= 0) & (one != other)))


def by_looks(ends: Ends, looks: Looks, animals: int) -> Groups | None:
    """So many groups, one for each of the pieces that are there when so many are for longest: k-means, of
    which no two pieces of one time may be in one group (Wagstaff et al. 2001). None where so many never are.
    """
    seen = _Seen.of(ends, looks)
    there = np.flatnonzero(seen.rows)
    first = _longest(ends, seen.rows, there, animals)
    if first is None:
        return None
    mean, count = seen.mean[there], seen.rows[there]
    centre, rows = seen.mean[first], seen.rows[first]
    away = np.full((len(there), animals), (ends.last.max() - ends.first.min()) / 2)
    path = np.full(len(there), -1)
    for _ in range(ROUNDS):
        behind = 1 / (1 / count[:, None] + 1 / rows)
        odds = looks.model.same(mean[:, None], centre, behind, away)
        former, path = path, _one_at_a_time(ends.first[there], ends.last[there], odds)
        if (path == former).all():
            break
        mine = path == np.arange(animals)[:, None]
        rows = np.maximum(mine @ count, 1)
        centre = np.where(mine.any(1)[:, None], (mine * count) @ mean / rows[:, None], centre)
    nothing = np.full(len(seen.rows), -1)
    groups = Groups(nothing, nothing.copy(), np.zeros(len(seen.rows)))
    groups.path[there], groups.likeliest[there], groups.clear[there] = path, odds.argmax(1), _clear(odds)
    return groups


def overlaps(ends: Ends, looks: Looks, animals: int) -> Moments:
    """Where to cut pieces: where two that are clearly of one group are both there for a few frames, one of
    them is another animal in these. Nowhere where nobody knows how many animals (0) there are."""
    groups = by_looks(ends, looks, animals) if animals else None
    cuts: set[tuple[int, int]] = set()
    for both in [] if groups is None else _meeting(ends, groups):
        begin, end = int(ends.first[both].max()), int(ends.last[both].min())
        if end - begin < min(SPAN, ends.rows[both].min() / 2):
            cuts |= {(int(each), begin) for each in both if ends.first[each] < begin}
            cuts |= {(int(each), end + 1) for each in both if ends.last[each] > end}
    pairs = np.array(sorted(cuts), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _meeting(ends: Ends, groups: Groups) -> Iterator[Int64[np.ndarray, "2"]]:
    """Two pieces of one group, both clearly, that are there at the same time."""
    clear = groups.clear > CLEAR
    for piece in np.flatnonzero(clear & (groups.path < 0)):
        there = clear & (ends.first <= ends.last[piece]) & (ends.last >= ends.first[piece])
        for other in np.flatnonzero(there & (groups.path == groups.likeliest[piece])):
            yield np.array([piece, other])


class _Seen(NamedTuple):
    """Looks of pieces as a whole."""

    mean: np.ndarray  # (piece, axis)
    rows: np.ndarray  # (piece,) with a vector

    @staticmethod
    def of(ends: Ends, looks: Looks) -> _Seen:
        pieces = np.arange(len(ends.first))
        return _Seen(*looks.means(pieces).over(pieces, ends.first, ends.last))


def _longest(
    ends: Ends, rows: Float64[np.ndarray, "piece"], there: Int64[np.ndarray, "seen"], animals: int
) -> Int64[np.ndarray, "animal"] | None:
    """The pieces that are there at once of which the shortest is longest."""
    best, longest = 0.0, None
    around: list[int] = []
    for piece in there:
        around = [other for other in around if ends.last[other] >= ends.first[piece]] + [piece]
        if len(around) >= animals:
            most = sorted(around, key=lambda other: -rows[other])[:animals]
            if rows[most[-1]] > best:
                best, longest = rows[most[-1]], np.array(most)
    return longest


def _one_at_a_time(
    first: Int64[np.ndarray, "piece"],
    last: Int64[np.ndarray, "piece"],
    odds: Float64[np.ndarray, "piece animal"],
) -> Int64[np.ndarray, "piece"]:
    """Each piece with the likeliest animal, the clearest first; -1: that one is elsewhere."""
    likeliest, clear = odds.argmax(1), _clear(odds)
    busy: list[list[tuple[int, int]]] = [[] for _ in range(odds.shape[1])]
    chosen = np.full(len(odds), -1)
    for piece in np.argsort(-clear, kind="stable"):
        times, span = busy[likeliest[piece]], (int(first[piece]), int(last[piece]))
        place = bisect_left(times, span)
        around = times[max(place - 1, 0) : place + 1]
        if all(end < span[0] or begin > span[1] for begin, end in around):
            times.insert(place, span)
            chosen[piece] = likeliest[piece]
    return chosen


def _clear(odds: Float64[np.ndarray, "piece animal"]) -> Float64[np.ndarray, "piece"]:
    """By how much the likeliest is likelier than the second."""
    ordered = np.sort(odds, 1)
    clear: np.ndarray = ordered[:, -1] - (ordered[:, -2] if odds.shape[1] > 1 else 0.0)
    return clear


def nats(ends: Ends, looks: Looks, path: Int64[np.ndarray, "piece"]) -> float:
    """Nats by which the pieces' looks are likelier on these paths than each by itself: what an animal looks
    like is known ever better along its path, but for its walk (Kalman filter)."""
    model, seen = looks.model, _Seen.of(ends, looks)
    usual = np.average(seen.mean, axis=0, weights=seen.rows) if seen.rows.any() else 0.0
    there = np.flatnonzero((path >= 0) & (seen.rows > 0))
    if not len(there):
        return 0.0
    middle = (ends.first[there] + ends.last[there]) / 2
    order = np.argsort(middle, kind="stable")
    there, middle = there[order], middle[order]
    mean, rows = seen.mean[there], seen.rows[there]
    length = ends.last[there] - ends.first[there]
    own = (1 / (model.share * rows) + model.drift * length / 12)[:, None] + model.shifted
    return float(_along(path[there], middle, mean - usual, own, model.between, model.drift))


@njit(cache=True, nogil=True)
def _along(
    path: np.ndarray, time: np.ndarray, mean: np.ndarray, own: np.ndarray, between: np.ndarray, drift: float
) -> float:
    number, axes = path.max() + 1, len(between)
    state, spread, since = np.zeros((number, axes)), np.empty((number, axes)), np.zeros(number)
    spread[:] = between
    known = np.zeros(number, np.bool_)
    total = 0.0
    for piece, mine in enumerate(path):
        for axis in range(axes):
            noise = own[piece, axis]
            walked = spread[mine, axis] + (drift * (time[piece] - since[mine]) if known[mine] else 0.0)
            whole, alone = walked + noise, between[axis] + noise
            off = mean[piece, axis] - state[mine, axis]
            total += (mean[piece, axis] ** 2 / alone - off**2 / whole + np.log(alone / whole)) / 2
            state[mine, axis] += walked / whole * off
            spread[mine, axis] = walked * noise / whole
        known[mine], since[mine] = True, time[piece]
    return total
