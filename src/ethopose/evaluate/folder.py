"""The folder of an evaluation: where it goes, and what is written into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ethopose.core import ResultError
from ethopose.evaluate.drawing import LABELLED
from ethopose.evaluate.evaluation import Evaluation
from ethopose.evaluate.report import draw_report
from ethopose.evaluate.worst import SHEET, draw_worst, is_drawing
from ethopose.families import Model
from ethopose.store import SUFFIX, Result, filling, make_folder, replacing
from ethopose.store.atomic import remove

if TYPE_CHECKING:
    import pandas as pd

TABLE, POINTS, PAGE, IMAGES = "metrics.csv", "predictions.csv", "report.png", "worst"
NUMBERS = "metrics.json"  # written last: the evaluation is finished where it is
WRITTEN = {TABLE, POINTS, PAGE, IMAGES, SHEET, LABELLED}  # by one that was not finished


def evaluation_path(source: Model | Result, split: str | None, out: Path | None) -> Path:
    """Beside the result, or in the (last) folder of the model; a split asked for is part of the name."""
    if out is not None:
        return out
    name = "evaluation" if split is None else f"evaluation-{split}"
    if isinstance(source, Result):
        return source.path.with_name(f"{source.path.name.removesuffix(SUFFIX)}.{name}")
    return source.paths[-1] / name


@contextmanager
def room(path: Path, *, overwrite: bool) -> Iterator[None]:
    """A folder that may be written to; if the block fails before anything was written, there is none.

    Raises:
        ResultError: it holds a finished evaluation and `overwrite` is not given, or anything else.
    """
    if path.exists() and not path.is_dir():
        raise ResultError("there is a file of this name already", where=path, fix="-o names another folder")
    there = {entry.name for entry in path.iterdir()} if path.exists() else set()
    if NUMBERS in there and not overwrite:
        fix = "--overwrite replaces it, -o writes elsewhere"
        raise ResultError("there is an evaluation already", where=path, fix=fix)
    if NUMBERS not in there and not there <= WRITTEN:
        raise ResultError("there is something else already", where=path, fix="-o names another folder")
    with filling(path):
        yield


def write(evaluation: Evaluation) -> None:
    """Tables, the page of plots and the worst images, all new; the numbers for programs come last.

    Raises:
        ResultError: the disk is full, the place cannot be written to.
    """
    folder = evaluation.path
    remove(folder / NUMBERS)
    _write_table(evaluation.to_pandas(), folder / TABLE)
    _write_table(evaluation.points_to_pandas(), folder / POINTS)
    draw_report(evaluation, folder / PAGE)
    make_folder(folder / IMAGES)
    drawn = draw_worst(evaluation.sample, folder / IMAGES, cutoff=evaluation.pcutoff)
    for old in (folder / IMAGES).iterdir():
        if is_drawing(old) and old not in drawn:
            remove(old)
    for old in (folder / LABELLED).glob("*.png"):  # what an earlier evaluation had drawn
        remove(old)
    with replacing(folder / NUMBERS) as file:
        file.write(json.dumps(evaluation.as_data(), indent=1, allow_nan=False).encode() + b"\n")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as file:
        table.to_csv(file, index=False, float_format="%.6g")
