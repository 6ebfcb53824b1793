"""A known number of animals: every piece of a track goes to one of so many (sleap-nn 0.3.5, `max_tracks`)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from ethopose.track.sleap.mot.identities import Identities, Rows

CONFLICTS = 0.05  # of a piece: with more it is another animal
MORE = 1e-9  # by which a score has to be higher


def close(some: Identities, animals: int, buffer: int) -> None:
    """Leave no more tracks than animals; what fits none of them loses its track. `buffer` in steps."""
    if len(some.alive) > animals:
        _Closing(some, _anchors(some, animals), buffer).run()


def _anchors(some: Identities, animals: int) -> list[int]:
    """The longest tracks of the frame in which most, and the longest, are together."""
    support = np.array([len(members) for members in some.members])
    counted = np.ones(len(some.label), bool)
    for pair in some.doubles:
        one, other = some.label[list(pair)]
        if one != other:  # of an animal found twice the lesser track is not counted
            worse = (support[one], -some.rank[one]) > (support[other], -some.rank[other])
            counted[pair[int(worse)]] = False
    rows = np.flatnonzero(counted)
    label, place = some.label[rows], some.place[rows]
    order = np.lexsort((some.rank[label], -support[label], place))
    label, place = label[order], place[order]
    taken = np.arange(len(place)) - np.searchsorted(place, place) < animals
    together = np.bincount(place[taken])
    long = np.bincount(place[taken], weights=support[label[taken]])
    best = np.lexsort((-long, -together))[0]
    anchors = [int(track) for track in dict.fromkeys(label[taken & (place == best)].tolist())]
    rest = [track for track in some.alive.tolist() if track not in anchors]
    rest.sort(key=lambda track: (-support[track], some.rank[track]))
    return anchors + rest[: animals - len(anchors)]


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a piece fits a track."""

    anchor: int
    rest: Rows  # what the track would gain
    here: Rows  # the piece's instances in frames where the track has one too
    there: Rows  # the track's in the same frames
    far: bool  # in one of them two animals are seen
    near: bool  # no gap between the two is too wide
    cost: float  # of the worst gap
    gap: float  # steps
    rank: int

    @property
    def key(self) -> tuple[bool, float, float, int]:
        return self.far, self.cost, self.gap, self.rank

    @property
    def kind(self) -> tuple[bool, bool, bool]:
        return len(self.rest) > 0, not self.near, self.far


