"""Labels and what was found, side by side: all that the numbers, plots and pictures are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64

from ethopose.core import Image, Labels, Poses
from ethopose.core.labels import ABSENT
from ethopose.evaluate.found import Found
from ethopose.evaluate.naming import recording
from ethopose.evaluate.skeletons import in_common
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
        """Every labelled and every found keypoint."""
        return compare_points(self.found, self.truth)

    @cached_property
    def body(self) -> float:
        """Body length, px; NaN where animals are single points."""
        return body_length(self.truth)

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
    return Sample(labels.images, found.seen, splits, truth, poses, (*found.notes, *notes))
