"""Where a prediction's time goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STAGES = ("reading", "preparation", "network", "decoding", "grouping", "writing")


@dataclass(slots=True)
class Profile:
    """Seconds of work by stage, added up over threads; stages overlap, so they exceed the wall time."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    frames: int = 0
    first_frames: int = 0  # of the first batch
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
        if self.first_batch is None:
            self.first_batch, self.first_frames = self.wall, frames
        self.frames += frames

    @property
    def rate(self) -> float:
        """Frames a second once the first batch was through; of all if it was the only one."""
        if self.frames > self.first_frames and self.first_batch is not None:
            return (self.frames - self.first_frames) / (self.wall - self.first_batch)
        return self.frames / self.wall

    @property
    def bound(self) -> str:
        """The stage that took most of the time."""
        return max(self.seconds, key=self.seconds.__getitem__)

    def as_data(self) -> dict[str, Any]:
        """The profile for programs: seconds."""
        return {
            "frames": self.frames,
            "first_frames": self.first_frames,
            "rate": self.rate if self.frames else None,
            "wall": self.wall,
            "first_batch": self.first_batch,
            "stages": dict(self.seconds),
            "bound_by": self.bound,
        }

    def lines(self) -> list[tuple[str, str]]:
        """The profile for people: each stage's time, share of the wall time, and what bounds the run."""
        if not self.frames:
            return [("profile", "nothing was computed")]
        shares = [
            (
                name,
                f"{spent:8.2f} s {spent / self.wall:7.1%} of all {1e3 * spent / self.frames:8.2f} ms a frame",
            )
            for name, spent in self.seconds.items()
        ]
        first = [("first batch", f"{self.first_batch:8.2f} s after the start")]
        return [*shares, *first, ("bound by", self.bound)]
