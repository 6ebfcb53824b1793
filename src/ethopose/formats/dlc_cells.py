"""Poses as DeepLabCut's files hold them: a cell for every frame, individual and keypoint, found or not.

A result has a row for each animal that was found; DeepLabCut has a place for each that there may be. Which
place a row takes: that of its track in a tracked result, that of its individual where identity is part of the
model, else the first free one. Unique keypoints are a row of their own in a result. A keypoint that was not
found is NaN in all three numbers.

In columns beyond those of every result, a result may hold `box.x`, `box.y`, `box.width`, `box.height` (px)
and `box.score` of the detection that a row was read in, and `KEYPOINT.INDIVIDUAL`, how much a keypoint looks
like each of the individuals; and in a column of lists, `nowhere`, what is told of those who are not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float32, Int64

from ethopose.core import DataError, Poses, Skeleton
from ethopose.formats.format import PoseFile
from ethopose.store import BOX, NOWHERE, Lists, Part, Result

ABSENT = -1.0  # what DeepLabCut writes for x, y and likelihood of animals that are not there
UNIQUE = "single"  # the individual under which DeepLabCut files keypoints that belong to no animal
FACTS = "deeplabcut"  # the key of a result's provenance under which its family leaves what a project says


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns the files of a result have."""

    scorer: str
    skeleton: Skeleton
    individuals: tuple[str, ...]
    several: bool  # whether individuals are named at all; not in projects of one animal
    tracked: bool
    n_known: int  # of the individuals that rows tell their track or identity by
    corner: tuple[float, float] = (0.0, 0.0)  # px: where the centre of DeepLabCut's first pixel lies
    absent: float = ABSENT  # what stands where nobody is

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Those of animals."""
        names = self.skeleton.keypoints
        return tuple(names[index] for index in np.flatnonzero(~is_unique(self.skeleton)))

    @property
    def unique(self) -> tuple[str, ...]:
        """Those that belong to no animal."""
        return tuple(self.skeleton.keypoints[index] for index in np.flatnonzero(is_unique(self.skeleton)))

    @property
    def columns(self) -> list[tuple[str, ...]]:
        """Names of the columns of a table, level by level."""
        animals = [(name, keypoint) for name in self.individuals for keypoint in self.keypoints]
        places = [*animals, *((UNIQUE, keypoint) for keypoint in self.unique)]
        levels = [place if self.several else place[1:] for place in places]
        return [(self.scorer, *level, axis) for level in levels for axis in ("x", "y", "likelihood")]

    @property
    def levels(self) -> tuple[str, ...]:
        """What the levels of the columns are called."""
        return ("scorer", *(("individuals",) if self.several else ()), "bodyparts", "coords")


@dataclass(frozen=True, slots=True)
class Cells:
    """What a part's frames hold. Everywhere x, y (px) and confidence; `ABSENT` where nobody is."""

    frame: Int64[np.ndarray, "frame"]
    animals: Float32[np.ndarray, "frame individual keypoint 3"]
    unique: Float32[np.ndarray, "frame unique 3"]
    boxes: Float32[np.ndarray, "frame individual 5"] | None  # left, top, width, height (px), score
    identity: Float32[np.ndarray, "frame individual keypoint individual"] | None

    @property
    def table(self) -> Float32[np.ndarray, "frame column"]:
        """The same as rows of a table."""
        n = len(self.frame)
        return np.concatenate([self.animals.reshape(n, -1), self.unique.reshape(n, -1)], axis=1)


_UNNAMED: WeakKeyDictionary[Result, int] = WeakKeyDictionary()  # several files are of one result


