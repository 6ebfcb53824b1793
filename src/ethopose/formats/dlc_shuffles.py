"""The splits that a DeepLabCut project stores, one a shuffle: `Documentation_data-*.pickle`."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ethopose.core import DataError, Labels
from ethopose.formats.careful_pickle import unpickle
from ethopose.formats.dlc_table import read_either
from ethopose.formats.format import reading
from ethopose.formats.label_images import listed, plain_path

logger = logging.getLogger(__name__)


NAMED = re.compile(r"iteration-(\d+)/.*-trainset(\d+)shuffle(\d+)")  # where a model of a shuffle lies


def shuffle_of(model: Path, project: Path) -> str | None:
    """The name of the shuffle that a model of a project was trained on; None for other models."""
    train = model if model.is_dir() else model.parent
    name = "/".join(train.parts[-3:-1])
    return name if project in train.parents and NAMED.fullmatch(name) else None


def read_shuffle(folder: Path, config: dict[str, Any], labels: Labels, shuffle: int | str | None) -> Labels:
    """The labels with the splits "train" and "test" of a stored shuffle; as they were where none is stored.

    None takes the shuffle of the lowest number, 0 none; a text is a name of `shuffle_of`. Images labelled
    since it was made belong to neither split.

    Raises:
        DataError: there is no such shuffle. FormatError: its files are damaged.
    """
    if isinstance(shuffle, str) and (named := NAMED.fullmatch(shuffle)):
        iteration, percent, shuffle = map(int, named.groups())
        config = {**config, "iteration": iteration, "TrainingFraction": [(percent + 0.5) / 100]}
    stored = _stored(folder, config)
    if shuffle == 0 or (shuffle is None and not stored):
        return labels
    number = min(stored) if shuffle is None else shuffle
    if number not in stored:
        there = f"stored are {', '.join(map(str, sorted(stored)))}" if stored else "none is stored"
        raise DataError(f"there is no shuffle {number}; {there}", where=folder)
    if shuffle is None and len(stored) > 1:
        logger.warning("%d shuffles are stored; images are split as in shuffle %d", len(stored), number)
    return _split(labels, stored[number], number)


def _stored(folder: Path, config: dict[str, Any]) -> dict[int, Path]:
    """Shuffles of the project's iteration; one made with several fractions is taken with the first listed."""
    sets = folder / "training-datasets" / f"iteration-{config.get('iteration') or 0}"
    fractions = config.get("TrainingFraction") or []
    shares = [int(100 * float(fraction)) for fraction in fractions]  # truncates as DeepLabCut does
    found: dict[int, tuple[int, Path]] = {}
    for path in sorted(sets.glob("*/Documentation_data-*.pickle")):
        if match := re.search(r"_(\d+)shuffle(\d+)\.pickle$", path.name):
            share, number = map(int, match.groups())
            rank = shares.index(share) if share in shares else len(shares)
            if number not in found or rank < found[number][0]:
                found[number] = rank, path
    return {number: path for number, (_, path) in found.items()}


def _split(labels: Labels, path: Path, number: int) -> Labels:
    with reading(path, "shuffle"):
        content = unpickle(path.read_bytes())
        members = {
            name: [int(row) for row in rows]
            for name, rows in zip(("train", "test"), content[1:3], strict=True)
        }
    merged = [
        file
        for file in sorted(path.parent.glob("CollectedData_*"), reverse=True)
        if file.suffix in (".h5", ".csv")
    ]
    if not merged:  # the pickle's numbers count in this table's rows
        logger.warning("shuffle %d cannot be used: %s lacks its CollectedData file", number, path.parent.name)
        return labels
    rows = [_key(name) for name in read_either(merged).images]
    if max((row for each in members.values() for row in each), default=-1) >= len(rows):
        raise DataError(f"shuffle {number} counts beyond the {len(rows)} images of its table", where=path)
    place = {_key(image.path.as_posix()): index for index, image in enumerate(labels.images)}
    splits = {name: _found(place, [rows[row] for row in each if row >= 0]) for name, each in members.items()}
    _tell(labels, splits, sum(map(len, members.values())), number)
    return replace(labels, splits=splits)


def _key(name: str) -> tuple[str, ...]:
    """Folder and name of an image: all that stays when a project moves."""
    return plain_path(name).parts[-2:]


def _found(place: dict[tuple[str, ...], int], wanted: Sequence[tuple[str, ...]]) -> np.ndarray:
    return np.array(sorted(place[key] for key in wanted if key in place), np.int64)


def _tell(labels: Labels, splits: dict[str, np.ndarray], n_stored: int, number: int) -> None:
    n_split = sum(map(len, splits.values()))
    if n_split < n_stored:
        logger.warning("%d images of shuffle %d are no longer labelled", n_stored - n_split, number)
    if n_split < len(labels.images):
        new = np.setdiff1d(np.arange(len(labels.images)), np.concatenate(list(splits.values())))
        names = listed([labels.images[index].path.name for index in new])
        logger.warning(
            "%d images were labelled after shuffle %d was made and belong to no split of it: they are not "
            "learned from (%s); --shuffle 0 splits all images anew",
            len(new),
            number,
            names,
        )
