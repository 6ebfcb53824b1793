"""The one record that a training goes on from, after any end."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from ethopose.core import ModelError
from ethopose.store.atomic import replacing

Weights = dict[str, Tensor]
FINISHED = "finished.json"


@dataclass(slots=True)
class State:
    """Where a training is. `key` tells it from trainings on other labels or with other settings."""

    key: str
    stage: int = 0
    step: int = 0
    seconds: float = 0.0  # spent on this stage
    budget: float = 0.0  # seconds that this stage may take; 0: not decided, or none
    minutes: float = 0.0  # of the whole training, when the budget was decided
    ending: float = 0.0  # seconds of the budget that are set aside for the last validation and pictures
    spent: float = 0.0  # seconds before this stage
    next_check: float = 0.0  # progress at which the next validation is due
    micro_batch: int = 0  # 0: not tried yet
    pretrained: bool | None = None  # whether the stage's encoder knew something to begin with
    network: Weights = field(default_factory=dict)
    average: Weights = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    precision: dict[str, Any] = field(default_factory=dict)
    chance: list[Tensor] = field(default_factory=list)  # of torch's generators, for layers that draw
    best_score: float = float("inf")
    best_step: int = 0
    best: Weights = field(default_factory=dict)
    last: Weights = field(default_factory=dict)
    finished: list[Weights] = field(default_factory=list)  # the best of the stages before this one
    finished_last: list[Weights] = field(default_factory=list)  # their last
    rows: list[dict[str, Any]] = field(default_factory=list)  # of the journal

    def save(self, path: Path) -> None:
        """Write it whole or not at all. Raises `ResultError` where the disk is full."""
        with replacing(path) as file:
            torch.save({name: getattr(self, name) for name in self.__slots__}, file)

    def next_stage(self) -> None:
        """This stage is done: keep its best weights and begin the next one."""
        fresh = State(self.key, self.stage + 1, rows=self.rows)
        fresh.finished = [*self.finished, self.best]
        fresh.finished_last = [*self.finished_last, self.last]
        fresh.spent = self.spent + self.seconds
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))


def load_state(path: Path, key: str) -> State:
    """The state at `path`.

    Raises:
        ModelError: it cannot be read, or is that of another training.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = State(**content)
    except (OSError, RuntimeError, UnpicklingError, TypeError, EOFError, ValueError) as error:
        raise ModelError(
            f"no state of a training ({next(iter(str(error).splitlines()), type(error).__name__)})",
            where=path,
            fix="train anew: --overwrite",
        ) from error
    _refuse_other(state.key, key, path)
    return state


def note_finished(folder: Path, state: State) -> None:
    """Leave a note that this training is done, with its journal."""
    with replacing(folder / FINISHED) as file:
        file.write(json.dumps({"key": state.key, "rows": as_json(state.rows)}).encode())


def as_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a journal without NaN and infinity, which JSON does not know: null."""
    return [
        {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in row.items()}
        for row in rows
    ]


def finished(folder: Path, key: str) -> list[dict[str, Any]] | None:
    """The journal of the training in the folder if it is done, else None.

    Raises:
        ModelError: it is another training.
    """
    try:
        note = json.loads((folder / FINISHED).read_bytes())
        given = str(note["key"])
        rows = [{k: math.nan if v is None else v for k, v in row.items()} for row in note["rows"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            "no note of a training", where=folder / FINISHED, fix="train anew: --overwrite"
        ) from error
    _refuse_other(given, key, folder / FINISHED)
    return rows


def _refuse_other(given: str, key: str, path: Path) -> None:
    if given != key:
        raise ModelError(
            "the training there has other labels or settings",
            where=path.parents[1],
            fix="give those it was started with, another -o, or --overwrite",
        )