def layout_of(result: Result, *, tracks: bool = False) -> Layout:
    """The columns for a result, which is read through once to count its animals; of `tracks`, where nobody is
    in one of these, NaN."""
    manifest, facts = result.manifest, facts_of(result)
    known = result.tracks or result.skeleton.individuals
    given = () if known else tuple(map(str, facts.get("individuals") or ()))
    if result not in _UNNAMED:
        _UNNAMED[result] = max(
            (_unnamed(part, bool(result.tracks), len(known)) for part in result), default=0
        )
    most = _UNNAMED[result]
    names = (*known, *given)
    others = (name for name in map("individual{}".format, count(1)) if name not in names)
    wanted = len(known) + max(len(given), most)
    individuals = (*names, *islice(others, max(wanted, 1) - len(names)))
    return Layout(
        scorer=manifest.model.name,
        skeleton=result.skeleton,
        individuals=individuals,
        several=len(individuals) > 1 or bool(facts.get("multi_animal") or known or result.skeleton.unique),
        tracked=bool(result.tracks),
        n_known=len(known),
        corner=corner_of(result),
        absent=np.nan if tracks and result.tracks else ABSENT,
    )


def facts_of(result: Result) -> Mapping[str, Any]:
    """What the project of a DeepLabCut model says; nothing for other models."""
    facts = result.manifest.provenance.get(FACTS)
    return facts if isinstance(facts, dict) else {}


def corner_of(result: Result) -> tuple[float, float]:
    """Where the centre of DeepLabCut's first pixel lies, px."""
    left, _, top, _ = cropping_of(result) or (0, 0, 0, 0)
    return left + result.manifest.pixel_origin, top + result.manifest.pixel_origin


def cropping_of(result: Result) -> tuple[int, int, int, int] | None:
    """The part of the frame that was looked at, as DeepLabCut counts it: x from, to, y from, to."""
    told = result.manifest.settings.get("cropping")
    if not isinstance(told, list | tuple) or len(told) != 4:
        return None
    left, right, top, bottom = (int(str(value)) for value in told)
    return left, right, top, bottom


def cells(result: Result, layout: Layout) -> Iterator[Cells]:
    """The cells of a result, part by part."""
    for part in result:
        yield cells_of(part, layout, result.lists(part, {NOWHERE}).get(NOWHERE))


def cells_of(part: Part, layout: Layout, nowhere: Lists | None = None) -> Cells:
    """The cells of a part. `nowhere` holds how likely each individual is where nobody is."""
    keep, frames = is_animal(part.poses), part.frames.frame
    poses, unique = part.poses[keep], is_unique(layout.skeleton)
    row = np.searchsorted(frames, poses.frame)
    place = _places(poses, layout)
    n = len(layout.individuals)
    shape = (len(frames), n, len(layout.keypoints), 3)
    animals = np.full(shape, layout.absent, np.float32)
    animals[row, place] = _points(poses, layout)[:, ~unique]
    single = np.full((len(frames), int(unique.sum()), 3), layout.absent, np.float32)
    others = part.poses[~keep]
    single[np.searchsorted(frames, others.frame)] = _points(others, layout)[:, unique]

    def placed(names: Sequence[str], absent: float) -> np.ndarray | None:
        """Columns of the rows at the places of the rows."""
        if not names or not set(names) <= set(part.extra):
            return None
        found = np.full((len(frames), n, len(names)), absent, np.float32)
        found[row, place] = np.stack([part.extra[name][keep] for name in names], axis=-1)
        return found

    boxes = placed(tuple(BOX), ABSENT)
    if boxes is not None:
        boxes[row, place, :2] -= np.array(layout.corner, np.float32)
    likeness = [f"{keypoint}.{name}" for keypoint in layout.keypoints for name in layout.individuals]
    identity = placed(likeness, 0.0)
    if identity is None:
        return Cells(frames, animals, single, boxes, None)
    identity = identity.reshape(len(frames), n, len(layout.keypoints), n)
    if nowhere is not None:
        told = nowhere.length == n  # nothing is, of frames that could not be read
        likely = np.zeros((len(frames), n), np.float32)
        likely[told] = nowhere.value[np.repeat(told, nowhere.length)].reshape(-1, n)
        vacant = np.ones((len(frames), n), bool)
        vacant[row, place] = False
        identity[vacant] = likely[np.nonzero(vacant)[0], None]
    return Cells(frames, animals, single, boxes, identity)


def _points(poses: Poses, layout: Layout) -> Float32[np.ndarray, "instance keypoint 3"]:
    xy = poses.xy - np.array(layout.corner, np.float32)
    confidence = np.where(np.isnan(xy).any(axis=-1), np.nan, poses.confidence)
    return np.asarray(np.concatenate([xy, confidence[..., None]], axis=-1), np.float32)


