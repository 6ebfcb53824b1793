"""Linking tracks over gaps where there is only one way to do it (sleap-nn 0.3.5, without appearance)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.track.sleap.mot.identities import Identities

WINDOW = 4  # track buffers
MOST_FOLLOWERS = 256
Tracks = Int64[np.ndarray, "pair"]


def link_gaps(some: Identities, buffer: int) -> None:
    """Link, the surest first, until there is nothing left that is sure; `buffer` in steps."""
    while (link := _Links(some, WINDOW * buffer).surest()) is not None:
        some.merge(*link)


class _Links:
    """What could be linked now."""

    def __init__(self, some: Identities, window: int) -> None:
        self.some, self.window = some, window  # steps
        head, tail = some.head, some.tail
        self.first = np.where(head >= 0, some.step[head], np.inf)
        self.last = np.where(head >= 0, some.step[tail], -np.inf)
        self.start, self.end = some.centre[head], some.centre[tail]

    def surest(self) -> tuple[int, int] | None:
        """The only link there can be, the smallest gap first; it skips no other that can be."""
        before, after = self._near()
        next_ones, previous_ones = self._frontier(before, after)
        number = len(self.first)
        lone = next_ones & (np.bincount(before[next_ones], minlength=number)[before] == 1)
        lone &= previous_ones & (np.bincount(after[previous_ones], minlength=number)[after] == 1)
        before, after = before[lone], after[lone]
        straight = np.logical_and(*self._frontier(before, after))
        for pair in self._ranked(before, after, straight):
            if self._unrivalled(*pair):
                return pair
        pairs = set(zip(before.tolist(), after.tolist(), strict=True))
        for one, other in self._ranked(before, after, ~straight):
            skipped = {(one, third) for third in np.flatnonzero(self.last < self.first[other]).tolist()}
            skipped |= {(third, other) for third in np.flatnonzero(self.first > self.last[one]).tolist()}
            if self._unrivalled(one, other) and not any(self._unrivalled(*p) for p in skipped & pairs):
                return one, other
        return None

    def _near(self) -> tuple[Tracks, Tracks]:
        """Pairs of a track and a later one that begins within the window, not too far away."""
        alive = self.some.alive
        order = alive[np.argsort(self.first[alive], kind="stable")]
        begin = np.searchsorted(self.first[order], self.last[alive], side="right")
        end = np.searchsorted(self.first[order], self.last[alive] + self.window, side="right")
        number = np.minimum(end - begin, MOST_FOLLOWERS)
        before = np.repeat(alive, number)
        index = np.arange(len(before)) - np.repeat(np.cumsum(number) - number, number)
        after = order[np.repeat(begin, number) + index]
        distance = np.linalg.norm(self.start[after] - self.end[before], axis=1)
        near = self.some.gate.lets(self.first[after] - self.last[before], distance)
        return before[near], after[near]

    def _frontier(
        self, before: Tracks, after: Tracks
    ) -> tuple[Bool[np.ndarray, "pair"], Bool[np.ndarray, "pair"]]:
        """Of each pair, whether none of the others lies between them: after the first, before the second."""
        ends, starts = np.full(len(self.first), np.inf), np.full(len(self.first), -np.inf)
        np.minimum.at(ends, before, self.last[after])
        np.maximum.at(starts, after, self.first[before])
        return self.first[after] <= ends[before], self.last[before] >= starts[after]

    def _ranked(
        self, before: Tracks, after: Tracks, chosen: Bool[np.ndarray, "pair"]
    ) -> list[tuple[int, int]]:
        before, after = before[chosen], after[chosen]
        rank, gap = self.some.rank, self.first[after] - self.last[before]
        order = np.lexsort((rank[after], rank[before], self.first[after], gap))
        return list(zip(before[order].tolist(), after[order].tolist(), strict=True))

    def _unrivalled(self, before: int, after: int) -> bool:
        """Whether no third track, with a gap right there, could have gone the same way."""
        lets = self.some.gate.lets
        for host in self._hosts(after):
            if host.track != before and host.gap[0] <= self.window and lets(host.gap[0], host.way[0]):
                return False
        for host in self._hosts(before):
            if host.track != after and host.gap[1] <= self.window and lets(host.gap[1], host.way[1]):
                return False
        return True

    def _hosts(self, track: int) -> list[_Host]:
        """The tracks in one of whose gaps this one lies."""
        some, first, last = self.some, self.first[track], self.last[track]
        hosts = []
        for host in np.flatnonzero((self.first < first) & (self.last > last)).tolist():
            members = some.members[host]
            steps = some.step[members]
            at = int(np.searchsorted(steps, first))
            if at == np.searchsorted(steps, last, side="right"):
                gap = np.array([first - steps[at - 1], steps[at] - last])
                ends = some.centre[members[[at - 1, at]]] - np.stack((self.start[track], self.end[track]))
                hosts.append(_Host(host, gap, np.linalg.norm(ends, axis=1)))
        return hosts


@dataclass(frozen=True, slots=True)
class _Host:
    """A track with a gap in which another lies."""

    track: int
    gap: Float64[np.ndarray, "2"]  # steps without anybody before the other and after it
    way: Float64[np.ndarray, "2"]  # px from the host to the other there
