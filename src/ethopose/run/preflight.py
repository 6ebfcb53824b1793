"""Faults that can be found before their turn comes: videos that do not open, results in the way, disk space.

Videos are opened in a process of their own: some end the process that opens them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ethopose.core import EthoposeError, FormatError, ResultError
from ethopose.formats.exports import refuse_foreign
from ethopose.media import glance
from ethopose.run.plan import Entry, Plan, Recipe
from ethopose.run.steps import beside
from ethopose.store import is_result, read

COMMAND = "from ethopose.run.preflight import main; main()"
FRAME_BYTES, KEYPOINT_BYTES = 30, 24  # of parts of predictions of rendered worlds, the most that was measured
ANIMALS = 2  # in a frame, where nothing better is known


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know before the night begins."""

    video: str
    what: str
    fatal: bool  # the video will fail; else it is only to be known


def findings(plan: Plan, then: tuple[str, ...] = ()) -> Generator[Finding]:
    """What is wrong, video by video, then the disks."""
    need: dict[Path, int] = {}  # bytes by folder
    left = []
    for entry in plan.entries:
        recipe = plan.recipes[entry.recipe]
        overwrite = recipe.options.overwrite
        if not overwrite:
            yield from _foreign(entry, beside(entry.result, entry.videos[0], recipe, then).files)
        if is_result(entry.result) or entry.result.exists():
            yield from _in_the_way(entry, recipe)
        if overwrite or not _is_finished(entry.result):
            left.append(entry)
    for entry, told in _glanced(left):
        if isinstance(told, str):
            yield Finding(entry.name, told, fatal=True)
        else:
            place = next(folder for folder in entry.result.absolute().parents if folder.exists())
            need[place] = need.get(place, 0) + told * _frame_bytes(plan.recipes[entry.recipe])
    yield from _disks(need)


def _frame_bytes(recipe: Recipe) -> int:
    animals = recipe.options.max_instances or ANIMALS
    return FRAME_BYTES + animals * recipe.keypoints * KEYPOINT_BYTES


def _in_the_way(entry: Entry, recipe: Recipe) -> Iterator[Finding]:
    overwrite = recipe.options.overwrite
    if is_result(entry.result):
        try:
            there = read(entry.result)
            finished, other = there.finished, there.manifest.model.digest != recipe.digest
        except EthoposeError as error:
            yield Finding(entry.name, str(error), fatal=not overwrite)
            return
        if other and not overwrite:
            yield Finding(entry.name, f"{entry.result} was made with another model", fatal=True)
            return
        word = "is replaced" if overwrite else "is kept" if finished else "goes on"
        yield Finding(entry.name, f"its result is there and {word}", fatal=False)
    elif not entry.result.is_dir() or any(not file.name.startswith(".") for file in entry.result.iterdir()):
        yield Finding(entry.name, f"{entry.result} is no result and in the way", fatal=True)


def _foreign(entry: Entry, files: Sequence[Path]) -> Iterator[Finding]:
    """Files in the way of those that are to lie beside the result."""
    try:
        refuse_foreign(entry.result, files)
    except FormatError:
        return  # of a damaged result it is told below
    except ResultError as error:
        yield Finding(entry.name, str(error), fatal=True)


def _is_finished(result: Path) -> bool:
    try:
        return is_result(result) and read(result).finished
    except EthoposeError:
        return False


def _glanced(entries: Sequence[Entry]) -> Iterator[tuple[Entry, int | str]]:
    """How many frames each recording announces, or why it cannot be opened."""
    waiting = deque(entries)
    while waiting:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        with process:
            try:
                yield from _asked(process, waiting)
            finally:
                process.kill()


def _asked(process: subprocess.Popen[str], waiting: deque[Entry]) -> Iterator[tuple[Entry, int | str]]:
    """What the process answers, until it is gone."""
    while waiting and process.stdin is not None and process.stdout is not None:
        with suppress(BrokenPipeError):
            process.stdin.write("\0".join(map(str, waiting[0].videos)) + "\n")
            process.stdin.flush()
        answer = process.stdout.readline().strip()
        entry = waiting.popleft()
        if not answer:
            yield entry, "opening it ended the process that tried"
            return
        yield entry, int(answer) if answer.isdigit() else answer


def main() -> None:
    """Open each recording that is named on standard input, and answer in a line; whatever else is done on
    this machine goes first."""
    if hasattr(os, "nice"):
        os.nice(10)
    for line in sys.stdin:
        try:
            told = str(sum(glance(Path(name)) for name in line.rstrip("\n").split("\0")))
        except EthoposeError as error:
            told = str(error)
        sys.stdout.write(told.replace("\n", " ") + "\n")
        sys.stdout.flush()


def _disks(need: dict[Path, int]) -> Iterator[Finding]:
    """Folders are summed up by disk; two on one disk share its room."""
    by_disk: dict[int, int] = {}
    for place, size in need.items():
        disk = place.stat().st_dev
        by_disk[disk] = by_disk.get(disk, 0) + size
        free = shutil.disk_usage(place).free
        if by_disk[disk] > free:
            told = f"about {by_disk[disk] / 1e6:.0f} MB of results are to come, {free / 1e6:.0f} MB are free"
            yield Finding(str(place), told, fatal=True)
