"""The trackers of other tools by name, for those who must reproduce what these gave them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from pydantic import TypeAdapter, ValidationError

from ethopose.core import Poses, UsageError
from ethopose.core.poses import COLUMNS
from ethopose.track import deeplabcut
from ethopose.track.sleap.classic import ClassicTracker
from ethopose.track.sleap.mot.options import TRACKERS, MotOptions, mot_options
from ethopose.track.sleap.mot.tracker import track_video
from ethopose.track.sleap.options import ClassicOptions

OURS = "ethopose"
CLASSIC = {"simple": False, "flow": True}  # of sleap-nn, and whether it looks at the frames
TRACKLETS, STITCH = "tracklets", "stitch"
STEPS = (TRACKLETS, STITCH)
METHODS = (OURS, *deeplabcut.METHODS, *CLASSIC, *TRACKERS)

Options = Mapping[str, str]
Images = Iterator[UInt8[np.ndarray, "height width channel"]]


@dataclass(frozen=True, slots=True)
class Method:
    """A tracker by name, with its options under the names that its tool gives them."""

    name: str = OURS
    options: Options = field(default_factory=dict)
    step: str | None = None  # only this one of `STEPS`

    def __post_init__(self) -> None:
        if self.name not in METHODS:
            raise UsageError(f"no method is named {self.name!r}", fix=f"choose from {', '.join(METHODS)}")
        if self.name == OURS and self.options:
            what = f"the method {OURS} has no option {next(iter(self.options))}"
            raise UsageError(what, fix="it learns from the video; leave it out")
        if self.step is not None and self.name not in (OURS, *deeplabcut.METHODS):
            raise UsageError(f"the method {self.name} has no steps", fix="leave out --step")
        self._check()

    @property
    def looks(self) -> bool:
        """Whether it needs the frames of the video."""
        return CLASSIC.get(self.name, False)

    def _check(self) -> None:
        """Raises UsageError for options that it has not, or values that make no sense."""
        if self.name in deeplabcut.METHODS:
            self._deeplabcut()
        elif self.name in CLASSIC:
            self._classic(None)
        elif self.name != OURS:
            self._mot(None)

    def __call__(
        self, poses: Poses, looked: Int64[np.ndarray, "frame"], animals: int | None, images: Images | None
    ) -> Poses:
        """The rows as the tool leaves them, sorted by frame, with their tracks. Rows of unique keypoints are
        no animals: the tool does not see them, and they stay where they are, without a track.
        `looked` are the frames that were predicted; `images` those of the video, in order, where it `looks`.
        """
        alone = _of_no_animal(poses)
        told = self._tracked(poses[~alone], looked, animals, images)
        return _with(told, poses, alone) if alone.any() else told

    def _tracked(
        self, poses: Poses, looked: Int64[np.ndarray, "frame"], animals: int | None, images: Images | None
    ) -> Poses:
        if self.name in deeplabcut.METHODS:
            return self._by_deeplabcut(poses, animals)
        if self.name in CLASSIC:
            return self._by_classic(poses, looked, animals, images)
        columns = poses.frame, poses.xy, poses.confidence, poses.score
        told = track_video(self._mot(animals), *columns, looked=looked)
        return replace(poses, track=told.track, identity_score=told.score)

    def _by_deeplabcut(self, poses: Poses, animals: int | None) -> Poses:
        """Tracklets, stitched, or one of both."""
        following, stitching = self._deeplabcut()
        if self.step != STITCH:
            poses = self._tracklets(poses, following)
        if self.step == TRACKLETS or animals is None or not (poses.track >= 0).any():
            return poses
        columns = poses.frame, poses.xy, poses.confidence, poses.track
        found = deeplabcut.stitch(*columns, n_tracks=animals, options=stitching)
        order = np.argsort(poses.frame[found.row], kind="stable")
        return replace(poses[found.row[order]], track=found.track[order])

    def _tracklets(self, poses: Poses, options: deeplabcut.TrackletOptions) -> Poses:
        """Poses that nobody saw, which `skeleton` makes up, are rows of confidence 1. Unique keypoints are of
        no animal."""
        unique = {k for k, name in enumerate(poses.skeleton.keypoints) if name in poses.skeleton.unique}
        options = replace(options, ignored=tuple(sorted({*options.ignored, *unique})))
        told = deeplabcut.tracklets(
            poses.frame, poses.xy, poses.confidence, method=self.name, options=options
        )
        count, more = len(poses), len(told.invented_frame)
        row = np.concatenate([np.arange(count), np.full(more, -1)])
        frame = np.concatenate([poses.frame, told.invented_frame])
        xy = np.concatenate([told.xy, told.invented_xy]).astype(np.float32)
        sure = np.concatenate([poses.confidence, np.ones((more, xy.shape[1]), np.float32)])
        track = np.concatenate([told.track, told.invented_track])
        order = np.argsort(frame, kind="stable")
        row, frame, xy, sure, track = (each[order] for each in (row, frame, xy, sure, track))
        score = np.append(poses.score, np.float32(1))[row]
        individual = np.append(poses.individual, np.int16(-1))[row]
        return Poses(poses.skeleton, frame, xy, sure, score, track.astype(np.int32), individual)

    def _by_classic(
        self, poses: Poses, looked: np.ndarray, animals: int | None, images: Images | None
    ) -> Poses:
        """Rows that sleap-nn takes out of its result stay, without a track."""
        tracker = ClassicTracker(self._classic(animals))
        track, score = np.full(len(poses), -1, np.int32), np.full(len(poses), np.nan, np.float32)
        at = np.searchsorted(poses.frame, np.append(looked, np.iinfo(np.int64).max))
        for frame, first, stop in zip(looked.tolist(), at, at[1:], strict=False):
            rows = slice(int(first), int(stop))
            image = None if images is None else next(images)
            columns = poses.xy[rows], poses.confidence[rows], poses.score[rows]
            told = tracker(frame, *columns, image=image)
            track[rows], score[rows] = told.track, told.score
        return replace(poses, track=track, identity_score=score)

    def _deeplabcut(self) -> tuple[deeplabcut.TrackletOptions, deeplabcut.StitchOptions]:
        kinds = deeplabcut.TrackletOptions, deeplabcut.StitchOptions
        names = [{each.name for each in fields(kind)} for kind in kinds]
        _refuse(self.name, self.options, names[0] | names[1])
        for step, known in zip(STEPS, names, strict=True):
            if self.step not in (None, step) and (others := known & self.options.keys()):
                fix = "--animals N, without --step, stitches too" if step == STITCH else "leave it out"
                raise UsageError(f"{min(others)} is an option of the step {step}", fix=fix)
        both = [
            _typed(kind, {name: value for name, value in self.options.items() if name in known})
            for kind, known in zip(kinds, names, strict=True)
        ]
        return both[0], both[1]

    def _classic(self, animals: int | None) -> ClassicOptions:
        given = self._told(animals, "tracking_target_instance_count")
        _refuse(self.name, given, {each.name for each in fields(ClassicOptions)} - {"use_flow"})
        options: ClassicOptions = _typed(ClassicOptions, {**given, "use_flow": CLASSIC[self.name]})
        return options

    def _mot(self, animals: int | None) -> MotOptions:
        given = self._told(animals)
        preset = str(given.pop("preset", "animal"))
        _refuse(self.name, given, {*(each.name for each in fields(MotOptions)), "scoring_method"})
        plain = {name: _plain(str(value)) for name, value in given.items()}
        return mot_options(self.name, preset=preset, **plain)

    def _told(self, animals: int | None, *others: str) -> dict[str, Any]:
        """The options; the number of animals is what sleap-nn calls `max_tracks`, unless that or one of
        `others` is among them."""
        given: dict[str, Any] = dict(self.options)
        if animals is not None and not {"max_tracks", *others} & given.keys():
            given["max_tracks"] = str(animals)
        return given


def _of_no_animal(poses: Poses) -> Bool[np.ndarray, "instance"]:
    """Which rows are of unique keypoints."""
    unique = np.isin(poses.skeleton.keypoints, poses.skeleton.unique)
    found = np.isfinite(poses.xy).all(-1)
    alone: np.ndarray = found[:, unique].any(1) & ~found[:, ~unique].any(1)
    return alone


def _with(told: Poses, poses: Poses, alone: Bool[np.ndarray, "instance"]) -> Poses:
    """The rows of a tool, and between them, without a track, those that it did not see."""
    own, others = poses.frame[~alone], replace(poses[alone], track=np.full(alone.sum(), -1, np.int32))
    before = np.cumsum(~alone)[alone] - np.searchsorted(own, others.frame)  # of the tool's, in its frame
    number = np.arange(len(told)) - np.searchsorted(told.frame, told.frame)
    both = [np.concatenate(each) for each in ((before, number + 0.5), (others.frame, told.frame))]
    order = np.lexsort(both)
    columns = {name: np.concatenate([getattr(each, name) for each in (others, told)]) for name in COLUMNS}
    return Poses(poses.skeleton, **{name: column[order] for name, column in columns.items()})


def _refuse(method: str, given: Mapping[str, Any], known: set[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        what = f"the method {method} has no option {unknown[0]}"
        raise UsageError(what, fix=f"choose from {', '.join(sorted(known))}")


def _typed(kind: Any, given: Mapping[str, Any]) -> Any:
    """Options from their texts."""
    plain = {name: _plain(value) if isinstance(value, str) else value for name, value in given.items()}
    try:
        return TypeAdapter(kind).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where} is {first['input']!r}: {first['msg']}") from error


def _plain(text: str) -> Any:
    """A number, a truth, nothing, a list of numbers, or the text itself."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text
