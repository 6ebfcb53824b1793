"""Paths settled: ends exchanged where that is likelier as a whole, and how sure each join is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.track.joins import Joins
from ethopose.track.looks import Looks
from ethopose.track.pieces import Ends

ROUNDS = 20
AT_ONCE = 100_000  # pairs of links
MOST = 64  # links that one is compared with, of a long gap those before its end
NAT = 4.0  # nats of ours that count as one
MOST_TOLD = 16.0  # nats beyond which they tell no more
FEW, FEW_ALONE = 6.0, 2.5  # rows; of a link that might be exchanged, and of one that is alone
MARGIN = 0.1  # nats that an exchange must gain


@dataclass(frozen=True, slots=True)
class Links:
    """Pieces that follow each other on a path, in the order in which the second begins."""

    one: Int64[np.ndarray, "link"]
    other: Int64[np.ndarray, "link"]
    gain: Float64[np.ndarray, "link"]  # nats by which its best exchange is less likely; inf: none
    rival: Int64[np.ndarray, "link"]  # the link that this would be, -1 for none
    rows: Int64[np.ndarray, "link"]  # of the shorter of both pieces

    @property
    def certainty(self) -> Float64[np.ndarray, "link"]:
        """The chance that both pieces are one animal, as it was measured in simulated worlds: nats of ours
        hang together, and a piece of few rows may hold those of several animals."""
        few = np.where(self.rival < 0, FEW_ALONE, FEW)
        told = np.clip(self.gain, 0, MOST_TOLD) / (NAT * (1 + few / self.rows))
        chance: np.ndarray = 1 / (1 + np.exp(-told))
        return chance

    def least(self, pieces: int) -> Float64[np.ndarray, "piece"]:
        """How sure each piece's less certain join is; 1 without one."""
        sure = np.ones(pieces)
        np.minimum.at(sure, self.one, self.certainty)
        np.minimum.at(sure, self.other, self.certainty)
        return sure


def no_links() -> Links:
    """None were made."""
    nothing = np.empty(0, np.int64)
    return Links(nothing, nothing, np.empty(0), nothing, nothing)


def settled(
    ends: Ends, joins: Joins, path: Int64[np.ndarray, "piece"], looks: Looks | None
) -> tuple[Int64[np.ndarray, "piece"], Links]:
    """Paths, counted as they were, after exchanges; and their links. `joins` are without looks."""
    for _ in range(ROUNDS):
        one, other = _links(path)
        pairs = _rivals(ends, one, other)
        gain = _gains(ends, joins, path, looks, (one, other), pairs)
        likelier = pairs[:, gain < -MARGIN]
        reach = 0.0 if looks is None else looks.model.horizon
        chosen = _apart(
            likelier, gain[gain < -MARGIN], path[one[likelier]], ends.last[one[likelier[0]]], reach
        )
        if not chosen.shape[1]:
            break
        path = _exchanged(path, one, other, chosen)
    best, rival = np.full(len(one), np.inf), np.full(len(one), -1)
    for mine, theirs in (pairs, pairs[::-1]):
        for row in np.argsort(-gain, kind="stable"):
            best[mine[row]], rival[mine[row]] = gain[row], theirs[row]
    return path, Links(one, other, best, rival, np.minimum(ends.rows[one], ends.rows[other]))


def _links(path: Int64[np.ndarray, "piece"]) -> tuple[Int64[np.ndarray, "link"], Int64[np.ndarray, "link"]]:
    """In the order in which the second piece begins."""
    used = np.flatnonzero(path >= 0)
    order = used[np.argsort(path[used], kind="stable")]
    same = path[order[1:]] == path[order[:-1]]
    one, other = order[:-1][same], order[1:][same]
    late = np.argsort(other, kind="stable")
    return one[late], other[late]


def _rivals(ends: Ends, one: np.ndarray, other: np.ndarray) -> Int64[np.ndarray, "2 pair"]:
    """Links that might be exchanged: each ends before the other goes on."""
    last, first = ends.last[one], ends.first[other]
    number = np.arange(len(one))
    count = np.clip(number - np.searchsorted(first, last, side="right"), 0, MOST)
    theirs = np.repeat(number, count)
    mine = theirs - 1 - (np.arange(len(theirs)) - np.repeat(np.cumsum(count) - count, count))
    return np.stack([mine, theirs])


def _gains(
    ends: Ends,
    joins: Joins,
    path: Int64[np.ndarray, "piece"],
    looks: Looks | None,
    links: tuple[np.ndarray, np.ndarray],
    pairs: Int64[np.ndarray, "2 pair"],
) -> Float64[np.ndarray, "pair"]:
    """By how many nats pairs of links are less likely once they are exchanged."""
    means = None if looks is None else looks.means(path)
    gain = np.empty(pairs.shape[1])
    for begin in range(0, len(gain), AT_ONCE):
        here = slice(begin, begin + AT_ONCE)
        one, other = (piece[pairs[:, here]] for piece in links)
        gain[here] = joins.between(one[0], other[1]) + joins.between(one[1], other[0])
        gain[here] -= joins.between(one[0], other[0]) + joins.between(one[1], other[1])
        if looks is None or means is None:
            continue
        last, first, group = ends.last[one], ends.first[other], path[one]
        for mine, theirs, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)):
            odds = looks.alike(means, (group[mine], group[theirs]), last[mine], first[theirs])
            gain[here] += sign * odds
    return gain


def _apart(
    pairs: Int64[np.ndarray, "2 pair"],
    gain: Float64[np.ndarray, "pair"],
    tracks: Int64[np.ndarray, "2 pair"],
    frame: Int64[np.ndarray, "pair"],
    reach: float,
) -> Int64[np.ndarray, "2 pair"]:
    """The best exchanges that have no link in common, nor look at the same rows of the same tracks: made at
    once, two of these would undo each other."""
    taken: set[int] = set()
    made: dict[tuple[int, int], list[int]] = {}
    chosen = []
    for row in np.argsort(gain, kind="stable"):
        both = {int(pairs[0, row]), int(pairs[1, row])}
        whose = int(tracks[:, row].min()), int(tracks[:, row].max())
        others = made.setdefault(whose, [])
        if not both & taken and all(abs(int(frame[row]) - other) > reach for other in others if reach):
            taken |= both
            others.append(int(frame[row]))
            chosen.append(row)
    return pairs[:, np.array(chosen, np.int64)]


def _exchanged(
    path: Int64[np.ndarray, "piece"], one: np.ndarray, other: np.ndarray, pairs: Int64[np.ndarray, "2 pair"]
) -> Int64[np.ndarray, "piece"]:
    after = other.copy()
    after[pairs[0]], after[pairs[1]] = other[pairs[1]], other[pairs[0]]
    before = np.full(len(path), -1)
    before[after] = one
    new = path.copy()
    for piece in np.flatnonzero(before >= 0):  # which begins after the one before it
        new[piece] = new[before[piece]]
    return new
