"""Short tracklets: joined among themselves before, added to tracks after.

Source: DeepLabCut 3.0.1, `stitch.py`.
"""

from __future__ import annotations

import numpy as np

from ethopose.track.deeplabcut.pieces import Piece, join, overlap

_SOON = 5  # frames: shorter waits are bridged
_CLOSE = 3  # frames: the distance across a wait that is no longer is enough


def prestitch(residuals: list[Piece]) -> list[Piece]:
    """Join those that follow each other soon, along the way that overlaps least.

    The peer takes them in the order of their starts, and those of the same numbers in the order given away.
    """
    import networkx as nx  # takes long to load

    ordered = sorted(residuals, key=lambda piece: piece.start)
    graph = nx.DiGraph()
    for index, one in enumerate(ordered):
        for later in range(index + 1, len(ordered)):
            wait = ordered[later].start - one.end
            if wait >= _SOON:
                break
            if wait > 0:
                graph.add_edge(index, later, weight=overlap(one, ordered[later]))
    ways = [
        nx.dag_longest_path(graph.subgraph(group)) for group in nx.connected_components(graph.to_undirected())
    ]
    used = {index for way in ways for index in way}
    left = [piece for index, piece in enumerate(residuals) if index not in used]
    return left + [join([ordered[index] for index in way]) for way in ways]


def add_residuals(tracks: list[Piece], residuals: list[Piece]) -> None:
    """Add to tracks, in place: first what fits into one only, then what is near at both ends."""
    waiting = [piece for piece in sorted(residuals, key=len) if len(piece) > 1]
    tries, limit = 0, len(waiting)
    while tries < limit and waiting:
        for piece in waiting[::-1]:
            fits = _fits(piece, tracks)
            if len(fits) > 1:
                tries += 1
                continue
            if fits:
                tracks[fits[0]] = join([tracks[fits[0]], piece])
                tries = 0
            waiting.remove(piece)
    for piece in waiting[::-1]:
        number = _nearest(piece, tracks)
        if number is not None:
            tracks[number] = join([tracks[number], piece])


def _nearest(piece: Piece, tracks: list[Piece]) -> int | None:
    """The track whose ends are nearest.

    Where there are several, the peer takes its place among those that the piece fits into for its number, so
    that pieces come to lie in tracks that are in these frames already.
    """
    fits = _fits(piece, tracks)
    ways = {place: _way(piece, tracks[number]) for place, number in enumerate(fits)}
    open_ = [place for place, way in ways.items() if way < np.inf]
    if len(open_) == 1:
        return fits[open_[0]]
    return min(open_, key=lambda place: ways[place], default=None)


def _fits(piece: Piece, tracks: list[Piece]) -> list[int]:
    return [number for number, track in enumerate(tracks) if not track.overlaps(piece)]


def _way(piece: Piece, track: Piece) -> float:
    """How far a piece lies from the track's ends around it, px; infinite where it has no such ends."""
    after = int(np.searchsorted(track.frame, piece.end))
    if not 0 < after < len(track) or track.frame[after - 1] >= piece.start:
        return np.inf
    before_way = float(np.linalg.norm(track.centroid[after - 1] - piece.centroid[0]))
    after_way = float(np.linalg.norm(track.centroid[after] - piece.centroid[-1]))
    if piece.start - track.frame[after - 1] <= _CLOSE:
        return before_way
    return after_way if track.frame[after] - piece.end <= _CLOSE else before_way + after_way
