"""Building `Labels` and taking images out of them: what every reader of labels ends with."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from ethopose.core import DataError, Image, Labels, Poses, Skeleton, join_poses
from ethopose.core.labels import ABSENT, OCCLUDED, VISIBLE

logger = logging.getLogger(__name__)
_SHOWN = 3  # names told in a message, the rest is a number


@dataclass(frozen=True, slots=True)
class Placed:
    """Animals as a file tells of them, before anything is checked. NaN: not placed."""

    image: Int64[np.ndarray, "instance"]
    xy: Float[np.ndarray, "instance keypoint 2"]
    individual: Int64[np.ndarray, "instance"]  # -1: none
    occluded: Bool[np.ndarray, "instance keypoint"] | None = None


def make_labels(images: Sequence[Image], skeleton: Skeleton, placed: Placed) -> Labels:
    """Labels of these images; animals without a single keypoint are left out, their images stay.

    Raises:
        DataError: a coordinate is infinite, or told without its other half.
    """
    missing = np.isnan(placed.xy)
    for fault, wrong in (
        ("a coordinate is infinite", (np.abs(placed.xy) > np.finfo(np.float32).max).any(-1)),
        ("only one of x and y is told", missing.any(-1) & ~missing.all(-1)),
    ):
        if wrong.any():
            row, keypoint = np.argwhere(wrong)[0]
            raise DataError(
                f"{fault}: {skeleton.keypoints[keypoint]} in {image_name(images[placed.image[row]])}"
            )
    seen = ~missing.any(-1)
    visibility = np.where(seen, VISIBLE, ABSENT).astype(np.uint8)
    if placed.occluded is not None:
        visibility[seen & placed.occluded] = OCCLUDED
    order = np.argsort(placed.image, kind="stable")
    order = order[seen[order].any(-1)]
    poses = Poses(
        skeleton,
        frame=placed.image[order].astype(np.int64),
        xy=placed.xy[order].astype(np.float32),
        confidence=np.where(seen[order], 1, np.nan).astype(np.float32),
        score=np.ones(len(order), np.float32),
        individual=placed.individual[order].astype(np.int16),
    )
    return Labels(tuple(images), poses, visibility[order])


def take_images(labels: Labels, wanted: Int64[np.ndarray, "wanted"]) -> Labels:
    """The labels of some images, in the order wanted; splits go with them.

    `wanted` are indices of images, each at most once.
    """
    place = np.full(len(labels.images), -1)
    place[wanted] = np.arange(len(wanted))
    rows = np.flatnonzero(place[labels.poses.frame] >= 0)
    rows = rows[np.argsort(place[labels.poses.frame[rows]], kind="stable")]
    frame = place[labels.poses.frame[rows]].astype(np.int64)
    pieces = {name: getattr(labels.poses, name)[rows] for name in _ROW_COLUMNS}
    splits = {name: np.sort(place[members][place[members] >= 0]) for name, members in labels.splits.items()}
    return Labels(
        tuple(labels.images[index] for index in wanted),
        Poses(labels.poses.skeleton, frame=frame, **pieces),
        labels.visibility[rows],
        splits,
    )


_ROW_COLUMNS = ("xy", "confidence", "score", "track", "individual", "identity_score")


def drop_images(labels: Labels, bad: Bool[np.ndarray, "image"], why: str) -> Labels:
    """The labels without some images, which a warning counts and names; `why` ends "3 images ...".

    Raises:
        DataError: no image is left.
    """
    if not bad.any():
        return labels
    names = listed([image_name(labels.images[index]) for index in np.flatnonzero(bad)])
    told = f"{bad.sum()} of {len(bad)} images {why}: {names}"
    if bad.all():
        raise DataError(told, fix="copy the images to where the labels expect them")
    logger.warning("%s; they are left out", told)
    return take_images(labels, np.flatnonzero(~bad))


def drop_missing(labels: Labels) -> Labels:
    """The labels without the images that are not on this machine. Raises DataError where none is."""
    there: dict[Path, bool] = {path: path.exists() for path in {image.path for image in labels.images}}
    return drop_images(labels, np.array([not there[i.path] for i in labels.images], bool), "are missing")


def stack_labels(parts: Sequence[Labels]) -> Labels:
    """Labels of one skeleton one after the other; splits of a name are put together.

    Where some parts are split and others are not, all images of these are for training.
    """
    if any(part.splits for part in parts):
        parts = [
            part if part.splits else replace(part, splits={"train": np.arange(len(part.images))})
            for part in parts
        ]
    starts = np.cumsum([0, *(len(part.images) for part in parts)])
    moved = [
        replace(part.poses, frame=part.poses.frame + start)
        for part, start in zip(parts, starts, strict=False)
    ]
    names = dict.fromkeys(name for part in parts for name in part.splits)
    none = np.empty(0, np.int64)
    splits = {
        name: np.concatenate(
            [part.splits.get(name, none) + start for part, start in zip(parts, starts, strict=False)]
        )
        for name in names
    }
    visibility: UInt8[np.ndarray, "instance keypoint"] = np.concatenate([part.visibility for part in parts])
    return Labels(
        tuple(image for part in parts for image in part.images),
        join_poses(moved, parts[0].poses.skeleton),
        visibility,
        splits,
    )


def image_name(image: Image) -> str:
    """What an image is called in messages, tables and split files: its path, and `#frame` in a video."""
    inside = [part for part in (image.dataset, image.frame) if part is not None]
    return "#".join((image.path.as_posix(), *map(str, inside)))


def images_named(images: Sequence[Image]) -> Callable[[str], list[int]]:
    """What finds the images that a name means, as in a file of splits: those whose names share the longest
    end with it, of two steps at least if it has two; so a project that was moved is known again. A bare
    name means an image only where no other has it."""
    ends: dict[tuple[str, ...], list[int]] = {}
    for index, image in enumerate(images):
        parts = plain_path(image_name(image)).parts
        for start in range(len(parts)):
            ends.setdefault(parts[start:], []).append(index)

    def find(name: str) -> list[int]:
        parts = plain_path(name).parts
        tried = (parts[start:] for start in range(max(1, len(parts) - 1)))
        found = next((ends[end] for end in tried if end in ends), [])
        return found if len(parts) > 1 or len(found) == 1 else []

    return find


def listed(names: Sequence[str]) -> str:
    """The first names of many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def plain_path(name: str) -> PurePosixPath:
    """A path as any system writes it, its parts apart: backslashes are separators."""
    return PurePosixPath(PureWindowsPath(name).as_posix())


def find_file(name: str, roots: Sequence[Path]) -> Path:
    """The file that a moved project means by `name`; where it is not found, the place it was expected.

    Tried are the path as it stands if it is absolute, then below each root the path and its ends,
    longest first.
    """
    plain = plain_path(name)
    if plain.is_absolute() and Path(plain).exists():
        return Path(plain)
    parts = plain.parts[1:] if plain.is_absolute() else plain.parts
    tries = (root.joinpath(*parts[start:]) for start in range(len(parts)) for root in roots)
    return next((path for path in tries if path.exists()), roots[0].joinpath(*parts))
