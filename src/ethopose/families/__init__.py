"""Other tools' model folders and our own: recognise, translate into a spec, hand over the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ethopose.core import ModelError, UsageError
from ethopose.families import deeplabcut3, native, sleap_nn
from ethopose.families.conditional import is_conditional, paired
from ethopose.families.model import Family, Model, of
from ethopose.models.plugins import load_plugin

FAMILIES = (
    Family("ethopose", native.recognises, native.read, pairs=False),
    Family("SLEAP-NN", sleap_nn.recognises, sleap_nn.read),
    Family(
        "DeepLabCut 3", deeplabcut3.recognises, deeplabcut3.read, deeplabcut3.choose, deeplabcut3.read_alone
    ),
)

__all__ = ["FAMILIES", "Family", "Model", "choose", "family_of", "load", "of"]


def load(
    model: str | Path | Sequence[str | Path],
    *,
    alone: bool = False,
    crops_only: bool = False,
    trust_code: bool = False,
    **choice: Any,
) -> Model:
    """The model at a path, or at the two of a top-down pair in any order.

    A file of a model folder (a checkpoint, a configuration) stands for its folder, or where several networks
    lie there, for the one whose weights it holds. `alone` is for looking at: a model that reads crops without
    the one that finds them, which may be missing, and code that lies in a folder left alone. `crops_only` is
    for those who look for the animals themselves: a top-down model without what finds them. `trust_code` runs
    that code. `choice` is for `choose`.

    Raises:
        ModelError: there is no folder, or nothing in it is known.
        UsageError: two folders that form no pair, or the second of a pair by itself; or code of a model's
            own that nobody said to trust.
    """
    given = [model] if isinstance(model, str | Path) else list(model)
    paths = [_there(path) for path in choose(given, **choice)]
    if not 1 <= len(paths) <= 2:
        raise UsageError(f"a model is one folder or a pair of two, not {len(paths)}")
    family = family_of(paths[0])
    if crops_only and (family.read_alone is not None or not alone):
        if family.read_alone is None:
            raise UsageError(f"models of {family.name} have no part that reads crops alone", where=paths[0])
        return family.read_alone(paths)
    found = _read(paths)
    if alone:
        return found
    if found.missing is not None:
        raise found.missing
    preparation = found.spec.stages[0].preparation
    if preparation.crop:
        other = "centroid" if preparation.conditions is None else "conditions"
        raise UsageError(
            f"a {found.spec.kind} model reads crops and needs to be told where the animals are",
            where=paths[0],
            fix=f"give its {other} model as well: -m {other.upper()} -m {paths[0].name}"
            + (", or --conditions FILE" if preparation.conditions else ""),
        )
    _load_code(found, trusted=trust_code)
    return found


def _read(paths: Sequence[Path]) -> Model:
    """A model, or two that are told apart by whether they are told conditions, whoever made them; other pairs
    are of one tool."""
    families = [family_of(path) for path in paths]
    same = len({family.name for family in families}) == 1
    if len(paths) > 1 and not (same and families[0].pairs):
        first, second = sorted(
            (each.read([path]) for each, path in zip(families, paths, strict=True)), key=is_conditional
        )
        if is_conditional(second):
            return paired(first, second)
        if not same:
            named = " and ".join(family.name for family in families)
            raise UsageError(f"no pair: the folders are of {named}", where=_listed(paths))
    return families[0].read(paths)


def choose(model: Sequence[str | Path], **choice: Any) -> list[Path]:
    """The paths of one model of a project, of which `choice` tells what is asked for; `load` and all that
    takes a model takes them. Of a DeepLabCut project: shuffle, trainingset_index, iteration, modelprefix,
    snapshot, detector_snapshot (`ethopose.families.deeplabcut3.choose`).

    Raises:
        UsageError: there is no such model, or no project.
    """
    paths = [Path(path) for path in model]
    choice = {name: value for name, value in choice.items() if value is not None}
    if not choice:
        return paths
    family = family_of(_there(paths[0])) if len(paths) == 1 else None
    if family is None or family.choose is None:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in choice)
        raise UsageError(f"{named}: for a DeepLabCut project alone", fix="leave it out")
    return family.choose(paths[0], **choice)


def _load_code(model: Model, *, trusted: bool) -> None:
    if model.spec.plugins and not trusted:
        raise UsageError(
            f"this model brings code of its own ({', '.join(model.spec.plugins)})",
            where=model.paths[0],
            fix="look at it, then --trust-code",
        )
    for name in model.spec.plugins:
        load_plugin(model.paths[0] / name)


def family_of(path: Path) -> Family:
    """The tool that wrote a model."""
    for family in FAMILIES:
        if family.recognises(path):
            return family
    known = ", ".join(family.name for family in FAMILIES)
    raise ModelError("no model that ethopose knows", where=path, fix=f"give a model folder of {known}")


def _there(path: Path) -> Path:
    if not path.exists():
        raise UsageError("no such model folder", where=path, fix="check the path given with -m")
    return path.resolve()


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))
