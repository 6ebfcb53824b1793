"""Pieces of tracklets become paths of animals: the likeliest as a whole, of several starts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from ethopose.track.alike import by_looks, nats
from ethopose.track.filling import filled
from ethopose.track.gathering import Gathered
from ethopose.track.joins import Joins, World, joins_of
from ethopose.track.paths import least_paths, sure_paths
from ethopose.track.settling import Links, settled

WORTH = 4.0  # nats that a row is worth which looks just as much of an animal as most: of missing it instead
SEVERAL = 8  # animals, where nobody knows how many


def stitched(pieces: Gathered, world: World, animals: int | None) -> tuple[Int64[np.ndarray, "end"], Links]:
    """The path of each piece, counted from 0, -1 for none; and its links. There is one an animal at most."""
    ends, looks = pieces.ends, pieces.looks
    joins = joins_of(ends, animals or SEVERAL, world, pieces.moved)
    costs = joins if looks is None else looks.add_to(joins, ends)
    if animals is None:
        return settled(ends, joins, sure_paths(costs, len(ends.first)), looks)
    worth = -WORTH * ends.worth
    starts = [(costs, least_paths(costs, worth, animals))]
    if looks is not None and (groups := by_looks(ends, looks, animals)) is not None:
        apart = groups.apart(costs)
        starts += [(apart, least_paths(apart, worth, animals)), (costs, groups.path)]
    ways = [settled(ends, joins, filled(ends, of, path, animals), looks) for of, path in starts]
    return min(ways, key=lambda way: _cost(pieces, joins, *way))


def _cost(pieces: Gathered, joins: Joins, path: Int64[np.ndarray, "end"], links: Links) -> float:
    """Nats by which all of it is less likely: joins, looks, and what is on no path."""
    ends, looks = pieces.ends, pieces.looks
    cost = joins.between(links.one, links.other).sum() - WORTH * ends.worth[path >= 0].sum()
    return float(cost if looks is None else cost - nats(ends, looks, path))
