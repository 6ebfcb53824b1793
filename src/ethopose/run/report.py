"""What a run came to, by video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ethopose.core import DiskFullError, EthoposeError, ExitCode
from ethopose.predict.report import LOSSES_PER_FRAME
from ethopose.run.work import UNDER_WAY


@dataclass(frozen=True, slots=True)
class VideoReport:
    """One recording."""

    name: str
    state: str  # done, failed, busy (another run is at work on it), stopped, waiting, or what is done now
    result: Path
    files: tuple[Path, ...]
    frames: int  # that are stored
    total: int
    animals: int
    lost: int  # frames that could not be read
    deaths: int  # processes that ended while they worked on it
    seconds: float
    memory: int  # bytes, the most that a worker held; 0 where it is not known
    gpu_memory: int
    on_cpu: bool  # for a GPU did not do it
    error: str | None
    kept: bool  # it was there already

    @property
    def trouble(self) -> str:
        """What a person should know of it; nothing where all is well."""
        if self.state != "done":
            return f"{self.state}: {self.error or f'{self.frames} of {self.total} frames'}"
        return f"{self.lost} of {self.total} frames could not be read" if self.lost else ""

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        data = {name: getattr(self, name) for name in self.__slots__ if name != "name"}
        return {**data, "result": str(self.result), "files": [str(file) for file in self.files]}


@dataclass(frozen=True, slots=True)
class RunReport:
    """All recordings of a run, by name."""

    folder: Path
    videos: dict[str, VideoReport]
    halted: EthoposeError | None = None
    strict: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)  # of work, by stage, over all workers
    planned: int = 0  # recordings, if more than the run came to

    @property
    def exit_code(self) -> ExitCode:
        """STOPPED where it can go on, FAILED where nothing came of it, LOSSES where some failed or lost."""
        states = [video.state for video in self.videos.values()]
        if self.halted is not None and not isinstance(self.halted, DiskFullError):
            return ExitCode.LOSSES if "done" in states else ExitCode.FAILED
        if len(states) < self.planned or any(state not in ("done", "failed", "busy") for state in states):
            return ExitCode.STOPPED
        if states and set(states) == {"failed"}:
            return ExitCode.FAILED
        share = 0.0 if self.strict else LOSSES_PER_FRAME
        lost = any(video.lost > share * video.total for video in self.videos.values())
        return ExitCode.LOSSES if "failed" in states or lost else ExitCode.DONE

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "run": str(self.folder),
            "profile": {"stages": dict(self.seconds)},
            "halted": None if self.halted is None else str(self.halted),
            "videos": {name: video.as_data() for name, video in self.videos.items()},
        }

    def profile(self) -> list[tuple[str, str]]:
        """For people: where the workers' time went; stages overlap."""
        frames = sum(video.frames for video in self.videos.values() if not video.kept) or 1
        return [
            (stage, f"{spent:8.2f} s {1e3 * spent / frames:8.2f} ms a frame")
            for stage, spent in self.seconds.items()
        ]

    def lines(self) -> list[tuple[str, str]]:
        """For people: how many of each state, and each that is not done with its reason."""
        counts: dict[str, int] = {}
        for video in self.videos.values():
            counts[video.state] = counts.get(video.state, 0) + 1
        frames = sum(video.frames for video in self.videos.values())
        told = [("videos", ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))]
        told.append(("frames", f"{frames} in all"))
        if len(self.videos) < self.planned:
            told.append(("to come", f"{self.planned - len(self.videos)} videos"))
        if self.halted is not None:
            told.append(("stopped", str(self.halted)))
        told += [(Path(v.name).name, v.trouble) for v in self.videos.values() if v.trouble]
        if self.exit_code is ExitCode.STOPPED and not any(v.state in UNDER_WAY for v in self.videos.values()):
            told.append(("to go on", "start the same line again"))
        told.append(("record", str(self.folder)))
        return told
