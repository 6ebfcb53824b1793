"""What a person at a terminal sees: lines, tables, progress; and what a program reads: JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethopose.core import EthoposeError


@dataclass(slots=True)
class Screen:
    """How to speak, as the global options say."""

    as_json: bool = False
    quiet: bool = False
    debug: bool = False

    def give(self, data: Any, rows: Sequence[tuple[str, str]], title: str = "") -> None:
        """What was asked for: as JSON for programs, else as a table of two columns."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
            return
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title or None, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(*row)
        Console(markup=False, highlight=False).print(table)

    def report(self, data: Any, rows: Sequence[tuple[str, str]], title: str = "") -> None:
        """What was done: as `give`, but not to people who want --quiet."""
        if self.as_json or not self.quiet:
            self.give(data, rows, title)

    def complain(self, error: EthoposeError) -> None:
        """One clear line on standard error."""
        sys.stderr.write(f"ethopose: {error}\n")

    @property
    def watched(self) -> bool:
        """Whether a person looks."""
        return not (self.quiet or self.as_json) and sys.stderr.isatty()

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A sign of life while something takes its time."""
        if not self.watched:
            yield
            return
        from rich.console import Console

        with Console(stderr=True).status(text):
            yield

    @contextmanager
    def progress(self, unit: str = "frames") -> Iterator[Progress]:
        """A bar while something is done; nothing where no person looks. Without a unit no speed is told."""
        if not self.watched:
            yield Progress(None)
            return
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(stderr=True)) as bars:
            yield Progress(bars, unit)


class Progress:
    """Bars by name."""

    def __init__(self, bars: Any, unit: str = "") -> None:
        self._bars, self._unit = bars, unit
        self._tasks: dict[str, Any] = {}
        self._begun: dict[str, int] = {}

    def __call__(self, what: str | Path, done: int, total: int) -> None:
        """`done` of `total` frames of something are done."""
        if self._bars is None:
            return
        name = Path(what).name
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, completed=done, rate="starting")
            self._begun[name] = done
        task = self._bars.tasks[self._tasks[name]]
        elapsed = task.elapsed or 0.0
        since = done - self._begun[name]
        rate = f"{since / elapsed:.0f} {self._unit}/s" if since and elapsed else "starting"
        self._bars.update(self._tasks[name], completed=done, rate=rate if self._unit else "")

    def line(self, text: str) -> None:
        """A line above the bars, also where no person looks."""
        if self._bars is None:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        else:
            self._bars.console.print(text, markup=False, highlight=False)


def start_logging(verbosity: int, file: Path | None) -> None:
    """Warnings to standard error, more with -v; everything to a file where one is named."""
    root = logging.getLogger("ethopose")
    root.setLevel(logging.DEBUG)
    level = {0: logging.WARNING, 1: logging.INFO}.get(max(verbosity, 0), logging.DEBUG)
    shown = logging.StreamHandler()
    shown.setLevel(level if verbosity >= 0 else logging.ERROR)
    shown.setFormatter(logging.Formatter("ethopose: %(message)s"))
    root.addHandler(shown)
    if file is not None:
        kept = logging.FileHandler(file, encoding="utf-8")
        kept.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(kept)
