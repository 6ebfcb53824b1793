"""What the drivers of the peers share: labels in, the clock, predictions out. Runs in a peer's own Python."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BEGAN = time.perf_counter()  # imported before the peer, whose imports are start-up


@dataclass(frozen=True)
class Labels:
    """The labelled images of a split: `xy (images, keypoints, 2)` in original px, NaN = not labelled."""

    keypoints: list[str]
    names: list[str]  # as in the split; `train` first, then `val`
    images: list[Path]
    xy: np.ndarray
    trained: int  # how many of them are for training

    @property
    def held_out(self) -> slice:
        return slice(self.trained, None)


@dataclass
class Clock:
    """The budget: wall-clock seconds of training proper; it stands still outside `start` and `pause`."""

    budget: float
    spent: float = 0.0
    steps: int = 0
    images: int = 0
    start_up: float = 0.0
    since: float | None = None

    def start(self) -> None:
        self.since = time.perf_counter()
        self.start_up = self.start_up or self.since - BEGAN

    def pause(self) -> None:
        if self.since is not None:
            self.spent += time.perf_counter() - self.since
        self.since = None

    def step(self, images: int) -> bool:
        """One optimiser step is done; whether the budget is, too."""
        self.steps += 1
        self.images += images
        return self.spent + time.perf_counter() - self.since >= self.budget


def arguments(description: str) -> argparse.Namespace:
    """The options that every driver has; keeps this process to its cores."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, help="a folder: images, CollectedData*.csv")
    parser.add_argument("--split", type=Path, required=True, help="JSON: names of images, train and val")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    return options


def read_labels(folder: Path, split: Path) -> Labels:
    """The tables of DeepLabCut and Lightning Pose: three header rows, the image in the leading columns."""
    chosen = json.loads(split.read_text())
    names = [*chosen["train"], *chosen["val"]]
    rows: dict[str, list[float]] = {}
    for table in sorted(folder.rglob("CollectedData*.csv")):
        _, parts, coords, *body = csv.reader(table.read_text().splitlines())
        first = coords.index("x")
        rows |= {"/".join(row[:first]): [float(cell or "nan") for cell in row[first:]] for row in body}
    xy = np.array([rows[name] for name in names]).reshape(len(names), -1, 2)
    return Labels(parts[first::2], names, [folder / name for name in names], xy, len(chosen["train"]))


def write(
    options: argparse.Namespace,
    tool: dict[str, object],
    clock: Clock,
    predictions: dict[str, Sequence[Sequence[float]]],
) -> None:
    """The result: `tool` (name, version, batch), figures, `x, y, confidence` a keypoint (null: not found)."""
    figures = {
        "dataset": options.labels.resolve().name,
        "minutes": options.minutes,
        "threads": options.threads,
        "seed": options.seed,
        "start_up_s": round(clock.start_up, 1),
        "train_s": round(clock.spent, 1),
        "steps": clock.steps,
        "images_per_s": round(clock.images / clock.spent, 2),
    }

    def told(value: float) -> float | None:
        return None if math.isnan(value) else round(float(value), 3)

    poses = {name: [[*map(told, point)] for point in pose] for name, pose in predictions.items()}
    options.out.write_text(json.dumps({**tool, **figures, "predictions": poses}) + "\n")
