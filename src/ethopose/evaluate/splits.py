"""Which images were trained on, and which were kept aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import FormatError, Image, Labels, UsageError
from ethopose.formats import image_name
from ethopose.formats.label_images import plain_path

SPLIT_FILE = Path("training/split.json")  # in a model's folder: names of images by split

Splits = dict[str, Int64[np.ndarray, "image"]]


def splits_of(labels: Labels, folders: Iterable[Path]) -> Splits:
    """Indices of images by split: as the model that lies in `folders` was trained, else as the labels say.

    Raises:
        FormatError: a model's split file is damaged.
    """
    known = dict(labels.splits)
    for folder in folders:
        if (folder / SPLIT_FILE).is_file():
            known |= _named(folder / SPLIT_FILE, labels.images)
    return {name: np.unique(members) for name, members in known.items() if len(members)}


def chosen(labels: Labels, splits: Splits, split: str | None) -> Int64[np.ndarray, "image"]:
    """The images of a split; of all for None.

    Raises:
        UsageError: there are none.
    """
    if not len(labels.images) or not len(labels.poses):
        raise UsageError("nothing is labelled", fix="give labels that hold images with keypoints")
    if split is None:
        return np.arange(len(labels.images))
    if split not in splits:
        there = ", ".join(f"{name} ({len(members)} images)" for name, members in splits.items())
        fix = f"choose from {there}" if there else "leave out --split: neither model nor labels tell of any"
        raise UsageError(f"no labelled image is in a split {split!r}", fix=fix)
    return splits[split]


def _named(path: Path, images: Sequence[Image]) -> Splits:
    try:
        stored = json.loads(path.read_bytes())
        named = {
            name: [str(member) for member in members]
            for name, members in stored.items()
            if isinstance(members, list)
        }
    except (OSError, ValueError, AttributeError) as error:
        raise FormatError("not a split of images by name", where=path) from error
    by_file: dict[str, list[int]] = {}
    for index, image in enumerate(images):
        by_file.setdefault(_parts(image_name(image))[-1], []).append(index)
    return {
        name: np.array([i for member in members for i in _found(member, images, by_file)], np.int64)
        for name, members in named.items()
    }


def _found(member: str, images: Sequence[Image], by_file: dict[str, list[int]]) -> list[int]:
    """The images of a name: those that share the longest end of their paths, two steps at least.

    A name of one step is enough where one image has it. A project that was moved is known again so, and
    names of other labels than these are passed over: `formats.read_split` would refuse them.
    """
    wanted = _parts(member)
    candidates = by_file.get(wanted[-1], [])
    shared = {index: _shared_end(wanted, _parts(image_name(images[index]))) for index in candidates}
    longest = max(shared.values(), default=0)
    if longest < 2 and len(candidates) != 1:
        return []
    return [index for index in candidates if shared[index] == longest]


def _parts(name: str) -> tuple[str, ...]:
    return plain_path(name).parts or ("",)


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
