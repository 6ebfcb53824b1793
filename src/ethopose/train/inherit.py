"""Starting from another model: its networks are taken over, its heads by the names of their keypoints."""

from __future__ import annotations

import math
from typing import Any

from ethopose.core import SpecError
from ethopose.families import Model
from ethopose.models.spec import Part, Stage
from ethopose.train.choose import filling
from ethopose.train.config import DEEPEST, Config, Kind, StageConfig
from ethopose.train.facts import Facts
from ethopose.train.fitting import fitted, fitted_backbone, fitted_conditions

OF_SEVERAL = ("affinity", "class_map", "assembly", "by_centre")  # that make any number of animals
KINDS: dict[str, Kind] = {
    "single": "single",
    "centroid": "top-down",
    "instance": "top-down",
    "bottom-up": "bottom-up",
    "conditional": "conditional",
}


def role(stage: Stage) -> str:
    """What a stage is here: one of `KINDS`; or box, which is not trained here."""
    if stage.preparation.conditions is not None:
        return "conditional"
    grouping = stage.grouping
    if grouping.name == "together":
        grouping = Part.model_validate(grouping.options["animals"])
    if grouping.name == "boxes":
        return "box"
    if grouping.name == "one_per_peak":
        return "centroid"
    if grouping.name in OF_SEVERAL:
        return "bottom-up"
    return "instance" if stage.preparation.crop else "single"


def _shown(stage: Stage, facts: Facts) -> dict[str, Any]:
    """At which scale frames are seen; where boxes fill the network's pictures, also the window."""
    told = stage.preparation
    if told.crop is None or (told.boxed is None and told.conditions is None):
        return {"scale": told.scale}
    height, width = (math.ceil(side / DEEPEST) * DEEPEST for side in told.crop)
    if told.conditions is not None:
        return {"window": (height, width), "conditions": fitted_conditions(told.conditions, facts)}
    return {"scale": filling((height, width), facts), "window": (height, width)}


def inherited(config: Config, donor: Model, facts: Facts) -> Config:
    """The configuration with what the donor's networks are, where it does not say otherwise.

    Raises:
        SpecError: the donor is of another kind, or another network is asked for.
    """
    stages = dict(config.stages)
    known = [stage for stage in donor.spec.stages if role(stage) in KINDS]
    kind = config.kind or KINDS[role(known[-1])]
    mine = [stage for stage in known if KINDS[role(stage)] == kind]
    if not mine:
        raise SpecError(
            f"no {kind} model starts from {donor.spec.name}, which is {KINDS[role(known[-1])]}",
            fix="leave out --kind, or --weights",
        )
    knows = donor.spec.tells_individuals
    if config.identity != knows and "identity" in config.model_fields_set:
        what = f"{donor.spec.name} tells {'' if knows else 'no '}individuals apart"
        raise SpecError(what, fix="leave out --identity and --no-identity, or --weights")
    for stage in mine:
        name, network = role(stage), stage.network
        heads, grouping = fitted(stage, donor.spec.skeleton, facts, name)
        own = {
            **_shown(stage, facts),
            "channels": network.in_channels,
            "backbone": fitted_backbone(network.backbone, facts),
            "neck": network.neck,
            "heads": heads,
            "grouping": grouping,
        }
        given = stages.get(name, StageConfig())
        told = config.every_stage.model_dump(exclude_none=True) | given.model_dump(exclude_none=True)
        asked = {key: value for key, value in StageConfig.model_validate(told) if value is not None}
        parts = [part for part in ("backbone", "neck", "heads", "grouping") if part in asked]
        if any(asked[part] != own[part] for part in parts):
            raise SpecError("both weights to start from and another network", fix="leave out one of the two")
        stages[name] = given.model_copy(update={key: value for key, value in own.items() if key not in asked})
    return config.model_copy(update={"kind": kind, "identity": knows, "stages": stages})
