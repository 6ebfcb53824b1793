"""What can follow a prediction, by name (`--then`): files beside the result, made once, known again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ethopose.core import UsageError
from ethopose.formats import Format
from ethopose.formats.exports import exported_path, formats_named
from ethopose.run.plan import Recipe
from ethopose.store import Result


@dataclass(frozen=True, slots=True)
class Step:
    """Which files it writes for a result, and how."""

    files: Callable[[Path, bool], list[Path]]  # of the result's folder, and whether it has tracks
    write: Callable[[Result], object]


@dataclass(frozen=True, slots=True)
class Beside:
    """The files that are to lie beside a result."""

    exports: dict[Path, Format]
    steps: list[tuple[Step, list[Path]]]

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [*self.exports, *(file for _, files in self.steps for file in files)]


def beside(
    result: Path, video: Path, recipe: Recipe, then: tuple[str, ...], *, tracked: bool = False
) -> Beside:
    """What an entry's options and the run's steps ask for, of the result of a video; whether it is `tracked`
    is known once it is there."""
    formats = formats_named(recipe.options.format, recipe.result_formats)
    exports = {exported_path(result, each, video, recipe.name): each for each in formats}
    return Beside(exports, [(step, step.files(result, tracked)) for step in steps_named(then)])


def _rendered(result: Path, tracked: bool) -> list[Path]:
    from ethopose.draw import pictures_of

    return list(pictures_of(result, tracked=tracked).files.values())


def _render(result: Result) -> None:
    from ethopose.draw import render

    render(result, overwrite=True)  # whether it may, was asked before


STEPS = {"render": Step(_rendered, _render)}


def steps_named(names: tuple[str, ...]) -> list[Step]:
    """The steps. Raises UsageError for one that is none."""
    for name in names:
        if name not in STEPS:
            raise UsageError(f"no step is named {name!r}", fix=f"choose from {', '.join(STEPS)}")
    return [STEPS[name] for name in names]
