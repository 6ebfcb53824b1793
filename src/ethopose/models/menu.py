"""What can be built on this machine: every part by name, with its options."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from ethopose.models.backbones import BACKBONES
from ethopose.models.backbones.timm import RECOMMENDED, encoder_names
from ethopose.models.grouping import GROUPINGS
from ethopose.models.heads import HEADS
from ethopose.models.losses import LOSSES
from ethopose.models.necks import NECKS
from ethopose.models.registry import Registry

REGISTRIES: tuple[Registry[Any], ...] = (BACKBONES, NECKS, HEADS, LOSSES, GROUPINGS)
REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Offer:
    """A part that a spec can name."""

    kind: str  # backbone, neck, head, loss or grouping
    name: str
    text: str  # the first line of its docstring
    options: dict[str, Any]  # their defaults; `REQUIRED` for those without


@dataclass(frozen=True, slots=True)
class Encoders:
    """What the backbone `timm` can be."""

    number: int
    recommended: dict[str, float]  # millions of parameters, without classifier


def menu() -> list[Offer]:
    """All parts, kind by kind; those of loaded plugins too."""
    return [
        Offer(registry.kind, name, _first_line(part), _options(part))
        for registry in REGISTRIES
        for name, part in registry.items()
    ]


def encoders() -> Encoders:
    """What timm has."""
    return Encoders(len(encoder_names()), dict(RECOMMENDED))


def _options(part: Any) -> dict[str, Any]:
    """The keywords of a part's signature; what the house itself hands over is none."""
    return {
        name: REQUIRED if option.default is option.empty else option.default
        for name, option in inspect.signature(part).parameters.items()
        if option.kind is option.KEYWORD_ONLY and name != "in_channels"
    }


def _first_line(part: Any) -> str:
    return (inspect.getdoc(part) or "").partition("\n\n")[0].replace("\n", " ")
