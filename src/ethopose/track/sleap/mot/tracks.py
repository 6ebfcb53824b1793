"""The tracks of the SORT family and what they are expected to do next (sleap-nn 0.3.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from jaxtyping import Float64

from ethopose.track.sleap.mot import likeness
from ethopose.track.sleap.mot.boxes import FILTERS, Box, Covariances, Means
from ethopose.track.sleap.mot.found import Found
from ethopose.track.sleap.mot.likeness import Likeness
from ethopose.track.sleap.mot.options import MotOptions


class Stage(Enum):
    """Of a track's life."""

    TENTATIVE = 0
    CONFIRMED = 1
    LOST = 2


@dataclass(slots=True, eq=False)
class Track:
    """One track; times are steps."""

    mean: Means
    covariance: Covariances
    born: int  # frame
    box: Box  # the last one, padded
    extent: Box
    xy: Float64[np.ndarray, "keypoint 2"]
    centre: Float64[np.ndarray, "2"]  # of the state when the last box had been taken in
    hits: int
    streak: int
    step: int  # of the last box
    frame: int  # of the last box
    idle: int = 0  # steps since the last box
    stage: Stage = Stage.TENTATIVE
    number: int = -1  # once confirmed
    rows: list[tuple[int, float]] = field(default_factory=list)  # until confirmed: rows and likeness
    seen: dict[int, Box] = field(default_factory=dict)  # boxes by step, without the first
    last_seen: Box | None = None
    direction: Float64[np.ndarray, "2"] | None = None
    frozen: tuple[Means, Covariances, int] | None = None  # state at the first miss, and when that was

    def seen_before(self, now: int, steps: int) -> Box | None:
        """The box so many steps ago, or the oldest since, or the last one."""
        for ago in range(steps, 0, -1):
            if now - ago in self.seen:
                return self.seen[now - ago]
        return self.last_seen


class Expectation:
    """Scores tracks against the instances of a frame."""

    def __init__(self, options: MotOptions, keypoints: int, body: float) -> None:
        self.options, self.body = options, body
        self.filter = FILTERS[options.kalman]
        lone, kind = keypoints == 1, options.similarity
        if kind == "auto":
            kind = "centroid" if lone else "iou"
        self.kind = "centroid" if kind == "oks" and lone else kind

    def of_forecast(self, tracks: list[Track], now: Found) -> Likeness:
        """With where tracks should be now; instances without keypoints fit nobody."""
        if not tracks or not len(now):
            return np.zeros((len(tracks), len(now)))
        means = np.stack([track.mean for track in tracks])
        if self.kind == "centroid":
            fit = likeness.nearness(means[:, :2], now.centre, 0.5 * self.body)
        elif self.kind == "oks":
            grown = likeness.area(self.boxes(tracks)) / likeness.area(np.stack([one.box for one in tracks]))
            size = likeness.area(np.stack([one.extent for one in tracks])) * grown
            fit = likeness.keypoint_similarity(self.poses(tracks), size, now.xy, self.options.oks_stddev)
        else:
            fit = likeness.overlap(self.boxes(tracks), now.box)
            if self.options.tracker == "bytetrack":  # a covered animal is compared with what is seen of it
                padding = self.options.box_padding
                part = likeness.shared_overlap(self.poses(tracks), now.xy, padding, self.body)
                fit = np.maximum(fit, part)
        return np.where(now.valid, fit, 0)

    def of_last_box(self, tracks: list[Track], now: Found) -> Likeness:
        """With where tracks were last seen; one seen only once was not seen."""
        if not tracks or not len(now):
            return np.zeros((len(tracks), len(now)))
        nowhere = np.full(4, np.nan)
        boxes = np.stack([nowhere if one.last_seen is None else one.last_seen for one in tracks])
        if self.kind == "centroid":
            fit = likeness.nearness(0.5 * (boxes[:, :2] + boxes[:, 2:]), now.centre, 0.5 * self.body)
        elif self.kind == "oks":
            missing = np.isnan(boxes).any(axis=1)
            xy = np.where(missing[:, None, None], np.nan, np.stack([one.xy for one in tracks]))
            size = likeness.area(np.stack([one.extent for one in tracks]))
            fit = likeness.keypoint_similarity(xy, size, now.xy, self.options.oks_stddev)
        else:
            fit = likeness.overlap(boxes, now.box)
        return np.where(now.valid, fit, 0)

    def boxes(self, tracks: list[Track]) -> Float64[np.ndarray, "track 4"]:
        """Where they should be."""
        return self.filter.to_box(np.stack([track.mean for track in tracks]))

    def poses(self, tracks: list[Track]) -> Float64[np.ndarray, "track keypoint 2"]:
        """The last poses, moved as far as their boxes should have gone."""
        return np.stack([track.xy + (track.mean[:2] - track.centre) for track in tracks])
