"""Labels and what was found, side by side: all that the numbers, plots and pictures are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64

from ethopose.core import Image, Labels, Poses
from ethopose.core.labels import ABSENT
from ethopose.evaluate.found import Found
from ethopose.evaluate.naming import recording
from ethopose.evaluate.skeletons import in_common, reduced
from ethopose.evaluate.splits import Splits
from ethopose.metrics import Points, body_length, compare_points

ALL = "all"


@dataclass(frozen=True)
class Sample:
    """The images that were looked at. `frame` of truth and found counts in `images`."""

    images: tuple[Image, ...]  # all of the labels
    seen: Int64[np.ndarray, "image"]  # those that were looked at
    splits: Splits
    truth: Poses
    found: Poses
    notes: tuple[str, ...] = ()

    @cached_property
    def points(self) -> Points:
        """Every labelled and every found keypoint. Rows of keypoints that belong to no animal are compared
        with such rows alone."""
        parts = []
        for alone in (False, True):
            rows, truth_rows = (np.flatnonzero(of_nobody(each) == alone) for each in (self.found, self.truth))
            points = compare_points(self.found[rows], self.truth[truth_rows])
            row, truth_row = np.append(rows, -1)[points.row], np.append(truth_rows, -1)[points.truth_row]
            parts.append(replace(points, row=row, truth_row=truth_row))
        return Points(*(np.concatenate([getattr(each, f.name) for each in parts]) for f in fields(Points)))

    @cached_property
    def animals(self) -> tuple[Poses, Poses]:
        """Truth and found without rows and keypoints that are of no animal."""
        skeleton = self.truth.skeleton
        names = [name for name in skeleton.keypoints if name not in skeleton.unique]
        truth, found = (reduced(each[~of_nobody(each)], names) for each in (self.truth, self.found))
        return truth, found

    @cached_property
    def body(self) -> float:
        """Body length, px; NaN where animals are single points."""
        return body_length(self.animals[0])

    @cached_property
    def videos(self) -> tuple[str, ...]:
        """The recording of every image."""
        return tuple(recording(image) for image in self.images)

    def split_of(self, image: int) -> str:
        """The split of an image; empty for none."""
        return next((name for name, members in self.splits.items() if image in members), "")

    def by_split(self) -> Iterator[tuple[str, Int64[np.ndarray, "image"]]]:
        """The images seen of each split, and of all."""
        groups = {name: np.intersect1d(members, self.seen) for name, members in self.splits.items()}
        yield from ((name, members) for name, members in groups.items() if len(members))
        if not any(len(members) == len(self.seen) for members in groups.values()):
            yield ALL, self.seen

    def by_video(
        self, members: Int64[np.ndarray, "image"]
    ) -> Iterator[tuple[str, Int64[np.ndarray, "image"]]]:
        """The images of all recordings, then of each if there are several."""
        yield ALL, members
        names = [self.videos[index] for index in members]
        if len(set(names)) > 1:
            yield from ((name, members[np.array(names) == name]) for name in dict.fromkeys(names))


def make_sample(labels: Labels, found: Found, splits: Splits) -> Sample:
    """Labels and poses of the images seen, with the keypoints that both have.

    Raises:
        DataError: they share no keypoint.
    """
    xy = np.where((labels.visibility == ABSENT)[..., None], np.float32(np.nan), labels.poses.xy)
    placed = Poses(
        labels.poses.skeleton,
        labels.poses.frame,
        xy,
        labels.poses.confidence,
        labels.poses.score,
        individual=labels.poses.individual,
    )
    there = ~np.isnan(xy).any(axis=-1).all(axis=-1) & np.isin(placed.frame, found.seen)
    truth, poses, notes = in_common(placed[there], found.poses)
    truth, poses = truth[_left(truth, placed[there])], poses[_left(poses, found.poses)]
    return Sample(labels.images, found.seen, splits, truth, poses, (*found.notes, *notes))


def _left(fewer: Poses, poses: Poses) -> Bool[np.ndarray, "row"]:
    """Which rows did not lose all of their keypoints."""
    now, before = (np.isfinite(each.xy).all(-1).any(-1) for each in (fewer, poses))
    return np.asarray(now | ~before)


def of_nobody(poses: Poses) -> Bool[np.ndarray, "row"]:
    """Which rows are of keypoints that belong to no animal."""
    unique = np.isin(poses.skeleton.keypoints, poses.skeleton.unique)
    seen = np.isfinite(poses.xy).all(-1)
    return np.asarray(seen[:, unique].any(1) & ~seen[:, ~unique].any(1))
