"""How far a stage is: in steps, or in time where it has a budget. All processes hear the same."""

from __future__ import annotations

import time
from typing import TypeVar

from lightning_fabric import Fabric

from ethopose.train.config import Loop
from ethopose.train.state import State

CHECKING = 0.05  # of a time budget that may go into validation
ENDING, MOST = (
    2.0,
    0.2,
)  # validations that the end takes, the last one and its pictures; of the budget at most
CURVES = 2.0  # seconds that the last pictures take otherwise
Value = TypeVar("Value")


class Clock:
    """Progress of a stage that ends after `steps`, or after `seconds` if these are given."""

    def __init__(
        self, fabric: Fabric, state: State, loop: Loop, *, steps: int, seconds: float | None
    ) -> None:
        self._fabric, self._state, self._loop = fabric, state, loop
        self._steps, self._seconds = steps, seconds
        self._since = self._saved = time.perf_counter()
        self._before = state.seconds

    def progress(self) -> float:
        """Share of the run that is done."""
        self._state.seconds = self._before + time.perf_counter() - self._since
        if self._seconds is None:
            return self._state.step / self._steps
        return self.heard(self._state.seconds / (self._seconds - self._state.ending))

    def next_check(self, progress: float, took: float) -> float:
        """Progress at which to validate again, the last time having taken so many seconds; later where that
        is long against a budget, of which the end's share is set aside."""
        apart = 1 / self._loop.validations
        if self._seconds is not None:
            self._state.ending = min(ENDING * took + CURVES, MOST * self._seconds)
            apart = max(apart, self.heard(took) / CHECKING / self._seconds)
        return progress + apart - 1e-9  # so that sums of shares do not miss a step by rounding

    def should_save(self) -> bool:
        """Whether the state was last saved long enough ago."""
        due = time.perf_counter() - self._saved >= self._loop.save_every
        if due:
            self._saved = time.perf_counter()
        return due

    def heard(self, value: Value) -> Value:
        """What the first process says."""
        return self._fabric.broadcast(value) if self._fabric.world_size > 1 else value
