"""What the supervisor asks of its workers, and what they tell it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ethopose.core import EthoposeError
from ethopose.store import Manifest, PartRecord

Runs = tuple[tuple[int, int], ...]  # of positions [start, stop) in the selection, whole parts each


@dataclass(frozen=True, slots=True)
class Asked:
    """What all tasks say: which they are, of which work, by which model and options."""

    id: int
    work: int
    recipe: int


@dataclass(frozen=True, slots=True)
class Look(Asked):
    """Open a video and say what its result would be."""

    videos: tuple[Path, ...]  # segments of one recording
    avoid: frozenset[int] = frozenset()  # packets that no decoder survives
    careful: bool = False  # tell each packet before it is decoded


@dataclass(frozen=True, slots=True)
class Make(Asked):
    """Make parts of a result."""

    videos: tuple[Path, ...]
    result: Path
    token: str  # of the claim on it
    manifest: Manifest
    runs: Runs
    avoid: frozenset[int] = frozenset()
    careful: bool = False


@dataclass(frozen=True, slots=True)
class Wrap(Asked):
    """Read a finished result back, count it, and do what comes after it."""

    result: Path
    then: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """The model cannot be loaded here."""

    error: EthoposeError


@dataclass(frozen=True, slots=True)
class Made:
    """A part is stored."""

    work: int
    record: PartRecord


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back of a task, when it is over."""

    task: int
    work: int


@dataclass(frozen=True, slots=True)
class Looked(Answer):
    """What the result of a video is to be."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Through(Answer):
    """All parts that were asked for are stored."""

    seconds: dict[str, float]  # of work, by stage


@dataclass(frozen=True, slots=True)
class Wrapped(Answer):
    """The result is whole, and so are the files beside it."""

    files: tuple[Path, ...]
    animals: int
    lost: int  # frames that could not be read


@dataclass(frozen=True, slots=True)
class Failed(Answer):
    """The task came to nothing."""

    error: EthoposeError


@dataclass(frozen=True, slots=True)
class Trying:
    """A packet goes to the decoder, which may not come back."""

    work: int
    packet: int


@dataclass(frozen=True, slots=True)
class Beat:
    """The worker lives."""

    frames: int = 0  # that it has predicted since it began
    memory: int = 0  # bytes, the most that its process held
    gpu: int = 0  # bytes on its GPU, the most
    cpu: float = 0.0  # seconds that its process has computed


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the log."""

    record: logging.LogRecord


Task = Look | Make | Wrap
Reply = Ready | Unfit | Made | Looked | Through | Wrapped | Failed | Trying | Beat | Logged
