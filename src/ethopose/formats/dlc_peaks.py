"""What animals are made of, as DeepLabCut's `_full` pickles hold it: every peak, and the costs of lines.

A result that keeps its detections has them in columns of lists: `peaks.KEYPOINT.x`, `.y` (px), `.confidence`
and `.INDIVIDUAL`, and `lines.SOURCE.DESTINATION.score` and `.length` of the lines from each peak of a
keypoint to each of another, row by row; along which edges, its settings say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ethopose.core import DataError
from ethopose.formats.careful_pickle import mapping, numbers
from ethopose.formats.format import reading
from ethopose.store import Part, Result, line_column, peak_column

Edges = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Peaks:
    """The peaks of a frame, keypoint by keypoint, and what is told of the lines between them."""

    xy: Sequence[Float32[np.ndarray, "peak 2"]]  # px
    confidence: Sequence[Float32[np.ndarray, "peak"]]
    score: Mapping[int, Float32[np.ndarray, "source destination"]]  # by the number of the edge
    length: Mapping[int, Float32[np.ndarray, "source destination"]]  # cells of the map


def edges_of(result: Result) -> Edges | None:
    """The edges that a result keeps lines along; None where it keeps no detections."""
    told = result.manifest.settings.get("detections")
    edges = told.get("edges") if isinstance(told, dict) else None
    if not isinstance(edges, list):
        return None
    ends = np.array(edges, np.int64).reshape(-1, 2).tolist()
    return [(source, destination) for source, destination in ends]


def graph_of(facts: Mapping[str, Any], edges: Edges) -> tuple[Edges, list[int]]:
    """All edges that the model knows, and the numbers among them of those that it uses."""
    predictor = _within(facts, "config", "model", "heads", "bodypart", "predictor")
    graph = [(int(a), int(b)) for a, b in predictor.get("graph") or ()]
    kept = [int(number) for number in predictor.get("edges_to_keep") or range(len(graph))]
    if [graph[number] for number in kept if 0 <= number < len(graph)] != edges:
        return edges, list(range(len(edges)))
    return graph, kept


def _within(data: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def detections(
    result: Result,
    part: Part,
    names: tuple[Sequence[str], Sequence[str]],
    kept: Sequence[int],
    corner: np.ndarray,
) -> list[dict[str, Any]]:
    """Each frame of a part as the pickle holds it. `names` are keypoints and individuals, `kept` the numbers
    of the edges, `corner` the place that pixels are counted from."""
    keypoints, individuals = names
    lists = {name: each.split() for name, each in result.lists(part).items()}
    edges = edges_of(result) or []
    told = []
    for index in range(len(part.frames)):
        row = {name: each[index] for name, each in lists.items()}
        xy = [np.stack([row[peak_column(name, axis)] for axis in "xy"], 1) - corner for name in keypoints]
        costs = {}
        for number, (source, destination) in zip(kept, edges, strict=True):
            shape = len(xy[source]), len(xy[destination])
            ends = keypoints[source], keypoints[destination]
            score = row[line_column(*ends, "score")].reshape(shape)
            length = row.get(line_column(*ends, "length"))
            distance = np.full(shape, np.nan, np.float32) if length is None else length.reshape(shape)
            if score.size:
                costs[number] = {"m1": score.copy(), "distance": distance.copy()}
        frame: dict[str, Any] = {
            "coordinates": (xy,),
            "confidence": [row[peak_column(name, "confidence")][:, None].copy() for name in keypoints],
            "costs": costs,
        }
        if individuals and peak_column(keypoints[0], individuals[0]) in row:
            likely = [[row[peak_column(name, each)] for each in individuals] for name in keypoints]
            frame["identity"] = [np.stack(each, 1).astype(np.float64) for each in likely]
        told.append(frame)
    return told


def read_peaks(path: Path) -> tuple[tuple[str, ...], dict[int, Peaks]]:
    """The detections of a `_full` pickle of DeepLabCut 2, or of one that holds costs: names of keypoints, and
    by frame its peaks; of a line that was not told there is none.

    Raises:
        FormatError: it is no such file, or holds animals that are put together.
    """
    with reading(path, "dlc-full"):
        content = path.read_bytes()
        data = mapping(content, "metadata")
        names = tuple(map(str, data["metadata"]["all_joints_names"]))
        frames = {int(key.removeprefix("frame")): data[key] for key in data if key != "metadata"}
        if any(frame["costs"] is None for frame in frames.values() if frame):
            raise DataError("it holds animals that are put together, and nothing of what they are made of")
        return names, {number: _peaks(frame, content) for number, frame in sorted(frames.items()) if frame}


def _peaks(frame: Mapping[str, Any], content: bytes) -> Peaks:
    costs = frame["costs"]
    score, length = (
        dict(zip(map(int, costs), numbers([each[name] for each in costs.values()], 2, content), strict=True))
        for name in ("m1", "distance")
    )
    xy = numbers([np.reshape(each, (-1, 2)) for each in frame["coordinates"][0]], 2, content)
    confidence = numbers([np.ravel(each) for each in frame["confidence"]], 1, content)
    if [len(each) for each in xy] != [len(each) for each in confidence]:
        raise DataError("a frame has more places than confidences")
    return Peaks(xy, confidence, score, length)
