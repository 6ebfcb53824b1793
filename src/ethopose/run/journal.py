"""The record of a run: what was planned, and every change of state, one line each, never rewritten.

Several processes may work on one run (`--claim`): each writes a file of its own, and a log beside it. A line
that a kill cut short is passed over. What is said twice counts as it was said last.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ethopose.core import FormatError, UsageError
from ethopose.run.plan import Entry, Plan
from ethopose.run.settings import Settings
from ethopose.run.work import ENDED, Work
from ethopose.store import is_result
from ethopose.store.atomic import disk_errors, make_folder, replacing

PLAN, EVENTS = "run.json", "events"
SUFFIX = ".run"  # of the folders that hold runs
SCHEMA = 1


class Journal:
    """A run's folder, to be written to; of the whole plan, also where only a share of it is to be done."""

    def __init__(
        self, folder: Path, plan: Plan, call: Mapping[str, Any], settings: Settings, *, retried: bool = False
    ) -> None:
        self.folder, self._plan = folder, plan
        self._records = [recipe.record for recipe in plan.recipes]
        self._asked = [sorted({*settings.then, *(recipe.options.format or ())}) for recipe in plan.recipes]
        make_folder(folder / EVENTS)
        began = self._remember(retried=retried)
        told = {
            "schema": SCHEMA,
            "ethopose": version("ethopose"),
            "began": began,
            "overwrite": _overwrites(plan),
            "call": call,
            "videos": [entry.name for entry in plan.entries],
        }
        with replacing(folder / PLAN) as file:
            file.write(json.dumps(told, indent=1).encode())
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{socket.gethostname()}-{os.getpid()}.jsonl"
        self._path = folder / EVENTS / name
        with disk_errors(self._path):
            self._file = self._path.open("a", encoding="utf-8")
            self._log = logging.FileHandler(self._path.with_suffix(".log"), encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._log.handleError = lambda record: None  # type: ignore[method-assign]  # of a full disk others tell
        logging.getLogger("ethopose").addHandler(self._log)

    def _remember(self, *, retried: bool) -> float:
        """Take in what earlier starts noted; gives the time from which on notes count: now, if they are to be
        overwritten, unless that is what they were doing and have not come to the end of it.

        Raises:
            UsageError: what is done was done by another model or with other options.
        """
        overwrite, began, overwriting = _overwrites(self._plan), 0.0, False
        if (self.folder / PLAN).exists():
            earlier = read_plan(self.folder)
            began, overwriting = earlier["began"], earlier["overwrite"]
        self._before = last_events(self.folder, began)
        known = [self._before[entry.name] for entry in self._plan.entries if entry.name in self._before]
        through = len(known) == len(self._plan.entries) and all(event["state"] in ENDED for event in known)
        if overwrite and (through or not overwriting) and not retried:
            self._before = {}
            return _now()
        for entry in self._plan.entries:
            if not overwrite and self._is_other(entry) and self._before[entry.name]["state"] == "done":
                raise UsageError(
                    f"{entry.name} was done there by another model or with other options",
                    where=self.folder,
                    fix="name another folder: --run FOLDER, or replace its results: --overwrite",
                )
        return began

    def _is_other(self, entry: Entry) -> bool:
        event = self._before.get(entry.name)
        return event is not None and event["recipe"] != self._records[entry.recipe]

    def work(self, number: int, entry: Entry) -> Work:
        """A recording, done already if an earlier start of this run says so and nothing speaks against it."""
        work = Work(number, entry)
        if self.is_known(entry):
            event = self._before[entry.name]
            work.begun, work.on_cpu = event["begun"], event["on_cpu"]
        if self._is_done(entry):
            event = self._before[entry.name]
            work.state, work.kept, work.stamp, work.sha256 = "done", True, event["stamp"], event["sha256"]
            work.counts, work.animals, work.lost = (
                (event["frames"], event["total"]),
                event["animals"],
                event["lost"],
            )
            work.files = tuple(map(Path, event["files"]))
        return work

    def _is_done(self, entry: Entry) -> bool:
        """Whether all that is asked for is there, and the videos are as they were, or gone."""
        event = self._before.get(entry.name)
        if event is None or event["state"] != "done" or self._is_other(entry):
            return False
        whole = set(self._asked[entry.recipe]) <= set(event["asked"]) and event["result"] == str(entry.result)
        there = is_result(entry.result) and all(Path(file).exists() for file in event["files"])
        return whole and there and stamp(entry) in ([], event["stamp"])

    def is_known(self, entry: Entry) -> bool:
        """Whether an earlier start of this run came to the recording, with the same model and options."""
        return entry.name in self._before and not self._is_other(entry)

    def note(self, work: Work, state: str, **more: Any) -> None:
        """Enter a change of state; a line is on its way to the disk when this returns."""
        done, total = work.frames
        event = {
            "time": _now(),
            "video": work.entry.name,
            "state": state,
            "result": str(work.entry.result),
            "recipe": self._records[work.entry.recipe],
            "asked": self._asked[work.entry.recipe],
            "stamp": work.stamp,
            "begun": work.begun,
            "on_cpu": work.on_cpu,
            "frames": done,
            "total": total,
            "animals": work.animals,
            "lost": work.lost,
            "deaths": work.deaths,
            "seconds": round(work.seconds, 3),
            "memory": work.memory,
            "gpu_memory": work.gpu_memory,
            "sha256": work.sha256,
            "files": [str(file) for file in work.files],
            "error": None if work.error is None else str(work.error),
            **more,
        }
        with disk_errors(self._path):
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Nothing more will be noted."""
        with suppress(OSError):  # of a full disk others tell
            self._file.close()
        logging.getLogger("ethopose").removeHandler(self._log)
        self._log.close()


def _overwrites(plan: Plan) -> bool:
    return any(recipe.options.overwrite for recipe in plan.recipes)


def _now() -> float:
    return round(time.time(), 3)


def stamp(entry: Entry) -> list[list[int]]:
    """Size and time of each video, by which one that was replaced is noticed; nothing where one is gone."""
    try:
        found = [path.stat() for path in entry.videos]
    except OSError:
        return []
    return [[told.st_size, told.st_mtime_ns] for told in found]


def last_events(folder: Path, began: float) -> dict[str, dict[str, Any]]:
    """What was last noted of each video since then, by its name; a loss of a worker is no state."""
    last: dict[str, dict[str, Any]] = {}
    for event in events(folder):
        if event["time"] >= began and event["state"] != "worker lost":
            before = last.get(event["video"])
            if before is None or event["time"] >= before["time"]:
                last[event["video"]] = event
    return last


def events(folder: Path) -> Iterator[dict[str, Any]]:
    """All lines of all processes that worked on the run."""
    for path in sorted((folder / EVENTS).glob("*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # cut short by a kill
                if isinstance(event, dict) and {"time", "video", "state"} <= event.keys():
                    yield event


def read_plan(folder: Path) -> dict[str, Any]:
    """What is recorded of how a run was called.

    Raises:
        UsageError: the folder is none of a run. FormatError: its record is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise UsageError(
            "no run is recorded here", where=folder, fix=f"name the folder that ends in {SUFFIX}"
        )
    try:
        told = dict(json.loads(path.read_bytes()))
        return {
            "began": float(told["began"]),
            "overwrite": bool(told["overwrite"]),
            "videos": list(map(str, told["videos"])),
            "call": dict(told["call"]),
        }
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"no record of a run ({error})", where=path) from error
