"""DeepLabCut's trackers, frame by frame: predict, assign, update, begin, end.

Source: DeepLabCut 3.0.1, `core/trackingutils.py` (`SORTEllipse`, `SORTBox`, `SORTSkeleton`), weak points and
all: frames without animals are not told to them, an animal that has no ellipse shifts those after it, the
skeleton tracker goes on by two frames at each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import numpy as np
from jaxtyping import Float64

from ethopose.core.assignment import assignment
from ethopose.track.deeplabcut.kalman import Kalman, motion
from ethopose.track.deeplabcut.outlines import Outline

NOBODY = -1
Pose = Float64[np.ndarray, "keypoint 2"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where an animal that is followed was in a frame."""

    number: int  # of the animal, counted from 0
    animal: int  # of the frame; NOBODY: not seen
    pose: Pose | None = None  # px: where it is believed to be, if nobody saw it


class Tracker(Protocol):
    """Follows animals through the frames that have any."""

    def track(self, xy: Float64[np.ndarray, "animal keypoint 2"]) -> list[Sighting]:
        """Who is who in the next frame, those that are followed last first."""
        ...


@dataclass(slots=True)
class _Followed:
    number: int
    filter: Kalman
    unseen: int = 0  # steps since it was updated
    streak: int = 0  # updates without a break

    def step(self) -> None:
        if self.unseen > 0:
            self.streak = 0
        self.unseen += 1

    def update(self) -> None:
        self.unseen = 0
        self.streak += 1


def _reversed(animals: list[_Followed], seen: list[int]) -> Iterator[tuple[_Followed, int]]:
    return zip(reversed(animals), reversed(seen), strict=True)


class OutlineTracker:
    """Follows ellipses or boxes that are alike from frame to frame."""

    def __init__(self, outline: Outline, *, max_age: int, min_hits: int, threshold: float) -> None:
        self._outline, self._threshold = outline, threshold
        self._max_age, self._min_hits = max_age, min_hits
        self._numbers, self._frames = count(), 0
        self._animals: list[_Followed] = []

    def track(self, xy: Float64[np.ndarray, "animal keypoint 2"]) -> list[Sighting]:
        """Who is who in the next frame."""
        self._frames += 1
        found = self._outline.describe(xy)
        seen, new = self._assign(found, self._predict())
        for animal, index in zip(self._animals, seen, strict=True):
            if index != NOBODY:
                animal.filter.update(self._outline.measure(found[index]))
                animal.update()
        for index in new:
            self._animals.append(self._begin(found[index]))
            seen.append(index)
        early = self._frames <= self._min_hits
        told = [
            Sighting(animal.number, index)
            for animal, index in _reversed(self._animals, seen)
            if animal.unseen == 0 and (early or animal.streak >= self._min_hits)
        ]
        self._animals = [animal for animal in self._animals if animal.unseen <= self._max_age]
        return told

    def _begin(self, outline: Float64[np.ndarray, "number"]) -> _Followed:
        return _Followed(next(self._numbers), Kalman(self._outline.motion, self._outline.measure(outline)))

    def _predict(self) -> Float64[np.ndarray, "followed number"]:
        """Outlines of the animals that are followed on; those that are NaN are given up."""
        predicted = []
        for animal in self._animals:
            predicted.append(self._outline.predict(animal.filter))
            animal.step()
        kept = [not np.isnan(outline).any() for outline in predicted]
        self._animals = [animal for animal, keep in zip(self._animals, kept, strict=True) if keep]
        return np.array([outline for outline, keep in zip(predicted, kept, strict=True) if keep])

    def _assign(
        self, found: Float64[np.ndarray, "found number"], followed: Float64[np.ndarray, "followed number"]
    ) -> tuple[list[int], list[int]]:
        """Which of those found each one followed is, and which of them are new."""
        if not len(followed):
            return [], list(range(len(found)))
        similarity = self._outline.similarity(found, followed)
        seen, new = _assigned(similarity)
        doubtful = [(row, column) for column, row in enumerate(seen) if row != NOBODY]
        for row, column in sorted(doubtful):
            if similarity[row, column] < self._threshold:
                seen[column] = NOBODY
                new.append(row)
        return seen, new


class SkeletonTracker:
    """Follows keypoints, each with a velocity; whoever is nearest is taken, however far."""

    def __init__(self, n_keypoints: int, *, max_age: int, as_in_2: bool = False) -> None:
        n = 2 * n_keypoints
        self._motion = motion(n, n, covariance=(1.0, 1000.0), process=10.0)
        self._max_age, self._as_in_2, self._numbers = max_age, as_in_2, count()
        self._animals: list[_Followed] = []

    def track(self, xy: Float64[np.ndarray, "animal keypoint 2"]) -> list[Sighting]:
        """Who is who in the next frame."""
        if not self._animals:
            self._animals = [self._begin(pose) for pose in xy]
        seen, new = _assigned(-_distance(xy, np.array([self._predict(animal) for animal in self._animals])))
        for animal, index in zip(self._animals, seen, strict=True):
            if index != NOBODY:
                flat = xy[index].ravel()
                if np.isfinite(flat).all():
                    animal.filter.update(flat)
                    animal.update()
                else:  # the peer counts an animal with a missing keypoint as not seen
                    animal.filter.update(flat, np.isfinite(flat))
        for index in new:
            self._animals.append(self._begin(xy[index]))
            seen.append(index)
        told = [
            Sighting(animal.number, index, self._predict(animal).copy())
            for animal, index in _reversed(self._animals, seen)
            if animal.unseen <= self._max_age
        ]
        kept = {sighting.number for sighting in told}
        if self._as_in_2:  # DeepLabCut 2 ends as many as were lost, and always the last
            self._animals = self._animals[: len(kept)]
        else:
            self._animals = [animal for animal in self._animals if animal.number in kept]
        return told

    def _begin(self, pose: Pose) -> _Followed:
        centre = np.nanmean(pose, axis=0)
        filled = np.where(np.isnan(pose).all(axis=1, keepdims=True), centre, pose)
        return _Followed(next(self._numbers), Kalman(self._motion, filled.ravel()))

    def _predict(self, animal: _Followed) -> Pose:
        animal.filter.predict()
        animal.step()
        return animal.filter.measured.reshape(-1, 2)


def _distance(
    found: Float64[np.ndarray, "found keypoint 2"], followed: Float64[np.ndarray, "followed keypoint 2"]
) -> Float64[np.ndarray, "found followed"]:
    """How far the keypoint with the farthest way is from the nearest keypoint of each one followed, in px."""
    apart = found[:, None, :, None] - followed[None, :, None]
    squared = apart[..., 0] ** 2 + apart[..., 1] ** 2
    nearest = np.where(np.isnan(squared), np.inf, squared).min(axis=3)
    return np.asarray(np.sqrt(np.where(np.isinf(nearest), 0.0, nearest).max(axis=2)))


def _assigned(similarity: Float64[np.ndarray, "found followed"]) -> tuple[list[int], list[int]]:
    """Which of those found each one followed is, and who of them is left."""
    n_found, n_followed = similarity.shape
    rows, columns = assignment(similarity, maximize=True)
    seen = np.full(n_followed, NOBODY)
    seen[columns] = rows
    return seen.tolist(), sorted(set(range(n_found)) - set(rows.tolist()))
