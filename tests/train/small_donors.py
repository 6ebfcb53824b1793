"""Small models of every kind that other tools have and that trainings start from; weights by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ethopose.core import Skeleton
from ethopose.families import native
from ethopose.models.build import build
from ethopose.models.spec import Boxed, Conditioning, ModelSpec, Network, Part, Preparation, Stage

NAMES = ("nose", "ear", "tail")
CORNERS = ("left corner", "right corner")
TWICE = {"kernels": [3], "strides": [2]}  # twice as many cells, and one
FOURFOLD = {"kernels": [3, 2], "strides": [2, 2]}
WHOLE = Preparation(color="rgb", pad_to=32)
CROP = Preparation(color="rgb", crop=(64, 64), boxed=Boxed())
CONDITIONED = Preparation(color="rgb", crop=(64, 64), conditions=Conditioning(bounds=(64, 64)))
LINKED = {"keypoints": 3, "edges": [[0, 1], [1, 2]], "animals": 2}

FIELDS = {
    "name": "staged_fields",
    "options": {
        "keypoints": 3,
        "edges": [[0, 1], [0, 2], [1, 2]],
        "kept": [0, 2],
        "source": 4,
        "stages": 2,
        "features": 4,
        "maps": {"channels": [3], **TWICE},
        "offsets": {"channels": [6], **TWICE},
        "fields": {"channels": [6], **TWICE},
        "peaks_kept": 2,
    },
}
PLAIN_FIELDS = {**FIELDS, "options": {**FIELDS["options"], "stages": 0, "kept": None}}
LOCATED = {
    "name": "located_map",
    "options": {
        "keypoints": 3,
        "source": 4,
        "maps": {"channels": [4, 4], **FOURFOLD, "last": [3, 1]},
        "offsets": {"channels": [4, 6], **FOURFOLD},
    },
}
CENTRES = {"name": "centre_offsets", "options": {"keypoints": 3, "animals": 2, "map_width": 4, "width": 4}}
SIMCC = {"name": "attended_simcc", "options": {"keypoints": 3, "size": [64, 64], "width": 16, "keys": 8}}
TOKENS = {
    "name": "token_map",
    "options": {
        "keypoints": 3,
        "source": 4,
        "cells": [16, 16],
        "map_cells": [16, 16],
        "width": 16,
        "depth": 1,
        "lookers": 2,
        "position": "learned",
    },
}
BACKBONES = {  # of donors that do not have the usual one
    "conditions": {
        "name": "conditioned",
        "options": {
            "conditions": 3,
            "inner": "cspnext",
            "options": {"width": 0.125, "depth": 0.33},
            "width": 8,
        },
    },
    "attended conditions": {
        "name": "conditioned_hrnet",
        "options": {"conditions": 3, "size": [64, 64], "model": "hrnet_w18_small"},
    },
}
WHO = {"name": "identity_map", "options": {"classes": 2, "source": 4, "maps": {"channels": [2], **TWICE}}}
ALONE = {"name": "unique_map", "options": {"keypoints": 2, "source": 4, "maps": {"channels": [2], **TWICE}}}
ASSEMBLY = {"name": "assembly", "options": LINKED}

DONORS: dict[str, tuple[Preparation, list[dict[str, Any]], dict[str, Any]]] = {
    "heat maps": (WHOLE, [LOCATED], {"name": "one_each"}),
    "fields": (
        WHOLE,
        [PLAIN_FIELDS],
        {"name": "assembly", "options": {**LINKED, "edges": [[0, 1], [0, 2], [1, 2]]}},
    ),
    "staged fields": (WHOLE, [FIELDS], ASSEMBLY),
    "centres": (WHOLE, [CENTRES], {"name": "by_centre"}),
    "identity": (
        WHOLE,
        [FIELDS, WHO],
        {"name": "together", "options": {"animals": ASSEMBLY, "individuals": 2}},
    ),
    "unique": (
        WHOLE,
        [CENTRES, ALONE],
        {"name": "together", "options": {"animals": {"name": "by_centre"}, "unique": 2}},
    ),
    "boxed heat maps": (CROP, [LOCATED], {"name": "one_each"}),
    "bins": (CROP, [SIMCC], {"name": "one_each"}),
    "tokens": (CROP, [TOKENS], {"name": "one_each"}),
    "conditions": (CONDITIONED, [SIMCC], {"name": "one_each"}),
    "attended conditions": (CONDITIONED, [LOCATED], {"name": "one_each"}),
}


def skeleton_of(name: str, keypoints: tuple[str, ...] = NAMES) -> Skeleton:
    """Of a donor, with what it tells besides animals."""
    unique = CORNERS if name == "unique" else ()
    individuals = ("one", "two") if name == "identity" else ()
    return Skeleton((*keypoints, *unique), individuals=individuals, unique=unique)


def donor(folder: Path, name: str) -> Path:
    """The folder of a model of that kind."""
    preparation, heads, grouping = DONORS[name]
    network = Network(
        in_channels=3,
        backbone=Part.model_validate(BACKBONES.get(name, {"name": "nano", "options": {"width": 8}})),
        neck=Part(name="fpn", options={"width": 8, "stride": 4}),
        heads=tuple(Part.model_validate(head) for head in heads),
    )
    stage = Stage(preparation=preparation, network=network, grouping=Part.model_validate(grouping))
    spec = ModelSpec(
        name=folder.name, family="another", kind=name, skeleton=skeleton_of(name), stages=(stage,)
    )
    torch.manual_seed(5)
    native.write(folder, spec, [build(stage).state_dict()], half=False)
    return folder
