"""Starting from another model: its networks are taken over, its heads by the names of their keypoints."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ethopose.core import Skeleton, SpecError
from ethopose.families import Model
from ethopose.models.build import NetworkGraph
from ethopose.models.spec import Part, Stage
from ethopose.train.config import Config, Kind, StageConfig
from ethopose.train.facts import Facts
from ethopose.train.heads import fitted

KNOWS_WHO = ("class_map", "class_vector")  # groupings that name the individual
KINDS: dict[str, Kind] = {
    "single": "single",
    "centroid": "top-down",
    "instance": "top-down",
    "bottom-up": "bottom-up",
}


RUN_ONLY = ("assembly", "by_centre", "together")  # groupings

# layers of heads whose rows are keypoints, edges or individuals, by head
BY_NAME = {
    "probability_map": ("layer", "visible"),
    "confidence_map": ("layer", "offsets"),
    "simcc": ("layer",),
    "part_affinity": ("layer",),
    "class_map": ("layer",),
    "class_vector": ("last",),
}


def role(stage: Stage) -> str:
    """What a stage is here: single, centroid, instance or bottom-up; or box, which is not trained here."""
    if stage.grouping.name == "boxes":
        return "box"
    if stage.grouping.name == "one_per_peak":
        return "centroid"
    if stage.grouping.name in ("affinity", "class_map"):
        return "bottom-up"
    return "instance" if stage.preparation.crop else "single"


def _check(donor: Model) -> None:
    """Refuse networks that are run, and not trained."""
    last = donor.spec.stages[-1]
    if last.preparation.conditions is not None or last.grouping.name in RUN_ONLY:
        what = f"{donor.spec.name} is run here, and not trained: {donor.spec.kind}, {last.grouping.name}"
        raise SpecError(what, where=donor.paths[0], fix="start from a model of another kind, or from nothing")


def inherited(config: Config, donor: Model, facts: Facts) -> Config:
    """The configuration with what the donor's networks are, where it does not say otherwise.

    Raises:
        SpecError: the donor is of another kind, or another network is asked for.
    """
    _check(donor)
    stages = dict(config.stages)
    known = [stage for stage in donor.spec.stages if role(stage) in KINDS]
    kind = config.kind or KINDS[role(known[0])]
    mine = [stage for stage in known if KINDS[role(stage)] == kind]
    if not mine:
        raise SpecError(
            f"no {kind} model starts from {donor.spec.name}, which is {KINDS[role(known[0])]}",
            fix="leave out --kind, or --weights",
        )
    knows = any(stage.grouping.name in KNOWS_WHO for stage in mine)
    if config.identity != knows and "identity" in config.model_fields_set:
        what = f"{donor.spec.name} tells {'' if knows else 'no '}individuals apart"
        raise SpecError(what, fix="leave out --identity and --no-identity, or --weights")
    for stage in mine:
        name, network = role(stage), stage.network
        heads = fitted(network.heads, facts, name)
        own = {
            "scale": stage.preparation.scale,
            "channels": network.in_channels,
            "backbone": network.backbone,
            "neck": network.neck,
            "heads": heads,
        }
        given = stages.get(name, StageConfig())
        told = config.every_stage.model_dump(exclude_none=True) | given.model_dump(exclude_none=True)
        asked = {key: value for key, value in StageConfig.model_validate(told) if value is not None}
        parts = [part for part in ("backbone", "neck", "heads") if part in asked]
        if any(asked[part] != own[part] for part in parts):
            raise SpecError("both weights to start from and another network", fix="leave out one of the two")
        stages[name] = given.model_copy(update={key: value for key, value in own.items() if key not in asked})
    return config.model_copy(update={"kind": kind, "identity": knows, "stages": stages})


def take_over(graph: NetworkGraph, stage: Stage, skeleton: Skeleton, donor: Model) -> tuple[str, ...] | None:
    """Copy the weights of the donor's stage of the same role; gives the keypoints that it knew, None where
    it has no such stage.

    Raises:
        SpecError: the donor has no such stage.
    """
    index = next((i for i, given in enumerate(donor.spec.stages) if role(given) == role(stage)), None)
    if index is None:
        return None
    given = donor.spec.stages[index]
    state = graph.state_dict()
    for name, tensor in donor.weights(index).items():
        rows = _rows(name, given, stage, donor.spec.skeleton, skeleton)
        if rows is None:
            if state[name].shape == tensor.shape:
                state[name] = tensor
            elif not name.startswith("heads."):
                raise SpecError(f"the weights do not fit: {name} is {tuple(tensor.shape)}")
        else:
            _copy_rows(state[name], tensor, rows)
    graph.load_state_dict(state)
    known = donor.spec.skeleton.keypoints
    return tuple(name for name in skeleton.keypoints if name in known)


Names = Sequence[object]


def _rows(name: str, given: Stage, wanted: Stage, old: Skeleton, new: Skeleton) -> tuple[Names, Names] | None:
    """What the rows of a head's layer stand for, in both models; None where they are no list of names."""
    parts = name.split(".")
    if parts[0] != "heads" or role(given) == "centroid":
        return None
    head, other = given.network.heads[int(parts[1])], wanted.network.heads[int(parts[1])]
    if parts[2] not in BY_NAME.get(head.name, ()):
        return None
    if "edges" in head.options:
        return _edge_names(head, old), _edge_names(other, new)
    if "classes" in head.options:
        return old.individuals, new.individuals
    return old.keypoints, new.keypoints


def _edge_names(head: Part, skeleton: Skeleton) -> Names:
    return [(skeleton.keypoints[a], skeleton.keypoints[b]) for a, b in head.options["edges"]]


def _copy_rows(target: Tensor, source: Tensor, names: tuple[Names, Names]) -> None:
    """Each name has the same number of rows, one after the other."""
    old, new = (list(each) for each in names)
    if not old or not new or source.shape[0] % len(old) or target.shape[1:] != source.shape[1:]:
        return
    each = source.shape[0] // len(old)
    for place, name in enumerate(new):
        if name in old:
            start = old.index(name) * each
            target[place * each : (place + 1) * each] = source[start : start + each]
