"""What a training tells: a row at every validation, to the screen, a CSV file and trackers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from ethopose.core import UsageError
from ethopose.store.atomic import replacing


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
    best: float  # score (`Checked.score`) of the best so far
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


class Journal:
    """Rows of a training as they come."""

    def __init__(self, folder: Path, trackers: tuple[str, ...], watch: Watch) -> None:
        self.path, self.watch = folder / "metrics.csv", watch
        self._trackers = [TRACKERS[name](folder) for name in trackers]

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
            tracker(row)
        self.watch.row(row)


def _tensorboard(folder: Path) -> Callable[[Row], None]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("tensorboard is not installed", fix="pip install 'ethopose[tensorboard]'") from error
    writer = SummaryWriter(str(folder / "tensorboard"))

    def enter(row: Row) -> None:
        for name, value in _figures(row).items():
            writer.add_scalar(f"{row.stage}/{name}", value, row.step)
        writer.flush()

    return enter


def _wandb(folder: Path) -> Callable[[Row], None]:
    try:
        import wandb
    except ImportError as error:
        raise UsageError("wandb is not installed", fix="pip install 'ethopose[wandb]'") from error
    run = wandb.init(project="ethopose", dir=str(folder), name=folder.parent.name)

    def enter(row: Row) -> None:
        run.log({f"{row.stage}/{name}": value for name, value in _figures(row).items()})

    return enter


def _figures(row: Row) -> dict[str, float]:
    return {name: value for name, value in asdict(row).items() if name not in ("stage", "step")}


TRACKERS: dict[str, Callable[[Path], Callable[[Row], None]]] = {"tensorboard": _tensorboard, "wandb": _wandb}
