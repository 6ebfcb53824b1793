"""How likely two pieces of tracklets are one animal: the cost of each join, in nats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from ethopose.track.motion import Motion
from ethopose.track.pieces import Ends
from ethopose.track.rigid import lay

REACH = 10  # joins of a piece, by the number of animals
SHORT = 12  # frames over which poses are compared
POSE = 0.5  # of what poses tell, which motion has told in part
GAP = 1.5  # nats by which a gap twice as long, by its natural logarithm, is less likely
ANYWHERE = 0.02  # chance that an animal is anywhere after a gap
FAR = 20.0  # nats of a join of pieces with so many between them that it was not looked at
ODD = 0.1  # share of the joins whose motion is another than usual


class World(NamedTuple):
    """What all joins of a video share; px and px²."""

    length: float  # square of a body's
    noise: float
    turning: float  # radians² a frame
    heading: float
    area: float


class Table(NamedTuple):
    """`Motion`, as compiled code reads it."""

    share: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True, slots=True)
class Joins:
    """Every piece with those that begin after it ends: of piece p they are `after[p]` and so on, and their
    costs `cost[start[p] : start[p + 1]]`."""

    after: Int64[np.ndarray, "piece"]
    start: Int64[np.ndarray, "piece+1"]
    cost: Float64[np.ndarray, "join"]

    @property
    def pairs(self) -> tuple[Int64[np.ndarray, "join"], Int64[np.ndarray, "join"]]:
        """The two pieces of each."""
        one = np.repeat(np.arange(len(self.after)), np.diff(self.start))
        return one, self.after[one] + np.arange(len(one)) - self.start[one]

    def between(
        self, one: Int64[np.ndarray, "pair"], other: Int64[np.ndarray, "pair"]
    ) -> Float64[np.ndarray, "pair"]:
        """The cost of joining pieces; infinite where the one has not ended when the other begins."""
        place = other - self.after[one]
        there = (place >= 0) & (place < self.start[one + 1] - self.start[one])
        cost = (
            self.cost[np.where(there, self.start[one] + place, 0)] if len(self.cost) else np.zeros(len(one))
        )
        found: np.ndarray = np.where(there, cost, np.where(place < 0, np.inf, FAR))
        return found


def joins_of(ends: Ends, animals: int, world: World, moved: Motion) -> Joins:
    """Joins of each piece with the next that begin after it."""
    after = np.searchsorted(ends.first, ends.last, side="right")
    most = max(REACH * animals, 40)
    start = np.concatenate([[0], np.cumsum(np.minimum(len(after) - after, most))])
    cost = np.empty(start[-1])
    _costs(ends, after, start, world, Table(moved.share, moved.variance), cost)
    return Joins(after, start, cost)


@njit(cache=True, nogil=True)
def _costs(
    ends: Ends, after: np.ndarray, start: np.ndarray, world: World, table: Table, cost: np.ndarray
) -> None:
    sure = np.ones(ends.pose.shape[2])
    nowhere = np.full(2, np.nan)
    for one in range(len(after)):
        for place in range(start[one + 1] - start[one]):
            other = after[one] + place
            gap = ends.first[other] - ends.last[one]
            x, y = ends.place[other, 0] - ends.place[one, 1]
            cos, sin, unlike = 1.0, 0.0, 0.0
            if gap <= SHORT:
                fit = lay(ends.pose[one, 1], ends.pose[other, 0], sure, world.noise, world.length, nowhere)
                if fit.shared >= 2:
                    cos, sin, x, y = fit.cos, fit.sin, x + fit.x, y + fit.y
                    spread = world.turning * gap + 40 * world.noise / (world.length * fit.weight)
                    angle = math.atan2(sin, cos)
                    turn = 0.95 * math.exp(-angle * angle / 2 / spread) * math.sqrt(2 * math.pi / spread)
                    unlike = fit.misfit / fit.shared * min(fit.shared, 4.0) - math.log(turn + 0.05)
            near = _near(ends, one, other, (x, y, cos, sin), world, table)
            gain = math.log((1 - ANYWHERE) * near * world.area / (2 * math.pi) + ANYWHERE)
            cost[start[one] + place] = POSE * unlike + GAP * math.log(gap) - gain


@njit(cache=True, nogil=True)
def _near(
    ends: Ends,
    one: int,
    other: int,
    way: tuple[float, float, float, float],
    world: World,
    table: Table,
) -> float:
    """How likely the way from one piece to another is: going on as the one ended and coming as the other
    begins count half each; the one straight on, or turned with its body."""
    x, y, cos, sin = way
    gap = ends.first[other] - ends.last[one]
    share, variance = _expected(table, gap)
    variance += world.noise
    total = 0.0
    for end in range(2):  # how the one ended; how the other begins
        vx, vy = ends.velocity[one, 1] if end == 0 else ends.velocity[other, 0]
        spread = variance
        if math.isnan(vx):
            vx, vy, spread = 0.0, 0.0, variance + 4 * table.variance[0] * gap * gap
        straight = _likely(x - share * gap * vx, y - share * gap * vy, spread, world.length)
        turned = straight
        if end == 0:
            tx, ty = cos * vx - sin * vy, sin * vx + cos * vy
            turned = _likely(x - share * gap * tx, y - share * gap * ty, spread, world.length)
        total += 0.5 * (world.heading * turned + (1 - world.heading) * straight)
    return total


@njit(cache=True, nogil=True)
def _expected(table: Table, gap: int) -> tuple[float, float]:
    """Share of the velocity and variance after so many frames, between those that were learned."""
    place = math.log2(gap)
    index = min(int(place), len(table.share) - 2)
    part = min(place - index, 1.0)
    share = table.share[index] * (1 - part) + table.share[index + 1] * part
    variance = table.variance[index] ** (1 - part) * table.variance[index + 1] ** part
    return share, variance


@njit(cache=True, nogil=True)
def _likely(x: float, y: float, variance: float, length: float) -> float:
    off, wide = x * x + y * y, 4 * variance + 0.05 * length
    usual = (1 - ODD) * math.exp(-off / 2 / variance) / variance
    return usual + ODD * math.exp(-off / 2 / wide) / wide
