"""One recording on its way through a run."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ethopose.core import EthoposeError
from ethopose.run.messages import Beat, Runs
from ethopose.run.plan import Entry
from ethopose.store import Manifest, Writer

State = Literal["waiting", "opening", "predicting", "wrapping", "done", "failed", "busy"]
ENDED = ("done", "failed", "busy")
UNDER_WAY = ("opening", "predicting", "wrapping")
MOST_AVOIDED = 16  # packets of one video that no decoder survives


@dataclass(slots=True)
class Work:
    """What is known of a recording while the run goes on."""

    number: int
    entry: Entry
    state: State = "waiting"
    writer: Writer | None = None
    pending: deque[Runs] = field(default_factory=deque)  # pieces that nobody has
    out: int = 0  # pieces that somebody has
    again: bool = False  # to be opened anew, once nobody has a piece
    deaths: int = 0  # processes that ended while they had it
    unexplained: int = 0  # those of them for which no packet was found
    blamed: int | None = None  # packet that was tried when the last of them ended
    tries: int = 0  # that failed on a GPU
    careful: bool = False
    avoid: set[int] = field(default_factory=set)  # packets that ended a process
    error: EthoposeError | None = None
    files: tuple[Path, ...] = ()
    animals: int = 0
    lost: int = 0
    on_cpu: bool = False  # a GPU's memory did not suffice
    passed_over: float = 0.0  # by `time.monotonic`: since when another run is at work on it,
    not_before: float = 0.0  # and when to look again
    begun: bool = False  # this run has a result of it, finished or not
    alone: bool = False  # one of several that may have ended a process: until it is known which
    anew: bool = False  # its unfinished result is to be replaced
    had: int = 0  # frames that were stored when it was opened
    counts: tuple[int, int] = (0, 0)  # frames that were stored, and all, while it is not open
    kept: bool = False  # its result was there already
    memory: int = 0  # bytes, the most that a process held which worked on it
    gpu_memory: int = 0
    sha256: str | None = None  # of its videos
    stamp: list[list[int]] = field(default_factory=list)  # of its videos, when they were opened
    began: float = 0.0
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ENDED

    @property
    def suspect(self) -> bool:
        """Whether it may end the process that works on it, and has to be alone there."""
        return self.alone or bool(self.deaths)

    @property
    def manifest(self) -> Manifest | None:
        """Of its result, once it was opened."""
        return self.writer.manifest if self.writer else None

    @property
    def frames(self) -> tuple[int, int]:
        """Frames that are stored, and all."""
        return (self.manifest.n_done, self.manifest.n_frames) if self.manifest else self.counts

    @property
    def fresh(self) -> int:
        """Frames that were stored since the recording was opened."""
        return max(0, self.frames[0] - self.had)

    def begin(self, writer: Writer, parts: int | None, pieces: int) -> None:
        """Its result is open; what is missing is cut into pieces of so many parts, or so many pieces."""
        self.writer, self.began, self.begun = writer, self.began or time.time(), True
        self.sha256 = str(writer.manifest.video["sha256"])
        self.pending = deque(_pieces(writer.manifest, parts, pieces))
        self.kept, self.had = writer.finished, writer.done

    def blame(self, packet: int | None) -> int | None:
        """A process ended while it was at work on this, perhaps at a packet; gives the packet that is left
        out from now on, where two have ended at one."""
        self.deaths += 1
        self.unexplained += 1
        found = None
        if packet is not None and packet == self.blamed and len(self.avoid) < MOST_AVOIDED:
            self.avoid.add(packet)
            self.unexplained, found, packet = 0, packet, None
        self.blamed, self.careful = packet, True
        return found

    def facts(self) -> dict[str, Any]:
        """What the result's manifest is to tell of its making."""
        told: dict[str, Any] = {"peak_memory_bytes": self.memory, "peak_gpu_bytes": self.gpu_memory}
        return told | ({"avoided_packets": sorted(self.avoid)} if self.avoid else {})

    def seen(self, beat: Beat) -> None:
        """How much the process holds that works on it."""
        self.memory, self.gpu_memory = max(self.memory, beat.memory), max(self.gpu_memory, beat.gpu)

    def take_back(self, runs: Runs) -> None:
        """A piece that somebody had will not come; what of it is stored already is not made again."""
        self.out -= 1
        if self.manifest is None or self.again:
            return
        missing = self.manifest.missing()
        left = tuple(run for run in runs if any(start <= run[0] < stop for start, stop in missing))
        if left:
            self.pending.appendleft(left)

    def end(self, state: State, error: EthoposeError | None = None) -> None:
        """Nothing is left to do with it."""
        self.state, self.error = state, error
        self.pending.clear()
        self.seconds = time.time() - self.began if self.began else 0.0
        self.close()

    def close(self) -> None:
        """Leave the result to others; what it holds is remembered in numbers alone."""
        self.counts = self.frames
        if self.writer is not None:
            self.writer.close()
        self.writer = None


def _pieces(manifest: Manifest, parts: int | None, number: int) -> list[Runs]:
    """The parts that are missing, in runs of some parts each."""
    size = manifest.part_frames
    starts = [start for first, last in manifest.missing() for start in range(first, last, size)]
    each = parts or max(1, -(-len(starts) // number))
    pieces = []
    for begin in range(0, len(starts), each):
        some = starts[begin : begin + each]
        pieces.append(tuple((start, min(start + size, manifest.n_frames)) for start in some))
    return pieces
