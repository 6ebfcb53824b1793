"""`ethopose.convert`: a result as a file that other tools read, a model of another tool as one of our own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ethopose import formats
from ethopose.core import UsageError
from ethopose.families import FAMILIES, Model, choose, load, native, of
from ethopose.store import Result

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)


def convert(
    source: Result | Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    format: str | None = None,
    overwrite: bool = False,
    **choice: object,
) -> Path:
    """Write a result in a format, the one named or the one that `out` ends in; or a model, or the two of a
    pair, as a folder of our own that computes the same numbers; gives `out`.

    `choice` is that of `ethopose.load`.

    Raises:
        FormatError: `source` is neither, or there is no such format.
        ModelError, SpecError: the model cannot be read, or its weights are not those of its network.
        ResultError: the result is unfinished, or `out` is there already.
        UsageError: `out` is there already, or an option is not for what is converted.
    """
    paths = [] if isinstance(source, Result) else _several(source)
    if len(paths) > 1 or (paths and any(family.recognises(paths[0]) for family in FAMILIES)):
        if format is not None:
            raise UsageError(f"a model is written as a folder, not as {format}", fix="leave out --format")
        return _convert_model(choose(paths, **choice), Path(out), overwrite=overwrite)
    choose(paths, **choice)
    return formats.convert(paths[0] if paths else source, out, format=format, overwrite=overwrite)  # type: ignore[arg-type]


def _convert_model(paths: Sequence[Path], out: Path, *, overwrite: bool) -> Path:
    if out.exists() and not (overwrite and native.recognises(out)):
        fix = "--overwrite replaces it" if native.recognises(out) else "name another folder"
        raise UsageError("there is something of this name already", where=out, fix=fix)
    model = load(paths, alone=True)
    if model.window is not None:
        part = ",".join(map(str, model.window))
        log.warning("its project looks at a part of frames; the new folder has none: --cropping %s", part)
    if model.missing is not None and model.spec.stages[0].preparation.conditions is None:
        raise model.missing  # of crops alone nothing could be made
    if model.needs:
        log.warning("it is written alone, and needs %s", model.needs)
    if any(path == out.resolve() for path in model.paths):
        raise UsageError("a model is not written over itself", where=out, fix="name another folder")
    came = {"family": model.spec.family, "name": model.spec.name, "digest": model.digest}
    provenance = {**model.spec.provenance, "converted_from": came}
    spec = model.spec.model_copy(update={"family": "ethopose", "provenance": provenance})
    weights = [_weights(model, stage) for stage in range(len(spec.stages))]
    plugins = [model.paths[0] / name for name in spec.plugins]
    native.write(out, spec, weights, plugins=plugins, half=False)
    return out


def _weights(model: Model, stage: int) -> dict[str, Tensor]:
    """Those of a stage, which its network takes; of a network of the folder's own code nobody has tried."""
    from ethopose.models.build import build_trained  # imports torch

    weights = model.weights(stage)
    if not model.spec.plugins:
        with of(model.paths[0]):
            build_trained(model.spec.stages[stage], weights)
    return weights


def _several(source: Path | str | Sequence[Path | str]) -> list[Path]:
    return [Path(source)] if isinstance(source, str | Path) else [Path(each) for each in source]
