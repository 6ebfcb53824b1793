"""Which images were trained on, and which were kept aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import FormatError, Image, Labels, UsageError
from ethopose.formats.label_images import images_named

SPLIT_FILE = Path("training/split.json")  # in a model's folder: names of images by split

Splits = dict[str, Int64[np.ndarray, "image"]]


def splits_of(labels: Labels, folders: Iterable[Path]) -> Splits:
    """Indices of images by split: as the model that lies in `folders` was trained; what it does not know, as
    the labels say.

    Raises:
        FormatError: a model's split file is damaged.
    """
    known: Splits = {}
    for folder in folders:
        if (folder / SPLIT_FILE).is_file():
            known |= _named(folder / SPLIT_FILE, labels.images)
    told = np.concatenate([*known.values(), np.zeros(0, np.int64)])
    for name, members in labels.splits.items():
        mine = known.get(name, np.zeros(0, np.int64))
        known[name] = np.concatenate([mine, np.setdiff1d(members, told)])
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
    # names of other labels than these are passed over: `formats.read_split` would refuse them
    find = images_named(images)
    return {
        name: np.array([i for member in members for i in find(member)], np.int64)
        for name, members in named.items()
    }
