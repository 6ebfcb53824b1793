"""Where a prediction's time goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

STAGES = ("reading", "preparation", "network", "decoding", "grouping", "writing")


@dataclass(slots=True)
class Profile:
    """Seconds of work by stage, added up over threads; stages overlap, so they exceed the wall time."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    frames: int = 0
    started: float = field(default_factory=time.perf_counter)
    first_batch: float | None = None  # seconds from the start to the first finished batch
    wall: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Count what happens inside as work of a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            with self._lock:
                self.seconds[stage] += spent

    def count(self, frames: int) -> None:
        """Enter a finished batch."""
        self.wall = time.perf_counter() - self.started
        self.first_batch = self.first_batch if self.first_batch is not None else self.wall
        self.frames += frames

    @property
    def bound(self) -> str:
        """The stage that took most of the time."""
        return max(self.seconds, key=self.seconds.__getitem__)
