"""From labels and wishes to a training of which everything is decided."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, Labels, Skeleton, SpecError
from ethopose.families import Model, load
from ethopose.formats import guess_symmetries
from ethopose.formats.label_checks import Progress
from ethopose.media import read_pictures
from ethopose.models.build import DecodeGraph, NetworkGraph, build
from ethopose.models.grouping import GROUPINGS
from ethopose.models.spec import ModelSpec, Stage
from ethopose.train.choose import Choice, choose
from ethopose.train.config import Config, Loop, as_yaml
from ethopose.train.examples import Placed, placed
from ethopose.train.facts import Facts, facts
from ethopose.train.fitting import OF_NOBODY
from ethopose.train.inherit import inherited
from ethopose.train.sources import read_sources, ready_labels
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


def plan(
    config: Config, name: str, place: str, given: Labels | None = None, progress: Progress | None = None
) -> Plan:
    """Read the labels, unless they are given, and choose what the configuration leaves open, for a `cpu` or
    a `gpu`.

    Raises:
        DataError: there are no labels to learn from.
    """
    donor = None if config.weights is None else load(config.weights, alone=True)
    labels = given or read_sources(config.labels, config.data, unique=_of_nobody(config, donor))
    labels, sizes = ready_labels(labels, config.data, config.loop.seed, progress)
    labels = _with_symmetries(labels)
    train, val = _parts(labels)
    where = placed(labels)
    learned = Placed(where.xy[train], where.individual[train])
    told = facts(learned, sizes[train], labels.poses.skeleton, gray=_gray(labels))
    if donor is not None:
        config = inherited(config, donor, told)
    full, choices = choose(config, told, place)
    spec = model_spec(full, told, name)
    for stage in spec.stages:  # what cannot be built is told before anything is written
        graph = build(stage)
        _refuse_unread(stage, graph)
        _refuse_untold(stage, graph, told)
    images = _images(len(labels.images), train, val)
    return Plan(labels, sizes, where, train, val, told, full, (images, *choices), spec)


def _of_nobody(config: Config, donor: Model | None) -> bool:
    """Whether a head is to learn keypoints that belong to no animal."""
    given = (config.every_stage, *config.stages.values())
    told = () if donor is None else (stage.network for stage in donor.spec.stages)
    return any(head.name == OF_NOBODY for each in (*given, *told) for head in each.heads or ())


def _images(labelled: int, train: np.ndarray, val: np.ndarray) -> Choice:
    """How many are learned from and checked on, and how many are neither."""
    left = labelled - len(np.union1d(train, val))
    why = "learned from, checked on" + (f"; {left} of the labelled are neither" if left else "")
    return Choice("images", f"{len(train)} + {len(val)}", why)


def _refuse_unread(stage: Stage, graph: NetworkGraph) -> None:
    """Heads and what makes animals of their findings must belong together."""
    reads = GROUPINGS.build(stage.grouping.name, **stage.grouping.options).reads
    finds = DecodeGraph(graph).names
    if missing := [name for name in reads if name not in finds]:
        what = f"no head finds the {missing[0]} that a model with the grouping {stage.grouping.name} reads"
        raise SpecError(what, fix="give other heads, or another kind or identity")
    if "probability" in finds and "probability" not in reads:
        raise SpecError("the heads tell individuals apart, and that is not asked for", fix="say --identity")


def _refuse_untold(stage: Stage, graph: NetworkGraph, facts: Facts) -> None:
    """A backbone must read as many conditions as it is told."""
    reads: int = getattr(graph.backbone, "conditions", 0)
    told = 0 if stage.preparation.conditions is None else facts.keypoints
    if reads != told:
        what = f"the backbone {stage.network.backbone.name} reads {reads} conditions, and is told {told}"
        fix = "of a conditional model there are as many as keypoints, of others none"
        raise SpecError(what, fix=fix)


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