class _Closing:
    """Gives pieces to anchors, those without a choice first, those in doubt last."""

    def __init__(self, some: Identities, anchors: list[int], buffer: int) -> None:
        self.some, self.anchors, self.buffer = some, anchors, buffer
        others = [some.members[track] for track in some.alive.tolist() if track not in anchors]
        self.pieces = [piece for members in others for piece in self._pieces(members)]
        self.span = np.array([some.step[piece[[0, -1]]] for piece in self.pieces]).reshape(-1, 2)
        self.fits = [[self._fit(piece, anchor) for anchor in anchors] for piece in self.pieces]
        self.version = [0] * len(anchors)
        self.seen = [list(self.version) for _ in self.pieces]
        self.stamp = [0] * len(self.pieces)
        self.heap: list[tuple[tuple[int, float, int], int, int, int]] = []

    def run(self) -> None:
        """Until every piece has its place or none."""
        done: set[int] = set()
        for index in range(len(self.pieces)):
            self._push(index)
        while self.heap:
            urgency, _, index, stamp = heapq.heappop(self.heap)
            if index in done or stamp != self.stamp[index]:
                continue
            if self._refresh(index) and self._decision(index)[0] > urgency:
                self._push(index)
                continue
            done.add(index)
            fit = self._decision(index)[1]
            if fit is None:
                self.some.label[self.pieces[index]] = -1
                continue
            self._join(fit)
            self._refit_around(index, fit.anchor, done)

    def _pieces(self, members: Rows) -> list[Rows]:
        """Of a track, without gaps wider than the buffer."""
        return np.split(members, np.flatnonzero(np.diff(self.some.step[members]) > self.buffer) + 1)

    def _push(self, index: int) -> None:
        self.stamp[index] += 1
        urgency = self._decision(index)[0]
        heapq.heappush(self.heap, (urgency, int(self.span[index, 0]), index, self.stamp[index]))

    def _refresh(self, index: int) -> bool:
        """Fit a piece again to the anchors that have grown; whether there was one."""
        stale = [at for at, version in enumerate(self.version) if self.seen[index][at] != version]
        for at in stale:
            self._fit_again(index, at)
        return bool(stale)

    def _fit_again(self, index: int, at: int) -> None:
        self.fits[index][at] = self._fit(self.pieces[index], self.anchors[at])
        self.seen[index][at] = self.version[at]

    def _refit_around(self, index: int, anchor: int, done: set[int]) -> None:
        """An anchor has grown: what lies near in time is judged anew at once."""
        at, reach = self.anchors.index(anchor), max(self.buffer, 1)
        self.version[at] += 1
        first, last = self.span[index]
        near = (self.span[:, 1] >= first - reach) & (self.span[:, 0] <= last + reach)
        for other in np.flatnonzero(near).tolist():
            if other not in done:
                self._fit_again(other, at)
                self._push(other)

    def _fit(self, piece: Rows, anchor: int) -> _Fit | None:
        """None: they are seen apart in too many frames."""
        some, theirs = self.some, self.some.members[anchor]
        at = np.minimum(np.searchsorted(some.place[theirs], some.place[piece]), len(theirs) - 1)
        both = some.place[theirs[at]] == some.place[piece]
        here, there, rest = piece[both], theirs[at[both]], piece[~both]
        apart = ~some.twice(here, there)
        if apart.sum() > CONFLICTS * len(piece):
            return None
        away = np.linalg.norm(some.centre[here[apart]] - some.centre[there[apart]], axis=1)
        far, rank = bool((away >= some.gate.body).any()), int(some.rank[anchor])
        if not len(rest):
            return _Fit(anchor, rest, here, there, far, True, -np.inf, 0.0, rank)
        start = max(int(np.searchsorted(some.step[theirs], some.step[rest[0]])) - 1, 0)
        stop = int(np.searchsorted(some.step[theirs], some.step[rest[-1]], side="right")) + 1
        line = np.concatenate((theirs[start:stop], rest))
        ours = np.arange(len(line)) >= len(line) - len(rest)
        order = np.argsort(some.step[line], kind="stable")
        line, ours = line[order], ours[order]
        turn = np.flatnonzero(ours[1:] != ours[:-1])
        if not len(turn):
            return _Fit(anchor, rest, here, there, far, True, np.inf, 0.0, rank)
        gap = (some.step[line[turn + 1]] - some.step[line[turn]]).astype(float)
        away = np.linalg.norm(some.centre[line[turn + 1]] - some.centre[line[turn]], axis=1)
        cost, near = some.gate.cost(gap, away).max(), some.gate.lets(gap, away).all()
        return _Fit(anchor, rest, here, there, far, bool(near), float(cost), float(gap.max()), rank)

    def _choice(self, fits: list[_Fit], size: int) -> _Fit | None:
        """A track that has the piece already, else the best near one; a long piece goes anywhere."""
        doubles = [fit for fit in fits if not len(fit.rest)]
        near = [fit for fit in fits if fit.near]
        some = doubles or near or (fits if size > self.buffer else [])
        return min(some, key=lambda fit: fit.key, default=None)

    def _decision(self, index: int) -> tuple[tuple[int, float, int], _Fit | None]:
        """What becomes of a piece, and how soon it is to be done."""
        size = len(self.pieces[index])
        fits = [fit for fit in self.fits[index] if fit is not None]
        choice = self._choice(fits, size)
        if choice is None:
            return (0, 0.0, -size), None
        second = self._choice([fit for fit in fits if fit is not choice], size)
        if second is None:
            return (1, 0.0, -size), choice
        clear = choice.kind != second.kind
        return (2, -np.inf if clear else choice.cost - second.cost, -size), choice

    def _join(self, fit: _Fit) -> None:
        """In frames where both have an instance the one of higher score stays."""
        some = self.some
        better = some.score[fit.here] > some.score[fit.there] + MORE
        gone, gained = fit.there[better], np.concatenate((fit.rest, fit.here[better]))
        some.label[fit.here[~better]] = -1
        some.label[gone] = -1
        some.label[gained] = fit.anchor
        kept = some.members[fit.anchor]
        some.members[fit.anchor] = np.sort(np.concatenate((kept[~np.isin(kept, gone)], gained)))
