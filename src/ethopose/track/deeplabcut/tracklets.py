"""Poses of frames become tracklets, as DeepLabCut 3.0.1 makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int32, Int64

from ethopose.core import DataError, UsageError
from ethopose.core.assignment import assignment
from ethopose.track.deeplabcut.outlines import Outline, boxes, ellipses
from ethopose.track.deeplabcut.trackers import NOBODY, OutlineTracker, SkeletonTracker, Tracker


@dataclass(frozen=True, slots=True)
class TrackletOptions:
    """How animals are followed; the defaults are those of DeepLabCut's `inference_cfg.yaml`."""

    max_age: int = 1  # frames that an animal may be missed in, of those that have animals
    min_hits: int = 1  # frames in a row that an animal must have been seen again in; `skeleton` asks for none
    iou_threshold: float = 0.6  # how alike ellipses or boxes must be, 0 to 1; `skeleton` takes the nearest
    box_margin: float = 0.0  # px that a box is wider than its keypoints on each side
    min_confidence: float = 0.1  # of keypoints; others are taken for not found
    ignored: tuple[int, ...] = ()  # keypoints that say nothing of who is who
    as_in_2: bool = False  # `skeleton` ends, as in DeepLabCut 2, not the animal that was lost

    def __post_init__(self) -> None:
        if min(self.max_age, self.min_hits, self.box_margin) < 0 or not 0 <= self.iou_threshold <= 1:
            raise UsageError(
                "max_age, min_hits and box_margin are at least 0, iou_threshold is 0 to 1; given are"
                f" {self.max_age}, {self.min_hits}, {self.box_margin:g} and {self.iou_threshold:g}"
            )


DEFAULTS = TrackletOptions()


@dataclass(frozen=True, slots=True)
class Tracklets:
    """Which tracklet each row belongs to, numbered from 0 in the order in which they come up."""

    track: Int32[np.ndarray, "instance"]  # -1: none
    xy: Float[np.ndarray, "instance keypoint 2"]  # px; NaN also where a keypoint was not sure enough
    # poses of animals that nobody saw, which `skeleton` believes in; DeepLabCut gives them confidence 1
    invented_frame: Int64[np.ndarray, "invented"]
    invented_track: Int32[np.ndarray, "invented"]
    invented_xy: Float[np.ndarray, "invented keypoint 2"]  # px; NaN of keypoints that are ignored


def tracklets(
    frame: Int64[np.ndarray, "instance"],
    xy: Float[np.ndarray, "instance keypoint 2"],
    confidence: Float[np.ndarray, "instance keypoint"],
    *,
    method: str = "ellipse",
    options: TrackletOptions = DEFAULTS,
) -> Tracklets:
    """Follow animals from frame to frame, as DeepLabCut does where FilterPy is 1.4.5.

    Args:
        frame: of each row; sorted.
        xy: px, NaN where a keypoint was not found; below 0 is not found, either.
        confidence: 0 to 1.
        method: `ellipse`, `box` or `skeleton`.
        options: DeepLabCut's defaults if left out.

    Raises:
        UsageError: there is no such method, or there are too few keypoints for it.
        DataError: the rows are not sorted by frame.
    """
    n_keypoints = xy.shape[1]
    if not set(options.ignored) <= set(range(n_keypoints)):
        raise UsageError(f"of {n_keypoints} keypoints, counted from 0, these are ignored: {options.ignored}")
    used = np.setdiff1d(np.arange(n_keypoints), options.ignored)
    tracker = _tracker(method, len(used), options)
    xy = sure(xy, confidence, options.min_confidence)
    track = np.full(len(frame), NOBODY, np.int32)
    numbers: dict[int, int] = {}
    invented: list[tuple[int, int, np.ndarray]] = []
    for rows in _frames(frame, xy[:, used]):
        for sighting in tracker.track(xy[rows][:, used].astype(np.float64)):
            number = numbers.setdefault(sighting.number, len(numbers))
            if sighting.animal != NOBODY:
                track[rows[sighting.animal]] = number
            else:
                pose = np.full((n_keypoints, 2), np.nan)
                pose[used] = sighting.pose
                invented.append((int(frame[rows[0]]), number, pose))
    return _told(track, xy, invented)


