"""Appearance as the stitching asks for it: means of a piece's or a path's vectors around a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.track.joins import Joins
from ethopose.track.likeness import SPAN, Blocks, Likeness
from ethopose.track.pieces import Ends

MOST = 30.0  # nats that appearance may say for or against a join
AT_ONCE = 100_000  # joins
LATEST = 2**40  # spans


@dataclass(frozen=True, slots=True)
class Means:
    """Vectors of groups of blocks, to be averaged over any time."""

    key: Int64[np.ndarray, "block"]  # of group and time, sorted
    count: Float64[np.ndarray, "block+1"]  # running sums
    total: Float64[np.ndarray, "block+1 axis"]

    def over(
        self,
        group: Int64[np.ndarray, "query"],
        first: Int64[np.ndarray, "query"],
        last: Int64[np.ndarray, "query"],
    ) -> tuple[Float64[np.ndarray, "query axis"], Float64[np.ndarray, "query"]]:
        """Mean, and number of rows, of the blocks of a group that hold frames from `first` to `last`."""
        low = np.searchsorted(self.key, group * LATEST + np.maximum(first, 0) // SPAN)
        high = np.searchsorted(self.key, group * LATEST + last // SPAN, side="right")
        high = np.maximum(low, high)
        rows = self.count[high] - self.count[low]
        mean = (self.total[high] - self.total[low]) / np.maximum(rows, 1)[:, None]
        return mean, rows


@dataclass(frozen=True, slots=True)
class Looks:
    """The vectors of pieces, counted as in `Ends`, and what they say."""

    model: Likeness
    blocks: Blocks

    def means(self, group: Int64[np.ndarray, "piece"]) -> Means:
        """Of groups of pieces; those of group -1 are left out."""
        mine = group[self.blocks.piece]
        rows = np.flatnonzero(mine >= 0)
        rows = rows[np.lexsort((self.blocks.time[rows], mine[rows]))]
        count = self.blocks.count[rows].astype(np.float64)
        axes = (self.blocks.mean[rows] @ self.model.axes) * count[:, None]
        nothing = np.zeros((1, axes.shape[1]))
        return Means(
            key=mine[rows] * LATEST + self.blocks.time[rows],
            count=np.concatenate([[0], np.cumsum(count)]),
            total=np.concatenate([nothing, np.cumsum(axes, 0)]),
        )

    def alike(
        self,
        means: Means,
        groups: tuple[Int64[np.ndarray, "pair"], Int64[np.ndarray, "pair"]],
        last: Int64[np.ndarray, "pair"],
        first: Int64[np.ndarray, "pair"],
    ) -> Float64[np.ndarray, "pair"]:
        """Log odds that a group up to its frame `last` and another from its frame `first` on are one animal,
        by what is near these times; 0 where there are no vectors."""
        reach = int(self.model.horizon)
        one, rows = means.over(groups[0], last - reach, last)
        other, more = means.over(groups[1], first, first + reach)
        there = (rows > 0) & (more > 0)
        behind = np.where(there, 1 / (1 / np.maximum(rows, 1) + 1 / np.maximum(more, 1)), 1)
        apart = np.maximum(first - last, 0) + np.minimum(np.minimum(rows, more), reach)
        odds = self.model.same(one, other, behind, apart.astype(np.float64))
        found: np.ndarray = np.clip(np.where(there, odds, 0), -MOST, MOST)
        return found

    def add_to(self, joins: Joins, ends: Ends) -> Joins:
        """The joins, with what the pieces' looks say in their costs."""
        means = self.means(np.arange(len(ends.first)))
        one, other = joins.pairs
        cost = joins.cost.copy()
        for begin in range(0, len(cost), AT_ONCE):
            here = slice(begin, begin + AT_ONCE)
            pair = one[here], other[here]
            cost[here] -= self.alike(means, pair, ends.last[pair[0]], ends.first[pair[1]])
        return Joins(joins.after, joins.start, cost)
