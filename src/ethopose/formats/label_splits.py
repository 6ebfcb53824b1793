"""Which images a model learns from and which it is judged by."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, FormatError, Image, Labels
from ethopose.formats.label_images import image_name, images_named, listed

logger = logging.getLogger(__name__)
Indices = Int64[np.ndarray, "image"]
_MOST_BLOCKS, _LEAST_IN_BLOCK = 3, 5


def split_labels(
    labels: Labels,
    *,
    by: Literal["block", "video", "image"] | None = None,
    share: float = 0.1,
    seed: int = 0,
    digests: Sequence[bytes] | None = None,
) -> Labels:
    """Labels with the splits "train" and "val"; splits that the source stores are kept as they are.

    `share` of the images, at least one, is for validation. They are taken from "train" where the source
    stores it, else from all that are not in "test". `by`: "block" (None) takes up to three runs of
    neighbouring images, "video" whole recordings, "image" any. Images of equal
    `digests` stay together in "train". A single image is in both, with a warning.

    Raises:
        DataError: there is nothing to split, or but one video.
    """
    if {"train", "val"} <= labels.splits.keys():
        return labels
    rest = np.setdiff1d(np.arange(len(labels.images)), labels.splits.get("test", []))
    pool: Indices = np.sort(labels.splits.get("train", rest)).astype(np.int64)
    if not len(pool):
        raise DataError("there are no images to train on")
    if len(pool) == 1:
        logger.warning("there is one image: validation errors are training errors")
        return replace(labels, splits={**labels.splits, "train": pool, "val": pool})
    images = [labels.images[index] for index in pool]
    n_val = int(np.clip(round(share * len(pool)), 1, len(pool) - 1))
    chosen = np.zeros(len(pool), bool)
    chosen[_RULES[by or "block"](images, n_val, np.random.default_rng(seed))] = True
    for twins in _equal([digests[index] for index in pool] if digests else []):
        chosen[twins] = chosen[twins].all()
    if not chosen.any():
        raise DataError(
            "every image for validation has an equal copy in training", fix="another seed or rule"
        )
    return replace(labels, splits={**labels.splits, "train": pool[~chosen], "val": pool[chosen]})


def _blocks(images: Sequence[Image], n_val: int, rng: np.random.Generator) -> Indices:
    """Runs of neighbours, one somewhere in each equal stretch of the images in order."""
    order = np.array(sorted(range(len(images)), key=lambda index: _in_time(images[index])))
    n_blocks = int(np.clip(n_val // _LEAST_IN_BLOCK, 1, _MOST_BLOCKS))
    sizes = [len(part) for part in np.array_split(np.arange(n_val), n_blocks)]
    runs = []
    for stretch, size in zip(np.array_split(order, n_blocks), sizes, strict=True):
        start = rng.integers(len(stretch) - size + 1)
        runs.append(stretch[start : start + size])
    return np.concatenate(runs)


def _videos(images: Sequence[Image], n_val: int, rng: np.random.Generator) -> Indices:
    """Whole recordings until there are enough images; one recording is always left to train on."""
    names = np.array([image.video for image in images])
    videos = rng.permutation(np.unique(names))
    if len(videos) < 2:
        raise DataError("the images are of one video", fix="split by block")
    sizes = np.cumsum([np.sum(names == video) for video in videos])
    n_videos = min(int(np.searchsorted(sizes, n_val)) + 1, len(videos) - 1)
    return np.flatnonzero(np.isin(names, videos[:n_videos]))


def _any_images(images: Sequence[Image], n_val: int, rng: np.random.Generator) -> Indices:
    return rng.permutation(len(images))[:n_val]


_RULES: dict[str, Callable[[Sequence[Image], int, np.random.Generator], Indices]] = {
    "block": _blocks,
    "video": _videos,
    "image": _any_images,
}


def _in_time(image: Image) -> tuple[Any, ...]:
    """Sorts images of a recording as they were filmed: img2 before img10."""
    numbers = [int(part) for part in re.findall(r"\d+", image.path.stem)]
    return (
        image.video,
        image.path.parent.as_posix(),
        image.dataset or "",
        numbers,
        image.path.name,
        image.frame or 0,
    )


def _equal(digests: Sequence[bytes]) -> list[list[int]]:
    """Groups of what is equal."""
    groups: dict[bytes, list[int]] = {}
    for index, digest in enumerate(digests):
        groups.setdefault(digest, []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def tell_copies(labels: Labels, digests: Sequence[bytes]) -> None:
    """Warn of images for validation or test that are copies of some to learn from."""
    learned = {digests[index] for index in labels.splits["train"]}
    for split in ("val", "test"):
        members = labels.splits.get(split, np.empty(0, np.int64))
        copies = [image_name(labels.images[i]) for i in members if digests[i] in learned]
        if copies and len(labels.images) > 1:
            told = len(copies), split, listed(copies)
            logger.warning("%d images of %s are copies of some to learn from: %s", *told)


def split_names(labels: Labels) -> dict[str, list[str]]:
    """The names of each split's images, to be stored as JSON; `read_split` reads them."""
    return {
        name: [image_name(labels.images[index]) for index in members]
        for name, members in labels.splits.items()
    }


def read_split(path: Path | str, labels: Labels) -> Labels:
    """Labels split as a JSON file says: lists of image names under "train", "val" and perhaps "test".

    A name is a path or the end of one, for a frame of a video followed by # and its number. Other keys
    are passed over. Images that no list names are in no split.

    Raises:
        FormatError: no such file. DataError: a name fits no image or several, or is in two lists.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
        told = {name: list(map(str, content[name])) for name in ("train", "val", "test") if name in content}
    except (OSError, ValueError, TypeError) as error:
        raise FormatError(f"no split of images ({error})", where=path) from error
    if not {"train", "val"} <= told.keys():
        raise FormatError('it lacks "train" or "val"', where=path)
    named = images_named(labels.images)
    splits: dict[str, Indices] = {}
    for split, names in told.items():
        unknown = [name for name in names if len(named(name)) != 1]
        if unknown:
            raise DataError(
                f"{len(unknown)} names in {split!r} fit no labelled image, or several: {listed(unknown)}",
                where=path,
            )
        splits[split] = np.array(sorted({named(name)[0] for name in names}), np.int64)
    members, counts = np.unique(np.concatenate(list(splits.values())), return_counts=True)
    if (counts > 1).any() and len(labels.images) > 1:
        raise DataError(f"in two splits: {image_name(labels.images[members[counts > 1][0]])}", where=path)
    return replace(labels, splits=splits)
