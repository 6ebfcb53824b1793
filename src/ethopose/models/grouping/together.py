"""What stands beside animals: their names, and keypoints that belong to none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ethopose.core import SpecError
from ethopose.core.assignment import assignment
from ethopose.models.grouping.assembly import Assembly
from ethopose.models.grouping.centres import ByCentre
from ethopose.models.grouping.instances import Arrays, Context, Grouping, Instances, make_instances
from ethopose.models.grouping.simple import OneEach
from ethopose.models.spec import Part

INNER = {"one_each": OneEach, "assembly": Assembly, "by_centre": ByCentre}


class Together:
    """The animals that another grouping makes (`animals`: its name and options), named, and a row more.

    With `individuals` as many are told apart: by Hungarian on the mean over keypoints of confidence times
    probability, in which those that are not there take part; an individual's score is the mean probability
    that its confidences weigh. With `unique` keypoints, those that belong to no animal are a row of their
    own, the first of their picture: rows have all keypoints of animals, then the unique ones. Source:
    DeepLabCut 3.0.1, assign_identity.
    """

    def __init__(self, *, animals: Mapping[str, Any], individuals: int = 0, unique: int = 0) -> None:
        if animals["name"] not in INNER:
            raise SpecError(f"no grouping is named {animals['name']!r}", fix=f"choose {', '.join(INNER)}")
        self.animals: Grouping = INNER[animals["name"]](**animals.get("options", {}))
        self.individuals, self.unique = individuals, unique
        more = ("probability", "nowhere") if individuals else ()
        self.reads = (*self.animals.reads, *more, *(("unique_xy", "unique_value") if unique else ()))

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch, with their names, and the rows of unique keypoints."""
        instances = self.animals(found, context)
        if self.individuals:
            instances = self._named(instances, found)
        return self._with_unique(instances, found, context) if self.unique else instances

    def _named(self, instances: Instances, found: Arrays) -> Instances:
        individual = np.full(len(instances.frame), -1, np.int16)
        certainty = np.full(len(instances.frame), np.nan, np.float32)
        likeness = np.zeros((*instances.confidence.shape, self.individuals), np.float32)
        for picture in np.unique(instances.picture):
            rows = np.flatnonzero(instances.picture == picture)[: self.individuals]
            likely = _probability(instances.xy[rows], found["xy"][picture], found["probability"][picture])
            confidence = np.nan_to_num(instances.confidence[rows]).astype(np.float64)
            gain = np.tile(-found["nowhere"][picture].astype(np.float64), (self.individuals, 1))
            gain[: len(rows)] = (confidence[..., None] * likely).mean(1)
            column = assignment(np.nan_to_num(gain), maximize=True)[1][: len(rows)]
            individual[rows], likeness[rows] = column, likely
            mass = np.maximum(confidence.mean(1), np.finfo(np.float32).tiny)
            certainty[rows] = gain[np.arange(len(rows)), column] / mass
        named = replace(instances, individual=individual, identity_score=certainty, likeness=likeness)
        return named[np.lexsort((individual, instances.picture))]

    def _with_unique(self, instances: Instances, found: Arrays, context: Context) -> Instances:
        batch, keypoints = len(found["unique_xy"]), instances.xy.shape[1]
        value = found["unique_value"][..., 0]
        there = value > context.threshold
        place = np.where(there[..., None], found["unique_xy"][:, :, 0], np.nan)
        rows = make_instances(
            context,
            np.arange(batch),
            np.pad(place, ((0, 0), (keypoints, 0), (0, 0)), constant_values=np.nan),
            np.pad(np.where(there, value, 0), ((0, 0), (keypoints, 0))),
            np.where(there, value, 0).mean(1),
        )
        wide = replace(
            instances,
            xy=np.pad(instances.xy, ((0, 0), (0, self.unique), (0, 0)), constant_values=np.nan),
            confidence=np.pad(instances.confidence, ((0, 0), (0, self.unique))),
        )
        both = replace(rows, likeness=np.zeros((len(rows.frame), *wide.likeness.shape[1:]), np.float32))
        both = both.joined(wide)
        return both[np.argsort(both.picture, kind="stable")]


def places(grouping: Part) -> int:
    """How many animals a picture has at most, by the options of a grouping; 1 where they do not tell."""
    most = grouping.options.get("animals")
    while isinstance(most, Mapping):
        most = most.get("options", {}).get("animals")
    return most if isinstance(most, int) else 1


def _probability(xy: np.ndarray, peak: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """(animal, keypoint, class), of the peaks (keypoint, peak, 2) where the animals' keypoints are."""
    same = (xy[:, :, None] == peak).all(-1)
    times = np.maximum(same.sum(2), 1)[..., None]
    read: np.ndarray = (np.nan_to_num(probability) * same[..., None]).sum(2, dtype=np.float64) / times
    return read
