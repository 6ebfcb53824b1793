"""Labels from their sources: read, checked against their pictures, split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, Labels, UsageError
from ethopose.formats import (
    check_labels,
    drop_images,
    join_labels,
    look_at,
    read_labels,
    read_split,
    split_labels,
    tell_copies,
)
from ethopose.formats.label_checks import Progress
from ethopose.train.config import Data

log = logging.getLogger(__name__)


def read_sources(paths: Sequence[Path], data: Data, *, unique: bool = False) -> Labels:
    """The labels of all sources, which have the same keypoints; those that belong to no animal are asked for
    as `unique`.

    Raises:
        UsageError: there is no source. DataError, FormatError: one cannot be read, or skeletons differ.
    """
    if not paths:
        raise UsageError("no labels", fix="name a project, a folder or a file of labels")
    sources = [read_labels(path, shuffle=data.shuffle, unique=unique) for path in paths]
    return join_labels(sources) if len(sources) > 1 else sources[0]


def ready_labels(
    labels: Labels, data: Data, seed: int, progress: Progress | None = None
) -> tuple[Labels, Int64[np.ndarray, "picture 2"]]:
    """Labels fit to learn from, split, and the sizes (height, width) of their pictures.

    Raises:
        DataError: nothing is left to learn from.
    """
    if data.exclude:
        meant = np.array([[_is_at(i.path.as_posix(), end) for end in data.exclude] for i in labels.images])
        if not meant.any(0).all():
            end = data.exclude[int(meant.any(0).argmin())]
            raise DataError(f"no labelled image is at {end!r}, which is to be excluded", fix="check the path")
        out = np.asarray(meant.any(1), bool)
        if out.all():
            raise DataError("every labelled image is excluded", fix="leave out --exclude, or name fewer")
        labels = drop_images(labels, out, "excluded")
    seen, digests = look_at(labels.images, progress)
    labels, sizes = check_labels(labels, seen)
    digests = [digest for digest, size in zip(digests, seen, strict=True) if size.all()]
    stored = data.split is not None or {"train", "val"} <= labels.splits.keys()
    if stored and (unused := sorted({"split_by", "validation"} & data.model_fields_set)):
        where = data.split or "the labels"
        log.warning("%s tell the split: %s counts for nothing", where, " and ".join(unused))
    if data.split is not None:
        labels = read_split(data.split, labels)
    else:
        labels = split_labels(labels, by=data.split_by, share=data.validation, seed=seed, digests=digests)
    tell_copies(labels, digests)
    return labels, sizes


def _is_at(path: str, end: str) -> bool:
    return path.endswith("/" + end.strip("/")) or f"/{end.strip('/')}/" in path