def tracklets_by_identity(
    frame: Int64[np.ndarray, "instance"],
    xy: Float[np.ndarray, "instance keypoint 2"],
    confidence: Float[np.ndarray, "instance keypoint"],
    individual: Int[np.ndarray, "instance keypoint"],
    *,
    n_individuals: int,
    min_confidence: float = DEFAULTS.min_confidence,
) -> Tracklets:
    """Name animals by the individuals that their keypoints look like, frame by frame (`identity_only`).

    Each keypoint votes for one with its confidence; tracklets are the individuals' numbers.

    Args:
        frame: of each row; sorted.
        xy: px, NaN where a keypoint was not found.
        confidence: 0 to 1.
        individual: which one each keypoint looks most like.
        n_individuals: how many there may be.
        min_confidence: of keypoints; others are taken for not found.

    Raises:
        DataError: the rows are not sorted by frame, or a vote is for nobody there may be.
    """
    from scipy.special import softmax  # takes a while to load

    xy = sure(xy, confidence, min_confidence)
    told = np.isfinite(xy).all(axis=2)
    if np.any((individual[told] < 0) | (individual[told] >= n_individuals)):
        raise DataError(f"keypoints look like others than the {n_individuals} individuals")
    track = np.full(len(frame), NOBODY, np.int32)
    for rows in _frames(frame, xy):
        votes = np.zeros((len(rows), n_individuals))
        for place, row in enumerate(rows):
            voted, which = np.unique(individual[row, told[row]], return_inverse=True)
            votes[place, voted] = softmax(np.bincount(which, confidence[row, told[row]].astype(np.float64)))
        places, individuals = assignment(votes, maximize=True)
        track[rows[places]] = individuals
    return _told(track, xy, [])


def sure(
    xy: Float[np.ndarray, "instance keypoint 2"],
    confidence: Float[np.ndarray, "instance keypoint"],
    min_confidence: float,
) -> Float[np.ndarray, "instance keypoint 2"]:
    """The same coordinates, NaN where a keypoint is not sure enough or lies left of or above the picture."""
    hidden = (confidence < max(min_confidence, 0)) | (xy < 0).any(axis=2)
    return np.where(hidden[..., None], np.nan, xy)


METHODS = ("ellipse", "box", "skeleton")


def _tracker(method: str, n_keypoints: int, options: TrackletOptions) -> Tracker:
    if method not in METHODS:
        raise UsageError(f"no tracker is named {method!r}", fix=f"choose from {', '.join(METHODS)}")
    if n_keypoints < 3 and method == "ellipse":
        raise UsageError("an ellipse needs three keypoints", fix="the method box, with a margin")
    if n_keypoints < 2 and method == "box" and not options.box_margin:
        raise UsageError("a box around one keypoint is empty", fix="a margin; DeepLabCut takes 40 px")
    if n_keypoints < 1:
        raise UsageError("no keypoint is left to follow")
    if method == "skeleton":
        return SkeletonTracker(n_keypoints, max_age=options.max_age, as_in_2=options.as_in_2)
    outline: Outline = ellipses() if method == "ellipse" else boxes(options.box_margin)
    return OutlineTracker(
        outline, max_age=options.max_age, min_hits=options.min_hits, threshold=options.iou_threshold
    )


def _frames(
    frame: Int64[np.ndarray, "instance"], xy: Float[np.ndarray, "instance keypoint 2"]
) -> Iterator[Int64[np.ndarray, "row"]]:
    """The rows with a keypoint, frame by frame; frames without any are left out."""
    if np.any(np.diff(frame) < 0):
        raise DataError("poses are not sorted by frame")
    rows = np.flatnonzero(np.isfinite(xy).any(axis=(1, 2)))
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(frame[rows])) + 1)


def _told(
    track: Int32[np.ndarray, "instance"],
    xy: Float[np.ndarray, "instance keypoint 2"],
    invented: list[tuple[int, int, np.ndarray]],
) -> Tracklets:
    frames, numbers, poses = zip(*invented, strict=True) if invented else ((), (), ())
    return Tracklets(
        track,
        xy,
        np.array(frames, np.int64),
        np.array(numbers, np.int32),
        np.array(poses, np.float64).reshape(-1, *xy.shape[1:]),
    )
