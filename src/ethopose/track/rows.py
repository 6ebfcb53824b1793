"""The poses of a video as tracking reads them: again and again, some frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32, Float64, Int64

CHUNK = 4096  # frames at a time, wherever parts end, so that they leave no trace


@dataclass(frozen=True, slots=True)
class Rows:
    """Some of the poses of a video, in order of their frames."""

    frame: Int64[np.ndarray, "instance"]
    xy: Float32[np.ndarray, "instance keypoint 2"]
    confidence: Float32[np.ndarray, "instance keypoint"]
    vector: Float32[np.ndarray, "instance dimension"]  # of appearance; no dimensions where there is none

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: slice) -> Rows:
        return Rows(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def looks(self) -> Float64[np.ndarray, "instance"]:
        """How much of an animal each is: its keypoints' mean confidence, 0 for what is missing."""
        sure = np.where(np.isfinite(self.xy).all(-1), self.confidence, 0)
        looks: np.ndarray = np.nan_to_num(sure).mean(1, dtype=np.float64)
        return looks


Parts = Callable[[], Iterable[Rows]]  # gives the poses of a video anew each time


def in_chunks(parts: Iterable[Rows]) -> Iterator[Rows]:
    """The same rows, those of `CHUNK` frames at a time."""
    waiting: list[Rows] = []
    for part in parts:
        while len(part):
            here = (waiting[0].frame[0] if waiting else part.frame[0]) // CHUNK
            end = int(np.searchsorted(part.frame, (here + 1) * CHUNK))
            if end:
                waiting.append(part[:end])
            part = part[end:]
            if len(part):
                yield _joined(waiting)
                waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(rows: list[Rows]) -> Rows:
    return Rows(*(np.concatenate([getattr(each, field.name) for each in rows]) for field in fields(Rows)))
