"""The few settings that have a name of their own on the command line and in Python."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ethopose.core import SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.train.config import Config, make_config, read_config

PLACES: dict[str, tuple[str, ...]] = {
    "kind": ("kind",),
    "identity": ("identity",),
    "preset": ("preset",),
    "weights": ("weights",),
    "imagenet": ("imagenet",),
    "plugins": ("plugins",),
    "backbone": ("every_stage", "backbone"),
    "scale": ("every_stage", "scale"),
    "batch_size": ("every_stage", "batch"),
    "steps": ("every_stage", "steps"),
    "minutes": ("loop", "minutes"),
    "device": ("loop", "device"),
    "devices": ("loop", "devices"),
    "nodes": ("loop", "nodes"),
    "threads": ("loop", "threads"),
    "precision": ("loop", "precision"),
    "seed": ("loop", "seed"),
    "trackers": ("loop", "trackers"),
    "split": ("data", "split"),
    "split_by": ("data", "split_by"),
    "validation": ("data", "validation"),
    "exclude": ("data", "exclude"),
    "shuffle": ("data", "shuffle"),
}


def configured(
    labels: tuple[Path, ...],
    config: Config | Mapping[str, Any] | Path | str | None,
    wishes: Mapping[str, Any],
) -> Config:
    """A configuration with labels and wishes entered; wishes that are None leave it as it is.

    Raises:
        SpecError: there is no such wish, key or value.
    """
    if isinstance(config, str | Path):
        config = read_config(Path(config))
    given = config if isinstance(config, Config) else make_config(dict(config or {}))
    content: dict[str, Any] = given.model_dump(exclude_unset=True)
    if labels:
        content["labels"] = labels
    for name, value in wishes.items():
        if name not in PLACES:
            near = difflib.get_close_matches(name, PLACES, 1)
            fix = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PLACES)}"
            raise SpecError(f"no setting is named {name!r}", fix=fix)
        if value is not None:
            *folders, last = PLACES[name]
            place = content
            for folder in folders:
                place = place.setdefault(folder, {})
            place[last] = _part(value) if name == "backbone" else value
    return make_config(content)


def _part(backbone: Any) -> Any:
    """A backbone by name: one of ours, or one of timm's."""
    if not isinstance(backbone, str):
        return backbone
    if backbone in BACKBONES:
        return {"name": backbone}
    return {"name": "timm", "options": {"model": backbone}}
