"""The likeliest ways of so many animals through all pieces of tracklets: disjoint paths of least cost."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from ethopose.track.joins import Joins

ENTRY, BACK = -1, -2  # how a piece's beginning is reached: from nowhere, or from its own end
UNUSED = -2


class Graph(NamedTuple):
    """Pieces in the order in which they begin, and their joins; see `Joins`. Negative costs are rewards."""

    after: np.ndarray
    start: np.ndarray
    join: np.ndarray  # costs
    piece: np.ndarray  # costs


class Flow(NamedTuple):
    """Which piece comes after and before each: -1 for none, `UNUSED` where no path takes it."""

    next: np.ndarray
    before: np.ndarray


class Search(NamedTuple):
    """Of one path: distances to the beginnings and the ends of pieces, and how they were reached."""

    distance: np.ndarray  # (2, piece)
    reached: np.ndarray  # (2, piece) piece, or `ENTRY`, `BACK`


def least_paths(
    joins: Joins, piece: Float64[np.ndarray, "piece"], animals: int
) -> Int64[np.ndarray, "piece"]:
    """The path, counted from 0, that each piece lies on, -1 for none: at most so many paths, no piece on two,
    the sum of the costs of pieces and joins least. Fewer where one more would cost.

    Source: successive shortest paths (Ahuja, Magnanti and Orlin 1993), as used for tracks by Pirsiavash,
    Ramanan and Fowlkes 2011.
    """
    graph = Graph(joins.after, joins.start, joins.cost, piece)
    flow = _flow(graph, animals)
    path, paths = np.full(len(piece), -1), 0
    for number in np.flatnonzero(flow.next != UNUSED):  # a piece's predecessor begins before it
        before = flow.before[number]
        path[number] = path[before] if before >= 0 else paths
        paths += before < 0
    return path


@njit(cache=True, nogil=True)
def _flow(graph: Graph, animals: int) -> Flow:
    pieces = len(graph.piece)
    flow = Flow(np.full(pieces, UNUSED), np.full(pieces, UNUSED))
    price = _first_prices(graph)
    sink = min(price[1].min(), 0.0) if pieces else 0.0
    for _ in range(animals):
        search, last, distance = _search(graph, flow, price, sink)
        if last < 0:
            break
        sink += distance
        if sink >= 0:
            break
        price += np.minimum(search.distance, distance)
        _augment(flow, search, last)
    return flow


@njit(cache=True, nogil=True)
def _first_prices(graph: Graph) -> np.ndarray:
    """The least costs to the beginning and the end of each piece; a path may begin anywhere."""
    price = np.zeros((2, len(graph.piece)))
    for piece in range(len(graph.piece)):
        price[1, piece] = price[0, piece] + graph.piece[piece]
        for place in range(graph.start[piece + 1] - graph.start[piece]):
            other = graph.after[piece] + place
            through = price[1, piece] + graph.join[graph.start[piece] + place]
            price[0, other] = min(price[0, other], through)
    return price


@njit(cache=True, nogil=True)
def _search(graph: Graph, flow: Flow, price: np.ndarray, sink: float) -> tuple[Search, int, float]:
    """The shortest way by which one more path can be had; the piece that it ends with, -1 for none."""
    pieces = len(graph.piece)
    search = Search(np.full((2, pieces), np.inf), np.full((2, pieces), ENTRY))
    heap = [(0.0, 0) for _ in range(0)]
    for piece in range(pieces):
        if flow.before[piece] != ENTRY:
            _reach(search, heap, 0, piece, -price[0, piece], ENTRY)
    best, last = np.inf, -1
    while len(heap):
        distance, code = heapq.heappop(heap)
        side, piece = code // pieces, code % pieces
        if distance >= best:
            break
        if distance > search.distance[side, piece]:
            continue
        away = distance + price[side, piece]
        if side == 0:
            _enter(graph, flow, price, search, heap, piece, away)
        else:
            if flow.next[piece] != ENTRY and away - sink < best:
                best, last = max(away - sink, distance), piece
            _leave(graph, flow, price, search, heap, piece, away)
    return search, last, best


@njit(cache=True, nogil=True)
def _enter(
    graph: Graph,
    flow: Flow,
    price: np.ndarray,
    search: Search,
    heap: list[tuple[float, int]],
    piece: int,
    away: float,
) -> None:
    """Go on from the beginning of a piece: through it, or, where a path takes it already, that path gives it
    up, and the piece before it goes on elsewhere."""
    if flow.next[piece] == UNUSED:
        _reach(search, heap, 1, piece, away + graph.piece[piece] - price[1, piece], ENTRY)
        return
    before = flow.before[piece]
    if before >= 0:
        cost = graph.join[graph.start[before] + piece - graph.after[before]]
        _reach(search, heap, 1, before, away - cost - price[1, before], piece)


@njit(cache=True, nogil=True)
def _leave(
    graph: Graph,
    flow: Flow,
    price: np.ndarray,
    search: Search,
    heap: list[tuple[float, int]],
    piece: int,
    away: float,
) -> None:
    """Go on from the end of a piece: to those after it, or back through it where a path gives it up."""
    if flow.next[piece] != UNUSED:
        _reach(search, heap, 0, piece, away - graph.piece[piece] - price[0, piece], BACK)
    for place in range(graph.start[piece + 1] - graph.start[piece]):
        other = graph.after[piece] + place
        if flow.next[piece] != other:
            cost = graph.join[graph.start[piece] + place]
            _reach(search, heap, 0, other, away + cost - price[0, other], piece)


@njit(cache=True, nogil=True)
def _reach(search: Search, heap: list[tuple[float, int]], side: int, piece: int, far: float, by: int) -> None:
    far = max(far, 0.0)  # but for rounding it is
    if far < search.distance[side, piece]:
        search.distance[side, piece], search.reached[side, piece] = far, by
        heapq.heappush(heap, (far, side * search.distance.shape[1] + piece))


@njit(cache=True, nogil=True)
def _augment(flow: Flow, search: Search, last: int) -> None:
    """Enter the path that ends with a piece, from there back to where it begins."""
    piece, follower = last, -1
    while True:
        by = search.reached[1, piece]
        flow.next[piece] = follower
        if by >= 0:  # its former follower gets another predecessor
            piece = by
        by = search.reached[0, piece]
        while by == BACK:
            flow.next[piece], flow.before[piece] = UNUSED, UNUSED
            piece = search.reached[1, piece]
            by = search.reached[0, piece]
        flow.before[piece] = by
        if by == ENTRY:
            return
        follower, piece = piece, by


def sure_paths(joins: Joins, pieces: int) -> Int64[np.ndarray, "piece"]:
    """The path that each piece lies on, where nobody knows how many there are: the best joins one after the
    other, as long as one animal is likelier than two."""
    one, other = joins.pairs
    good = np.flatnonzero(joins.cost < 0)
    good = good[np.argsort(joins.cost[good], kind="stable")]
    before = _chosen(one[good], other[good], pieces)
    path = np.arange(pieces)
    for piece in np.flatnonzero(before >= 0):  # a piece's predecessor begins before it
        path[piece] = path[before[piece]]
    return np.unique(path, return_inverse=True)[1].ravel()


@njit(cache=True, nogil=True)
def _chosen(one: np.ndarray, other: np.ndarray, pieces: int) -> np.ndarray:
    before, goes_on = np.full(pieces, -1), np.zeros(pieces, np.bool_)
    for join in range(len(one)):
        if before[other[join]] < 0 and not goes_on[one[join]]:
            before[other[join]] = one[join]
            goes_on[one[join]] = True
    return before
