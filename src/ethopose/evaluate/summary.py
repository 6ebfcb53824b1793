"""The table of an evaluation: a row a split, recording and keypoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Int64

from ethopose.evaluate.sample import ALL, Sample
from ethopose.metrics import Errors, Scene, coco, deeplabcut, errors, scenes, sleap


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of some images and keypoints."""

    split: str  # or "all"
    video: str  # the recording's name, or "all"
    keypoint: str  # or "all"
    images: int
    errors: Errors
    tools: dict[str, float]  # such as `coco.AP`: of whole animals, so only where `keypoint` is "all".
    # `identity.accuracy` is there where labels and poses name individuals

    def as_data(self) -> dict[str, str | int | float]:
        """The row as columns."""
        told: dict[str, str | int | float] = {"split": self.split, "video": self.video}
        told |= {"keypoint": self.keypoint, "images": self.images}
        return told | asdict(self.errors) | self.tools


def summarise(sample: Sample, pcutoff: float) -> tuple[Row, ...]:
    """All rows: by split, within it by recording, within it by keypoint. All splits come last."""
    single = not any(np.any(np.diff(poses.frame) == 0) for poses in sample.animals)
    drawn = dict(zip(sample.seen.tolist(), scenes(*sample.animals, sample.seen), strict=True))
    rows: list[Row] = []
    for split, members in sample.by_split():
        for video, some in sample.by_video(members):
            numbers = _of_tools([drawn[int(image)] for image in some], pcutoff, single=single)
            numbers |= _identity(sample, some)
            rows += _by_keypoint(sample, some, (split, video), pcutoff, numbers)
    return tuple(rows)


def _of_tools(drawn: Sequence[Scene], pcutoff: float, *, single: bool) -> dict[str, float]:
    numbers = {
        "coco": coco(drawn),
        "deeplabcut": deeplabcut(drawn, pcutoff, single=single),
        "sleap": sleap(drawn),
    }
    return {f"{tool}.{name}": value for tool, told in numbers.items() for name, value in told.items()}


def _identity(sample: Sample, images: Int64[np.ndarray, "image"]) -> dict[str, float]:
    """Share of the matched named animals that were given their own name."""
    points = sample.points
    both = np.isin(points.image, images) & (points.row >= 0) & (points.truth_row >= 0)
    pairs = np.unique(np.stack((points.row[both], points.truth_row[both]), 1), axis=0)
    named = sample.truth.individual[pairs[:, 1]] >= 0
    skeletons = sample.found.skeleton, sample.truth.skeleton
    if not all(skeleton.individuals for skeleton in skeletons) or not named.any():
        return {}
    ours, theirs = (
        [(*poses.skeleton.individuals, "")[number] for number in poses.individual[rows]]
        for poses, rows in ((sample.found, pairs[named, 0]), (sample.truth, pairs[named, 1]))
    )
    right = sum(one == other for one, other in zip(ours, theirs, strict=True))
    return {"identity.accuracy": right / len(ours)}


def _by_keypoint(
    sample: Sample,
    images: Int64[np.ndarray, "image"],
    group: tuple[str, str],
    pcutoff: float,
    tools: dict[str, float],
) -> Iterator[Row]:
    points = sample.points[np.isin(sample.points.image, images)]
    names = sample.truth.skeleton.keypoints
    yield Row(*group, ALL, len(images), errors(points, pcutoff=pcutoff, body=sample.body), tools)
    for keypoint, name in enumerate(names if len(names) > 1 else ()):
        of_one = errors(points[points.keypoint == keypoint], pcutoff=pcutoff, body=sample.body)
        yield Row(*group, name, len(images), of_one, {})
