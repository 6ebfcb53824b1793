"""Ways through tracklets, each of them used once: a flow of minimum cost.

Source: DeepLabCut 3.0.1, `stitch.py`. Nodes are numbers, where the peer has texts in sets: among ways of the
same cost, or where none uses every tracklet, its choice changes from run to run, and ours does not.
"""

from __future__ import annotations

import logging
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
from networkx.algorithms.connectivity import build_auxiliary_node_connectivity
from networkx.algorithms.flow import preflow_push

from ethopose.core import DataError
from ethopose.track.deeplabcut.pieces import Piece, Weight, join

_SOURCE, _SINK, _FIRST = 0, 1, 2


def find_paths(
    pieces: list[Piece], residuals: list[Piece], n_tracks: int, max_gap: int | None, weight: Weight
) -> list[Piece]:
    """Tracks made of `pieces`, which are ordered by their start; `residuals` get some that do not fit.

    Raises:
        DataError: there is no way to make as many.
    """
    gap = int(1.5 * _longest_wait(pieces)) if max_gap is None else max_gap
    graph = _graph(pieces, n_tracks, gap, weight)
    try:
        paths = _cheapest(graph)
    except nx.NetworkXUnfeasible:
        logging.getLogger(__name__).warning("%d tracks cannot use every tracklet: some may be lost", n_tracks)
        try:
            paths = _disjoint(graph, pieces, residuals, n_tracks, weight)
        except (nx.NetworkXNoPath, nx.NetworkXUnfeasible):
            raise DataError(
                f"no {n_tracks} tracks can be made of these tracklets",
                fix="another number of animals, or a higher max_gap",
            ) from None
    return [join([pieces[index] for index in path]) for path in paths if path]


def _longest_wait(pieces: list[Piece]) -> int:
    """Frames until another piece starts, for that piece after which it takes longest."""
    starts = np.array([piece.start for piece in pieces])
    ends = np.array([piece.end for piece in pieces])
    following = np.searchsorted(starts, ends, side="right")
    followed = following < len(starts)
    return int((starts[following[followed]] - ends[followed]).max(initial=0))


def _graph(pieces: list[Piece], n_tracks: int, max_gap: float, weight: Weight) -> Any:
    """A flow of `n_tracks` from source to sink; each piece, by its index, takes one and gives one."""
    graph = nx.DiGraph()
    graph.add_node(_SOURCE, demand=-n_tracks)
    graph.add_node(_SINK, demand=n_tracks)
    numbers = range(len(pieces))
    graph.add_nodes_from(map(_in, numbers), demand=1)
    graph.add_nodes_from(map(_out, numbers), demand=-1)
    graph.add_edges_from(((_in(number), _out(number)) for number in numbers), capacity=1)
    graph.add_edges_from(((_SOURCE, _in(number)) for number in numbers), capacity=1)
    graph.add_edges_from(((_out(number), _SINK) for number in numbers), capacity=1)
    for number, piece in enumerate(pieces):
        for later in range(number + 1, len(pieces)):
            gap = pieces[later].start - piece.end
            if gap > max_gap:
                break
            if gap > 0:
                cost = _cost(weight(piece, pieces[later]))
                graph.add_edge(_out(number), _in(later), weight=cost, capacity=1)
    return graph


def _cost(weight: float) -> int:
    """A whole number, as the algorithm wants it."""
    if not np.isfinite(weight):
        raise DataError(f"a join of two tracklets weighs {weight}", fix="another weight")
    return int(100 * weight)


def _in(number: int) -> int:
    return _FIRST + 2 * number


def _out(number: int) -> int:
    return _FIRST + 2 * number + 1


def _number(node: int) -> int:
    return (node - _FIRST) // 2


def _cheapest(graph: Any) -> list[list[int]]:
    _, flow = nx.capacity_scaling(graph)
    starts = [_number(node) for node, amount in flow[_SOURCE].items() if amount]
    return [_path(flow, start) for start in starts]


def _path(flow: dict[int, dict[int, int]], number: int) -> list[int]:
    """The pieces on the way from this one on; the flow that is used up is taken out of it."""
    path = [number]
    while True:
        onward = flow[_out(path[-1])]
        node = next(node for node, amount in onward.items() if amount)
        if node == _SINK:
            return path
        onward[node] -= 1
        path.append(_number(node))


def _disjoint(
    graph: Any, pieces: list[Piece], residuals: list[Piece], n_tracks: int, weight: Weight
) -> list[list[int]]:
    """Ways from the first pieces to the last; what is left is one track more, or several, or lost."""
    ends = np.argsort([piece.end for piece in pieces], kind="stable")[-n_tracks:].tolist()
    numbers = range(len(pieces))
    graph.remove_edges_from([(_SOURCE, _in(number)) for number in numbers[n_tracks:]])
    graph.remove_edges_from([(_out(number), _SINK) for number in numbers if number not in ends])
    paths = [sorted({_number(node) for node in way if node >= _FIRST}) for way in _ways(graph, n_tracks)]
    used = {number for path in paths for number in path}
    left = [number for number in numbers if number not in used]
    missing = n_tracks - len(paths)
    if missing == 1:
        paths.append(_without_overlaps(left, pieces, residuals))
    elif missing > 1 and left:
        others = [pieces[number] for number in left]
        for path in _cheapest(_graph(others, missing, np.inf, weight)):
            paths.append([left[number] for number in path])
    return paths


def _ways(graph: Any, n: int) -> list[list[int]]:
    """Up to `n` ways from source to sink that share no node, nodes and edges in the peer's order."""
    nodes = list(graph)  # each is a pair in the graph whose edges are nodes of this one
    paired = nx.convert_node_labels_to_integers(build_auxiliary_node_connectivity(graph))
    ends = 2 * nodes.index(_SOURCE) + 1, 2 * nodes.index(_SINK)
    ways = nx.edge_disjoint_paths(paired, *ends, flow_func=preflow_push, auxiliary=paired, cutoff=n)
    return [[nodes[place // 2] for place in way] for way in ways]


def _without_overlaps(left: list[int], pieces: list[Piece], residuals: list[Piece]) -> list[int]:
    """What is left as one track; of two that overlap, the one with which the track moves more evenly."""
    kept = dict.fromkeys(left)
    for pair in combinations(left, 2):
        if not pieces[pair[0]].overlaps(pieces[pair[1]]):
            continue
        for number in pair:
            kept.pop(number, None)
        rough, smooth = sorted(pair, key=lambda number: _unevenness(pieces, [*kept, number]), reverse=True)
        kept[smooth] = None
        residuals.append(pieces[rough])
    return list(kept)


def _unevenness(pieces: list[Piece], numbers: list[int]) -> float:
    steps = np.diff(join([pieces[number] for number in numbers]).centroid, axis=0)
    return float(steps.std() / np.abs(steps).mean())