def is_unique(skeleton: Skeleton) -> Bool[np.ndarray, "keypoint"]:
    """Which keypoints belong to no animal."""
    return np.array([name in skeleton.unique for name in skeleton.keypoints])


def is_animal(poses: Poses) -> Bool[np.ndarray, "instance"]:
    """Rows that hold unique keypoints and no others are none."""
    found, unique = np.isfinite(poses.xy).all(axis=2), is_unique(poses.skeleton)
    return np.asarray(found[:, ~unique].any(axis=1) | ~found[:, unique].any(axis=1))


def _unnamed(part: Part, tracked: bool, n_known: int) -> int:
    """The most rows in a frame that are none of the known individuals."""
    poses = part.poses[is_animal(part.poses)]
    own = _known(poses, tracked, n_known) >= 0
    return int((_rank(poses.frame[~own]) + 1).max(initial=0))


def _places(poses: Poses, layout: Layout) -> Int64[np.ndarray, "instance"]:
    """The individual, as `layout` counts them, whose columns each row takes."""
    place = _known(poses, layout.tracked, layout.n_known)
    other = place < 0
    place[other] = layout.n_known + _rank(poses.frame[other])
    return place


def _known(poses: Poses, tracked: bool, n_known: int) -> Int64[np.ndarray, "instance"]:
    """The track or individual of each row, -1 where it has none, or is not its frame's first with it."""
    which = (poses.track if tracked else poses.individual).astype(np.int64)
    first = np.zeros(len(which), bool)
    first[np.unique(np.stack([poses.frame, which]), axis=1, return_index=True)[1]] = True
    return np.asarray(np.where(first & (which < n_known), which, -1))


def _rank(frame: np.ndarray) -> Int64[np.ndarray, "instance"]:
    """The how-manieth of its frame each row is, from 0; frames are sorted."""
    return np.asarray(np.arange(len(frame)) - np.searchsorted(frame, frame), np.int64)


def pose_file(
    names: tuple[tuple[str, ...], tuple[str, ...]],
    frame: Int64[np.ndarray, "frame"],
    animals: Float32[np.ndarray, "frame individual keypoint 3"],
    unique: Float32[np.ndarray, "frame unique 3"],
    *,
    tracks: tuple[str, ...] = (),
) -> PoseFile:
    """Poses of the individuals that are there, and of unique keypoints a row of their own before them.

    `names` are those of the keypoints and of the unique ones; `tracks` those of the individuals, where they
    are followed through frames. A place is empty where no number is finite, or all are negative. Scores are
    the mean of confidences, by which DeepLabCut ranks animals.
    """
    if np.any(np.diff(frame) <= 0):
        raise DataError("its frames are not in order")
    row, place = np.nonzero(_there(animals))
    first = np.flatnonzero(_there(unique))
    points = np.full((len(first) + len(row), len(names[0]) + len(names[1]), 3), np.nan, np.float32)
    points[: len(first), len(names[0]) :] = unique[first]
    points[len(first) :, : len(names[0])] = animals[row, place]
    track = np.append(np.full(len(first), -1), place if tracks else np.full(len(row), -1))
    at = np.append(first, row)
    order = np.argsort(at, kind="stable")
    told = np.isfinite(points[..., 2])
    score = np.where(told, points[..., 2], 0).sum(axis=1, dtype=np.float64) / np.maximum(told.sum(axis=1), 1)
    poses = Poses(
        Skeleton((*names[0], *names[1]), unique=names[1]),
        frame=frame[at[order]],
        xy=np.ascontiguousarray(points[order][..., :2]),
        confidence=np.ascontiguousarray(points[order][..., 2]),
        score=score[order].astype(np.float32),
        track=track[order].astype(np.int32),
    )
    return PoseFile(poses, frame, tracks)


def _there(points: Float32[np.ndarray, "*place keypoint 3"]) -> Bool[np.ndarray, "*place"]:
    return np.asarray(np.isfinite(points).any(axis=(-1, -2)) & ~(points < 0).all(axis=(-1, -2)))
