"""What a tracker remembers: the instances that new ones are compared with (sleap-nn 0.3.5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float64, UInt8

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance of an earlier frame."""

    track: int
    frame: int
    xy: Float64[np.ndarray, "keypoint 2"]
    image: UInt8[np.ndarray, "height width channel"] | None
    support: int  # keypoints that are known


class Memory(Protocol):
    """Instances of some while ago, by track."""

    @property
    def empty(self) -> bool:
        """Whether nothing is there to compare with."""

    @property
    def tracks(self) -> list[int]:
        """In the order of the columns of costs, on which ties hang."""

    @property
    def room(self) -> float:
        """How many tracks may still begin."""

    def candidates(self) -> list[Seen]:
        """All of them, each track's in order of time."""

    def begin(self) -> int:
        """The number of a new track."""

    def keep(self, frame: Sequence[Seen], begun: bool) -> None:
        """Remember a frame's instances; `begun`: a track began in it."""


class FixedWindow:
    """The last frames; what is seen in none of them is forgotten."""

    room = np.inf

    def __init__(self, length: int) -> None:
        self._frames: deque[list[Seen]] = deque(maxlen=length)
        self._begun = 0

    @property
    def empty(self) -> bool:
        """See `Memory`."""
        return not self._frames

    @property
    def tracks(self) -> list[int]:
        """See `Memory`."""
        # The peer's order is that of a Python set, and instances that got no track are one more "track": its
        # None comes where our -1 does, or anywhere where the set is crowded, from run to run.
        found: set[int] = set()
        for frame in self._frames:
            found.update(one.track for one in frame)
        return list(found)

    def candidates(self) -> list[Seen]:
        """See `Memory`."""
        return [one for frame in self._frames for one in {one.track: one for one in reversed(frame)}.values()]

    def begin(self) -> int:
        """See `Memory`."""
        self._begun += 1
        return self._begun - 1

    def keep(self, frame: Sequence[Seen], begun: bool) -> None:
        """See `Memory`."""
        if self._frames or begun:
            self._frames.append(list(frame))


class LocalQueues:
    """The last instances of each track, however long ago."""

    def __init__(self, length: int, most: int | None) -> None:
        self._length, self._most = length, most
        self._queues: dict[int, deque[Seen]] = {}
        self.tracks: list[int] = []

    @property
    def empty(self) -> bool:
        """See `Memory`."""
        return not self.tracks

    @property
    def room(self) -> float:
        """See `Memory`."""
        return np.inf if self._most is None else self._most - len(self.tracks)

    def candidates(self) -> list[Seen]:
        """See `Memory`."""
        return [one for queue in self._queues.values() for one in queue]

    def begin(self) -> int:
        """See `Memory`."""
        self.tracks.append(len(self.tracks))
        return self.tracks[-1]

    def keep(self, frame: Sequence[Seen], begun: bool) -> None:
        """See `Memory`."""
        for one in frame:
            if one.track != NOBODY:
                self._queues.setdefault(one.track, deque(maxlen=self._length)).append(one)
