"""Bottom-up grouping: peaks are joined along the edges whose part affinity fields agree with them."""

from __future__ import annotations

from collections import deque

import numpy as np

from ethopose.core import SpecError
from ethopose.core.assignment import assignment
from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances, strongest


class Affinity:
    """Joins peaks into animals, edge after edge from the root of the skeleton.

    Each edge's source and destination peaks are matched by Hungarian on their line scores; matches
    below `min_line_score` fall away. An animal's score is the sum of its line scores; peaks without
    an edge are left out. `min_peaks` is the fewest keypoints an animal may have.
    Source: sleap-nn 0.3.5.
    """

    reads: tuple[str, ...] = ("xy", "value", "line_score")

    def __init__(
        self,
        *,
        keypoints: int,
        edges: list[tuple[int, int]],
        min_line_score: float = 0.25,
        min_peaks: int = 0,
    ) -> None:
        self.keypoints, self.edges = keypoints, edges
        self.order = edge_order(edges)
        self.min_line_score, self.min_peaks = min_line_score, min_peaks

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch."""
        from ethopose.models.grouping.joining import assemble  # compiled code takes a second to load

        xy, value, line_score = found["xy"], found["value"], found["line_score"]
        there = value > context.threshold
        parts = []
        for picture in range(len(xy)):
            matches = self._matches(there[picture], line_score[picture])
            owner, score = assemble(matches, self.keypoints, there.shape[-1], self.min_peaks)
            peak = owner[strongest(score, context.limit)]
            parts.append((np.full(len(peak), picture), peak, score[strongest(score, context.limit)]))
        pictures, peaks, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        rows = pictures[:, None], np.arange(self.keypoints), np.maximum(peaks, 0)
        missing = peaks < 0
        place = np.where(missing[..., None], np.nan, xy[rows])
        return make_instances(context, pictures, place, np.where(missing, np.nan, value[rows]), scores)

    def _matches(self, there: np.ndarray, line_score: np.ndarray) -> np.ndarray:
        """Rows of (source keypoint, source peak, destination keypoint, destination peak, score)."""
        matches = []
        for edge in self.order:
            source, destination = self.edges[edge]
            sources, destinations = np.flatnonzero(there[source]), np.flatnonzero(there[destination])
            score = line_score[edge][np.ix_(sources, destinations)]
            # a line without length has no score; far below all others it is matched last, then dropped
            score = np.where(np.isfinite(score), score, -1e6)
            row, column = assignment(-score)
            good = score[row, column] >= self.min_line_score
            row, column = row[good], column[good]
            match = np.empty((len(row), 5))
            match[:, 0], match[:, 1] = source, sources[row]
            match[:, 2], match[:, 3] = destination, destinations[column]
            match[:, 4] = score[row, column]
            matches.append(match)
        return np.concatenate(matches) if matches else np.empty((0, 5))


def edge_order(edges: list[tuple[int, int]]) -> list[int]:
    """Edges as a breadth-first walk meets them from the first root; others are left out.

    The root is the first keypoint, in the order in which edges name them, that no edge leads to
    (sleap-nn 0.3.5, which sorts the graph topologically and starts at the first keypoint).
    """
    destinations = {destination for _, destination in edges}
    roots = [keypoint for edge in edges for keypoint in edge if keypoint not in destinations]
    if not roots:
        raise SpecError("the skeleton's edges run in a circle: no keypoint is their root")
    order, seen, waiting = [], {roots[0]}, deque(roots[:1])
    while waiting:
        keypoint = waiting.popleft()
        for index, (source, destination) in enumerate(edges):
            if source == keypoint and destination not in seen:
                seen.add(destination)
                waiting.append(destination)
                order.append(index)
    return order
