"""Where a run stands, from its record alone: while it goes on, after it ended, after it was killed."""

from __future__ import annotations

from pathlib import Path

from ethopose.run.journal import last_events, read_plan
from ethopose.run.report import RunReport, VideoReport
from ethopose.store import is_claimed


def read_status(folder: Path | str) -> RunReport:
    """What is noted of each video that the run came to.

    Raises:
        UsageError: the folder is none of a run. FormatError: its record is damaged.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    planned = set(plan["videos"])
    videos = {
        name: VideoReport(
            name=name,
            state=_state(event["state"], Path(event["result"])),
            result=Path(event["result"]),
            files=tuple(map(Path, event["files"])),
            frames=event["frames"],
            total=event["total"],
            animals=event["animals"],
            lost=event["lost"],
            deaths=event["deaths"],
            seconds=event["seconds"],
            memory=event.get("memory", 0),
            gpu_memory=event.get("gpu_memory", 0),
            on_cpu=event["on_cpu"],
            error=event["error"],
            kept=False,
        )
        for name, event in last_events(folder, plan["began"]).items()
        if name in planned
    }
    return RunReport(folder, videos, planned=len(planned))


def _state(noted: str, result: Path) -> str:
    """What is noted was so when it was noted: since then the run may have ended."""
    return "stopped" if noted in ("predicting", "wrapping") and not is_claimed(result) else noted
