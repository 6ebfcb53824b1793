"""From labels and wishes to a training of which everything is decided."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, Labels, Skeleton, UsageError
from ethopose.families import load
from ethopose.formats import (
    check_labels,
    drop_images,
    guess_symmetries,
    join_labels,
    read_labels,
    read_split,
    split_labels,
)
from ethopose.media import read_pictures
from ethopose.models.build import build
from ethopose.models.spec import ModelSpec
from ethopose.train.choose import Choice, choose
from ethopose.train.config import Config, Loop, as_yaml
from ethopose.train.examples import Placed, placed
from ethopose.train.facts import Facts, facts, tree
from ethopose.train.inherit import inherited
from ethopose.train.specs import model_spec

log = logging.getLogger(__name__)

SAMPLED = 32  # pictures that are looked at to tell whether all are gray
MAY_CHANGE = set(Loop.model_fields) - {"precision", "seed", "freeze_norm"}


@dataclass(frozen=True, slots=True)
class Plan:
    """A training, decided: the same plan gives the same model."""

    labels: Labels
    sizes: Int64[np.ndarray, "picture 2"]
    placed: Placed
    train: Int64[np.ndarray, "picture"]
    val: Int64[np.ndarray, "picture"]
    facts: Facts
    config: Config  # in full
    choices: tuple[Choice, ...]
    spec: ModelSpec

    def as_yaml(self) -> str:
        """The configuration in full."""
        return as_yaml(self.config)

    def key(self) -> str:
        """What tells this training from others: labels, split and all settings that change its outcome."""
        settings = self.config.model_dump_json(exclude={"loop": MAY_CHANGE, "labels": True})
        digest = hashlib.sha256(settings.encode())
        for array in (self.placed.xy, self.placed.individual, self.train, self.val):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def plan(config: Config, name: str, place: str, given: Labels | None = None) -> Plan:
    """Read the labels, unless they are given, and choose what the configuration leaves open, for a `cpu` or
    a `gpu`.

    Raises:
        DataError: there are no labels to learn from.
    """
    labels, sizes = _checked(config, given or _read(config))
    labels = _with_symmetries(labels)
    train, val = _parts(labels)
    where = placed(labels)
    learned = Placed(where.xy[train], where.individual[train])
    told = facts(learned, sizes[train], labels.poses.skeleton, gray=_gray(labels))
    skeleton = labels.poses.skeleton
    if config.weights is not None:
        config = inherited(config, load(config.weights, alone=True))
    full, choices = choose(config, told, place)
    spec = model_spec(full, skeleton, told, tree(learned, skeleton), name)
    for stage in spec.stages:
        build(stage)  # what cannot be built is told before anything is written
    return Plan(labels, sizes, where, train, val, told, full, tuple(choices), spec)


def _read(config: Config) -> Labels:
    if not config.labels:
        raise UsageError("no labels", fix="name a project, a folder or a file of labels")
    sources = [read_labels(path, shuffle=config.data.shuffle) for path in config.labels]
    return join_labels(sources) if len(sources) > 1 else sources[0]


def _checked(config: Config, labels: Labels) -> tuple[Labels, Int64[np.ndarray, "picture 2"]]:
    """Labels fit to learn from, split, and the sizes of their pictures."""
    ends = tuple(config.data.exclude)
    if ends:
        out = np.array([_excluded(image.path.as_posix(), ends) for image in labels.images], bool)
        labels = drop_images(labels, out, "excluded")
    labels, sizes = check_labels(labels)
    if config.data.split is not None:
        labels = read_split(config.data.split, labels)
    else:
        labels = split_labels(
            labels, by=config.data.split_by, share=config.data.validation, seed=config.loop.seed
        )
    return labels, sizes


def _excluded(path: str, ends: Sequence[str]) -> bool:
    return any(path.endswith("/" + end.strip("/")) or f"/{end.strip('/')}/" in path for end in ends)


def _parts(labels: Labels) -> tuple[Int64[np.ndarray, "picture"], Int64[np.ndarray, "picture"]]:
    """Pictures to learn from and to check on."""
    train, val = labels.splits["train"], labels.splits["val"]
    if not np.isin(train, labels.poses.frame).any():
        raise DataError("no labelled image is left to learn from", fix="keep fewer for validation")
    if not np.isin(val, labels.poses.frame).any():
        log.warning("no labelled image is kept for validation: errors are those of the training images")
        val = train
    return train, val


def _with_symmetries(labels: Labels) -> Labels:
    skeleton: Skeleton = labels.poses.skeleton
    pairs = skeleton.symmetries or guess_symmetries(skeleton.keypoints)
    poses = replace(labels.poses, skeleton=replace(skeleton, symmetries=pairs))
    return replace(labels, poses=poses)


def _gray(labels: Labels) -> bool:
    chosen = np.unique(np.linspace(0, len(labels.images) - 1, SAMPLED).astype(int))
    pictures = read_pictures([labels.images[index] for index in chosen])
    return all(
        picture is None
        or bool((picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all())
        for picture in pictures
    )
