"""Tracklets kept, between one pass over a video and the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

import numpy as np

from ethopose.track.tracklets import Tracklets

NO_DOUBT = np.empty((0, 4))


class Spool(Protocol):
    """Keeps the tracklets of a video chunk by chunk, and gives them again in order."""

    def add(self, tracklets: Tracklets) -> None:
        """Keep those of the next chunk."""
        ...

    def __iter__(self) -> Iterator[Tracklets]: ...


@dataclass
class Memory:
    """A spool of what memory holds."""

    kept: list[Tracklets] = field(default_factory=list)

    def add(self, tracklets: Tracklets) -> None:
        """Keep those of the next chunk."""
        self.kept.append(tracklets)

    def __iter__(self) -> Iterator[Tracklets]:
        return iter(self.kept)


class DiskSpool:
    """A spool in an open file, which is written and then read any number of times."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, tracklets: Tracklets) -> None:
        """Keep those of the next chunk, without their doubts."""
        self._file.seek(0, 2)
        np.save(self._file, tracklets.name.astype(np.int32))
        np.save(self._file, tracklets.place)

    def __iter__(self) -> Iterator[Tracklets]:
        end, at = self._file.seek(0, 2), 0
        while at < end:
            self._file.seek(at)
            name, place = np.load(self._file), np.load(self._file)
            at = self._file.tell()
            yield Tracklets(name.astype(np.int64), place, NO_DOUBT)
