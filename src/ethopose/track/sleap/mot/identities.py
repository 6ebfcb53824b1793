"""What the linking of tracks knows: who was where when, and what is near enough (sleap-nn 0.3.5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from ethopose.track.sleap.mot.found import Found
from ethopose.track.sleap.mot.measures import Measures, shared
from ethopose.track.sleap.mot.options import MotOptions

Rows = Int64[np.ndarray, "row"]
Values = Float64[np.ndarray, "junction"]
TWICE, TWICE_IN_BODIES = 0.5, 0.3  # of the smaller box; apart: two instances of one animal
STEPS, STRAIGHT, LEAST_STEP = 3.0, 10, 0.05  # steps wide; steps that go straight; bodies a step


@dataclass(frozen=True, slots=True)
class Gate:
    """How far an animal may be from where it was lost."""

    body: float  # px
    step: float  # px a step; NaN: not known, nothing is too far
    arena: float  # px, the diagonal of where anybody was
    longest: int  # steps: after more it may be anywhere

    def radius(self, gap: Values) -> Values:
        """After so many steps: straight on at first, then a random walk."""
        way = np.where(gap <= STRAIGHT, gap, np.sqrt(STRAIGHT * np.maximum(gap, 0)))
        return np.asarray(self.body + STEPS * self.step * way)

    def lets(self, gap: Values, distance: Values) -> Bool[np.ndarray, "junction"]:
        """Whether somebody lost may be somebody found."""
        bound = (gap <= self.longest) & np.isfinite(self.step)
        return np.asarray(~bound | (distance <= self.radius(np.maximum(gap, 0))))

    def cost(self, gap: Values, distance: Values) -> Values:
        """How unlikely: nats, against another animal that came there by chance."""
        gap = np.maximum(gap, 1)
        if not np.isfinite(self.step):
            return np.asarray(4.5 * (distance / self.body) ** 2 + np.log(gap))
        radius = np.minimum(self.radius(gap), self.arena)
        return np.asarray(4.5 * (distance / radius) ** 2 + 2 * np.log(radius))


class Identities:
    """The instances that have a track, numbered in order of time, and whose they are."""

    def __init__(
        self,
        some: Found,
        track: Int32[np.ndarray, "instance"],
        looked: Int64[np.ndarray, "looked"],
        known: Measures,
        options: MotOptions,
    ) -> None:
        self.row = np.flatnonzero((track >= 0) & some.valid)
        self.place = np.searchsorted(looked, some.frame[self.row])  # among the frames that were looked at
        self.step = known.steps(looked)[self.place]
        self.centre, self.score = some.centre[self.row], some.score[self.row]
        self.label = track[self.row].astype(np.int64)  # -1: taken from its track
        order = np.argsort(self.label, kind="stable")
        number = int(self.label.max()) + 1
        self.members = np.split(order, np.searchsorted(self.label[order], np.arange(1, number)))
        ends = [one[[0, -1]] if len(one) else (-1, -1) for one in self.members]
        self.head, self.tail = np.array(ends, np.int64).T
        # Names are compared as text, as the peer's are: track_10 comes before track_2.
        self.rank = np.empty(number, np.int64)
        self.rank[sorted(range(number), key=str)] = np.arange(number)
        arena = max(float(np.hypot(*np.ptp(self.centre, axis=0))), known.body)
        pace = known.step if np.isnan(known.step) else max(known.step, LEAST_STEP * known.body)
        self.gate = Gate(known.body, pace, arena, options.link_spatial_gate_frames)
        self.doubles = self._doubles(some, TWICE_IN_BODIES * known.body)
        self._pairs = set(self.doubles)

    @property
    def alive(self) -> Rows:
        """The tracks that are left."""
        return np.flatnonzero(self.head >= 0)

    def merge(self, track: int, later: int) -> None:
        """A track goes on as another."""
        self.members[track] = np.concatenate((self.members[track], self.members[later]))
        self.label[self.members[later]] = track
        self.tail[track], self.head[later] = self.tail[later], -1

    def twice(self, one: Rows, other: Rows) -> Bool[np.ndarray, "row"]:
        """Whether two instances of a frame are one animal found twice."""
        pairs = zip(one.tolist(), other.tolist(), strict=True)
        return np.array([(min(pair), max(pair)) in self._pairs for pair in pairs], bool)

    def _doubles(self, some: Found, near: float) -> list[tuple[int, int]]:
        pairs = []
        starts = np.flatnonzero(np.diff(self.place, prepend=-1))
        for frame in np.split(np.arange(len(self.place)), starts[1:]):
            rows = self.row[frame]
            boxed = some.known[rows] >= 2
            same = (shared(some.extent[rows], some.extent[rows]) >= TWICE) & boxed & boxed[:, None]
            same |= np.linalg.norm(self.centre[frame][:, None] - self.centre[frame], axis=-1) < near
            pairs += [(int(frame[one]), int(frame[other])) for one, other in np.argwhere(np.triu(same, 1))]
        return pairs
