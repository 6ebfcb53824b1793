"""Linking tracks over gaps where there is only one way to do it (sleap-nn 0.3.5, without appearance)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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


@dataclass
class _Links:
    """What could be linked now."""

    some: Identities
    window: int  # steps

    def __post_init__(self) -> None:
        some = self.some
        self.first, self.last = np.full(len(some.members), np.inf), np.full(len(some.members), -np.inf)
        self.start, self.end = np.zeros((len(some.members), 2)), np.zeros((len(some.members), 2))
        for track in some.alive.tolist():
            head, tail = some.members[track][0], some.members[track][-1]
            self.first[track], self.last[track] = some.step[head], some.step[tail]
            self.start[track], self.end[track] = some.centre[head], some.centre[tail]

    def surest(self) -> tuple[int, int] | None:
        """The only link there can be, the smallest gap first; it skips no other that can be."""
        before, after = self._near()
        only = self._frontier(before, after)
        lone = (np.bincount(before[only], minlength=len(self.first))[before] == 1) & only
        lone &= np.bincount(after[only], minlength=len(self.first))[after] == 1
        before, after = before[lone], after[lone]
        straight = self._frontier(before, after)
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

    def _frontier(self, before: Tracks, after: Tracks) -> Bool[np.ndarray, "pair"]:
        """Whether a pair leaves no other of these in between."""
        ends, starts = np.full(len(self.first), np.inf), np.full(len(self.first), -np.inf)
        np.minimum.at(ends, before, self.last[after])
        np.maximum.at(starts, after, self.first[before])
        return np.asarray((self.first[after] <= ends[before]) & (self.last[before] >= starts[after]))

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
        for host, (gap, _), (distance, _) in self._hosts(after):
            if host != before and gap <= self.window and lets(gap, distance):
                return False
        for host, (_, gap), (_, distance) in self._hosts(before):
            if host != after and gap <= self.window and lets(gap, distance):
                return False
        return True

    def _hosts(self, track: int) -> list[tuple[int, Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]]:
        """The tracks in one of whose gaps this one lies: steps and px before and after it."""
        if track not in self._known_hosts:
            around = np.flatnonzero((self.first < self.first[track]) & (self.last > self.last[track]))
            self._known_hosts[track] = [
                found for host in around.tolist() if (found := self._host(host, track))
            ]
        return self._known_hosts[track]

    @cached_property
    def _known_hosts(self) -> dict[int, list[tuple[int, np.ndarray, np.ndarray]]]:
        return {}

    def _host(self, host: int, track: int) -> tuple[int, np.ndarray, np.ndarray] | None:
        members = self.some.members[host]
        steps = self.some.step[members]
        at = int(np.searchsorted(steps, self.first[track]))
        if at != np.searchsorted(steps, self.last[track], side="right"):
            return None
        gaps = np.array([self.first[track] - steps[at - 1], steps[at] - self.last[track]])
        before, after = self.some.centre[members[at - 1]], self.some.centre[members[at]]
        ways = np.stack((self.start[track] - before, after - self.end[track]))
        return host, gaps, np.linalg.norm(ways, axis=1)
