"""What can follow a prediction, by name (`--then`): files beside the result, made once, known again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ethopose.core import UsageError
from ethopose.store import Result


@dataclass(frozen=True, slots=True)
class Step:
    """Which files it writes for a result, and how."""

    files: Callable[[Path], list[Path]]  # of the result's folder
    write: Callable[[Result], object]


def _rendered(result: Path) -> list[Path]:
    from ethopose.draw import pictures_of

    pictures = pictures_of(result)
    return [pictures.video, pictures.sheet]


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
