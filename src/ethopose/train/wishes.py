"""The few settings that have a name of their own on the command line and in Python."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ethopose.core import SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.train.config import Config, make_config, read_config

EVERY = "every_stage"
PLACES: dict[str, tuple[str, ...]] = {
    "kind": ("kind",),
    "identity": ("identity",),
    "preset": ("preset",),
    "weights": ("weights",),
    "imagenet": ("imagenet",),
    "plugins": ("plugins",),
    "backbone": (EVERY, "backbone"),
    "scale": (EVERY, "scale"),
    "batch_size": (EVERY, "batch"),
    "steps": (EVERY, "steps"),
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
    base = Path(config).absolute().parent if isinstance(config, str | Path) else Path.cwd()
    if isinstance(config, str | Path):
        config = read_config(Path(config))
    given = config if isinstance(config, Config) else make_config(dict(config or {}))
    content: dict[str, Any] = _anchored(given.model_dump(exclude_unset=True), base)
    if labels:
        content["labels"] = labels
    if wishes.get("steps") is not None and wishes.get("minutes") is not None:
        raise SpecError("both steps and minutes", fix="the length is told by one of the two")
    for name, value in wishes.items():
        if name not in PLACES:
            near = difflib.get_close_matches(name, PLACES, 1)
            fix = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PLACES)}"
            raise SpecError(f"no setting is named {name!r}", fix=fix)
        if name == "steps" and value is not None:
            content.get("loop", {}).pop("minutes", None)
        if value is not None:
            _enter(content, PLACES[name], _part(value) if name == "backbone" else value)
    return make_config(_anchored(content, Path.cwd()))


def _enter(content: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    """A value at its place; one for every stage also with the stages that the file sets apart."""
    *folders, last = place
    if folders == [EVERY]:
        for stage in content.get("stages", {}).values():
            stage[last] = value
    for folder in folders:
        content = content.setdefault(folder, {})
    content[last] = value


def _anchored(content: dict[str, Any], base: Path) -> dict[str, Any]:
    """With whole paths, so that a training can be gone on with from anywhere; `base` is where they begin."""

    def whole(path: Any) -> Any:
        return base / path if isinstance(path, str | Path) else path

    paths = {name: tuple(map(whole, content[name])) for name in ("labels", "plugins") if content.get(name)}
    paths |= {name: whole(content[name]) for name in ("weights", "imagenet") if content.get(name)}
    data = content.get("data", {})
    split = {"data": {**data, "split": whole(data["split"])}} if data.get("split") else {}
    return {**content, **paths, **split}


def _part(backbone: Any) -> Any:
    """A backbone by name: one of ours, or one of timm's."""
    if not isinstance(backbone, str):
        return backbone
    if backbone in BACKBONES:
        return {"name": backbone}
    return {"name": "timm", "options": {"model": backbone}}
