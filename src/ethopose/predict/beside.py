"""What is kept beside poses: boxes that animals were read in, individuals that keypoints look like, and if
asked for, all that animals were made of: every peak, and how well each line between two agrees with a field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from pydantic import JsonValue

from ethopose.core import UsageError
from ethopose.models.grouping import Arrays, Grouping, Instances
from ethopose.models.spec import ModelSpec, Stage
from ethopose.predict.following import Seen
from ethopose.store import BOX, NOWHERE, Lists, line_column, lists_of, peak_column, plain_columns

LINKED = {"xy", "value", "line_score"}  # what is found where animals are made of peaks and lines


@dataclass(frozen=True, slots=True)
class Beside:
    """What a model's results hold besides poses."""

    columns: Mapping[str, str]  # names and units of columns of poses
    lists: Mapping[str, str]  # names and units of columns of lists
    edges: tuple[tuple[int, int], ...] | None  # that lines are told along; None: peaks are not kept
    keypoints: tuple[str, ...]  # of animals
    individuals: tuple[str, ...]  # that keypoints are told to look like

    @property
    def settings(self) -> dict[str, JsonValue]:
        """What a result's settings say of it."""
        edges: list[JsonValue] = [list(edge) for edge in self.edges or ()]
        return {} if self.edges is None else {"detections": {"edges": edges}}

    def of(
        self,
        seen: Seen,
        there: Bool[np.ndarray, "instance"],
        least: float,
        status: UInt8[np.ndarray, "frame"],
    ) -> dict[str, np.ndarray | Lists]:
        """Columns of the animals that are `there`, and lists of the frames in which they were seen, whose
        `status` is 0 where they could be read. Nothing is told of peaks that are not above `least`."""
        return {**self._columns(seen, there), **self._lists(seen.found, least, status)}

    def _columns(self, seen: Seen, there: Bool[np.ndarray, "instance"]) -> dict[str, np.ndarray]:
        if self.columns is BOX and seen.around is not None:
            return _boxes(seen.around[there])
        if not self.columns:
            return {}
        likeness = seen.instances.likeness[there].reshape(int(there.sum()), len(self.columns)).T
        return dict(zip(self.columns, likeness.astype(np.float32), strict=True))

    def _lists(self, found: Arrays, least: float, status: UInt8[np.ndarray, "frame"]) -> dict[str, Lists]:
        if not found:
            return {name: lists_of([np.empty(0, np.float32)] * len(status)) for name in self.lists}
        told: dict[str, Lists] = {}
        if NOWHERE in self.lists:
            told[NOWHERE] = lists_of(list(found[NOWHERE]))
        if self.edges is None:
            return told
        xy, there = found["xy"], (found["value"] > least) & (status == 0)[:, None, None]
        for number, name in enumerate(self.keypoints):
            values = {
                "x": xy[:, number, :, 0],
                "y": xy[:, number, :, 1],
                "confidence": found["value"][:, number],
            }
            if self.individuals:
                probability = np.moveaxis(found["probability"][:, number], -1, 0)
                values |= dict(zip(self.individuals, probability, strict=True))
            for what, value in values.items():
                told[peak_column(name, what)] = lists_of(
                    [v[t] for v, t in zip(value, there[:, number], strict=True)]
                )
        for number, (source, destination) in enumerate(self.edges):
            both = [np.ix_(*pair) for pair in zip(there[:, source], there[:, destination], strict=True)]
            for name, array in zip(
                _line(self.keypoints, source, destination), ("line_score", "line_length"), strict=True
            ):
                if name in self.lists:
                    told[name] = lists_of(
                        [a[pair] for a, pair in zip(found[array][:, number], both, strict=True)]
                    )
        return told


def with_all(stage: Stage) -> Stage:
    """The stage, told to find every peak, not only those of which animals are made."""
    heads = tuple(
        head.model_copy(update={"options": {**_but(head.options, "peaks_kept"), "every": True}})
        if "every" in head.options
        else head
        for head in stage.network.heads
    )
    return stage.model_copy(update={"network": stage.network.model_copy(update={"heads": heads})})


def _but(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != name}


def beside(spec: ModelSpec, stages: Sequence[Stage], grouping: Grouping, *, detections: bool) -> Beside:
    """What is kept of a model whose last stage is grouped so.

    Raises:
        UsageError: `detections` are asked for, and its animals are not made of peaks.
    """
    skeleton = spec.skeleton
    keypoints = tuple(name for name in skeleton.keypoints if name not in skeleton.unique)
    named = skeleton.individuals if NOWHERE in grouping.reads else ()
    columns = {f"{keypoint}.{name}": "1" for keypoint in keypoints for name in named}
    if columns.keys() & plain_columns(skeleton).keys():
        columns = {}  # an individual is called x, say: the keypoint's own columns come first
    last = stages[-1].preparation
    boxed = last.boxed is not None or last.conditions is not None
    if (len(stages) == 2 or last.conditions is not None) and boxed and "box" not in keypoints:
        columns = BOX
    lists = {NOWHERE: "1"} if named else {}
    edges = _edges(spec, stages, grouping) if detections else None
    for name in keypoints if detections else ():
        units = {"x": "px", "y": "px", "confidence": "1", **dict.fromkeys(named, "1")}
        lists |= {peak_column(name, what): unit for what, unit in units.items()}
    measured = any(head.options.get("every") for head in stages[-1].network.heads)
    for edge in edges or ():
        score, length = _line(keypoints, *edge)
        lists |= {score: "1"} | ({length: "cells"} if measured else {})
    return Beside(columns, lists, edges, keypoints, named)


def _edges(spec: ModelSpec, stages: Sequence[Stage], grouping: Grouping) -> tuple[tuple[int, int], ...]:
    if len(stages) > 1 or not set(grouping.reads) >= LINKED:
        raise UsageError(
            f"a {spec.kind} model puts no animals together from peaks: it has no detections to keep",
            where=spec.name,
            fix="leave --detections out",
        )
    options = stages[-1].grouping.options
    options = options["animals"]["options"] if "animals" in options and "edges" not in options else options
    return tuple((int(source), int(destination)) for source, destination in options["edges"])


def _line(keypoints: Sequence[str], source: int, destination: int) -> tuple[str, str]:
    ends = keypoints[source], keypoints[destination]
    return line_column(*ends, "score"), line_column(*ends, "length")


def _boxes(found: Instances) -> dict[str, np.ndarray]:
    """The columns of `BOX`: left, top and size, px of the frame, and score."""
    sides = *found.xy[:, 0].T, *(found.xy[:, 1] - found.xy[:, 0]).T
    return dict(zip(BOX, (*sides, found.score), strict=True))
