"""Labels of several sources as one, and images that were labelled twice."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int64

from ethopose.core import DataError, Image, Labels, Poses, Skeleton
from ethopose.core.assignment import assignment
from ethopose.core.labels import ABSENT
from ethopose.formats.label_images import image_name, stack_labels, take_images

SAME_PX = 5.0  # two people who mean the same point place it closer than this


def join_labels(several: Sequence[Labels]) -> Labels:
    """Labels of several sources; keypoints may come in any order and get the first source's.

    Edges, symmetries and unique keypoints are those of the first source that has any; individuals of the
    same name are the same. Splits of a name are put together, an image that two sources tell of is merged.

    Raises:
        DataError: other keypoints, or an image whose labels differ by more than 5 px.
    """
    if not several:
        raise DataError("there are no labels to join")
    skeleton = _shared_skeleton(several)
    return merge_images(stack_labels([_in_words_of(labels, skeleton) for labels in several]))


def merge_images(labels: Labels) -> Labels:
    """Labels with each image once: what was placed twice counts once, a point placed once is kept.

    Raises:
        DataError: an image has different animals each time, or points more than 5 px apart.
    """
    places: dict[Image, list[int]] = {}
    for index, image in enumerate(labels.images):
        places.setdefault(replace(image, video=""), []).append(index)
    if len(places) == len(labels.images):
        return labels
    first = np.array([indices[0] for indices in places.values()])
    own = {index: indices[0] for indices in places.values() for index in indices}
    splits = {
        name: np.unique([own[int(index)] for index in members]).astype(np.int64)
        for name, members in labels.splits.items()
    }
    labels = replace(labels, splits=splits)
    for indices in (indices for indices in places.values() if len(indices) > 1):
        rows = [np.flatnonzero(labels.poses.frame == index) for index in indices]
        rows = [each for each in rows if len(each)]  # an image without animals contradicts nobody
        for others in rows[1:]:
            labels = _merged(labels, rows[0], others)
        if rows and labels.poses.frame[rows[0][0]] != indices[0]:
            labels = _moved(labels, rows[0], indices[0])
    return take_images(labels, first)


def _shared_skeleton(several: Sequence[Labels]) -> Skeleton:
    skeletons = [labels.poses.skeleton for labels in several]
    first = skeletons[0]
    for other in skeletons[1:]:
        if set(other.keypoints) != set(first.keypoints):
            lacks = sorted(set(first.keypoints) - set(other.keypoints))
            more = sorted(set(other.keypoints) - set(first.keypoints))
            told = [
                f"{word} {', '.join(names)}" for word, names in (("lacks", lacks), ("adds", more)) if names
            ]
            raise DataError(f"the skeletons differ: another source {' and '.join(told)}")
    ordered = [_reordered(skeleton, first.keypoints) for skeleton in skeletons]

    def first_told(name: str) -> tuple[tuple[int, int], ...]:
        return next((told for skeleton in ordered if (told := getattr(skeleton, name))), ())

    return replace(
        first,
        edges=first_told("edges"),
        symmetries=first_told("symmetries"),
        individuals=tuple(dict.fromkeys(name for skeleton in skeletons for name in skeleton.individuals)),
        unique=tuple(dict.fromkeys(name for skeleton in skeletons for name in skeleton.unique)),
    )


def _reordered(skeleton: Skeleton, keypoints: tuple[str, ...]) -> Skeleton:
    def pairs(old: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        names = [(skeleton.keypoints[one], skeleton.keypoints[two]) for one, two in old]
        return tuple((keypoints.index(one), keypoints.index(two)) for one, two in names)

    return replace(
        skeleton, keypoints=keypoints, edges=pairs(skeleton.edges), symmetries=pairs(skeleton.symmetries)
    )


def _in_words_of(labels: Labels, skeleton: Skeleton) -> Labels:
    poses = labels.poses
    order = [poses.skeleton.keypoints.index(name) for name in skeleton.keypoints]
    number = np.array(
        [*(skeleton.individuals.index(name) for name in poses.skeleton.individuals), -1], np.int16
    )
    poses = replace(
        poses,
        skeleton=skeleton,
        xy=poses.xy[:, order],
        confidence=poses.confidence[:, order],
        individual=number[poses.individual],
    )
    return replace(labels, poses=poses, visibility=labels.visibility[:, order])


def _merged(labels: Labels, rows: Int64[np.ndarray, "animal"], others: Int64[np.ndarray, "animal"]) -> Labels:
    """Labels whose `rows` also hold what `others`, the same animals again, say."""
    poses, name = labels.poses, image_name(labels.images[labels.poses.frame[rows[0]]])
    if len(rows) != len(others):
        raise DataError(f"labelled twice, with {len(rows)} and {len(others)} animals: {name}")
    apart = _apart(poses.xy[rows], poses.xy[others])
    one, two = assignment(apart)
    if (worst := apart[one, two].max()) > SAME_PX:
        raise DataError(
            f"labelled twice, with points {worst:.1f} px apart: {name}", fix="remove one of the two"
        )
    rows, others = rows[one], others[two]
    keep = labels.visibility[rows] != ABSENT
    xy, confidence, visibility = poses.xy.copy(), poses.confidence.copy(), labels.visibility.copy()
    xy[rows] = np.where(keep[..., None], xy[rows], xy[others])
    confidence[rows] = np.where(keep, confidence[rows], confidence[others])
    visibility[rows] = np.where(keep, visibility[rows], visibility[others])
    return replace(labels, poses=replace(poses, xy=xy, confidence=confidence), visibility=visibility)


def _apart(
    one: Float[np.ndarray, "animal keypoint 2"], two: Float[np.ndarray, "animal keypoint 2"]
) -> Float[np.ndarray, "animal animal"]:
    """Largest distance of a keypoint that both have, in px; animals that share none are 0 apart."""
    distance = np.nan_to_num(np.linalg.norm(one[:, None] - two[None], axis=-1))
    return np.asarray(distance.max(axis=-1))


def _moved(labels: Labels, rows: Int64[np.ndarray, "animal"], image: int) -> Labels:
    """Labels whose `rows` lie on another image."""
    frame = labels.poses.frame.copy()
    frame[rows] = image
    order = np.argsort(frame, kind="stable")
    columns = {
        name: getattr(labels.poses, name)[order] for name in Poses.__dataclass_fields__ if name != "skeleton"
    }
    columns["frame"] = frame[order]
    return replace(labels, poses=Poses(labels.poses.skeleton, **columns), visibility=labels.visibility[order])
