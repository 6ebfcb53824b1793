"""What a training tells: a row at every validation, to the screen, a CSV file and trackers."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ethopose.core import UsageError
from ethopose.store.atomic import replacing
from ethopose.train.curves import draw_curves


@dataclass(frozen=True, slots=True)
class Row:
    """Where a training is. Errors in pixels of the frames, on the validation images."""

    stage: str
    step: int
    epoch: float
    progress: float  # 0 to 1
    loss: float  # mean since the row before
    median: float
    mean: float
    missing: float  # share of the labelled keypoints
    extra: float  # animals a picture that nobody labelled
    overflown: int  # validation images with more peaks than are kept
    best: float  # the least so far of what errors are weighed by (`Checked.score`)
    kept: bool  # whether the weights of now are those that are kept
    rate: float  # of learning
    images_per_s: float
    waiting: float  # share of the time in which the network waited for pictures
    seconds: float


class Watch(Protocol):
    """Who looks on."""

    def plan(self, plan: Any) -> None:
        """What was decided (`ethopose.train.plan.Plan`)."""

    def bar(self, what: str, done: int, total: int) -> None:
        """`done` of `total` of something."""

    def row(self, row: Row) -> None:
        """A validation was made."""

    def say(self, text: str) -> None:
        """Something that a person should know."""


class Nobody:
    """Looks on and does nothing."""

    def plan(self, plan: Any) -> None:
        """Nothing."""

    def bar(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def row(self, row: Row) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class Tracker(Protocol):
    """Who keeps the rows."""

    def enter(self, row: Row, number: int) -> None:
        """Hears of a row, and how many there are with it."""

    def close(self) -> None:
        """Hears that this process enters no more."""


class Journal:
    """Rows of a training as they come; curves are drawn of them when so many seconds have passed."""

    def __init__(self, folder: Path, trackers: tuple[str, ...], watch: Watch, *, draw_every: float) -> None:
        self.path, self.watch = folder / "metrics.csv", watch
        self._trackers = [TRACKERS[name](folder) for name in trackers]
        self._draw_every, self._drawn = draw_every, time.perf_counter()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        for tracker in self._trackers:
            tracker.close()

    def add(self, row: Row, rows: list[dict[str, Any]]) -> None:
        """Enter a row; `rows` are all there are, this one last."""
        rows.append(asdict(row))
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(rows)
        with replacing(self.path) as file:
            file.write(text.getvalue().encode())
        for tracker in self._trackers:
            tracker.enter(row, len(rows))
        self.watch.row(row)
        if time.perf_counter() - self._drawn > self._draw_every:
            self.draw(rows)

    def draw(self, rows: list[dict[str, Any]]) -> None:
        """The curves."""
        draw_curves(rows, self.path.with_name("curves.png"))
        self._drawn = time.perf_counter()


class TensorBoard:
    """A run each stage, whose steps begin at 0."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer, self._folder = SummaryWriter, folder / "tensorboard"
        self._writers: dict[str, Any] = {}

    def enter(self, row: Row, number: int) -> None:
        """Enter the row's figures."""
        if row.stage not in self._writers:  # of a training that was killed, later steps were seen already
            self._writers[row.stage] = self._writer(str(self._folder / row.stage), purge_step=row.step)
        for name, value in _figures(row).items():
            self._writers[row.stage].add_scalar(name, value, row.step)
        self._writers[row.stage].flush()

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()


class WandB:
    """A run, which a resumed training goes on with."""

    def __init__(self, folder: Path) -> None:
        import wandb

        note = folder / "wandb.txt"
        known = note.read_text().strip() if note.exists() else None
        self._run = wandb.init(
            project="ethopose",
            dir=str(folder),
            name=folder.parent.name,
            id=known,
            resume="allow" if known else None,
        )
        with replacing(note) as file:
            file.write(str(self._run.id).encode())

    def enter(self, row: Row, number: int) -> None:
        """Enter the row's figures; of a step that it has seen it takes no more."""
        figures = {f"{row.stage}/{name}": value for name, value in _figures(row).items()}
        self._run.log(figures, step=number)

    def close(self) -> None:
        """Wait until all is sent."""
        self._run.finish()


def _figures(row: Row) -> dict[str, float]:
    return {name: value for name, value in asdict(row).items() if name not in ("stage", "step")}


def check_trackers(names: Iterable[str]) -> None:
    """Refuse trackers whose package is not there, before anything is written. Raises UsageError."""
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            raise UsageError(f"{name} is not installed", fix=f"pip install 'ethopose[{name}]'") from error


TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB}
