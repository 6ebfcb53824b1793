"""DeepLabCut's tables of predictions: a row a frame, a column for each individual, keypoint and coordinate.

Untracked animals are float32, and -1 where nobody is; tracks are float64, and NaN where nobody is. Reading
tells them apart by that: places are tracks in the one, and no more than places in the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError
from ethopose.formats.dlc_cells import ABSENT, UNIQUE, Layout, cells, layout_of, pose_file
from ethopose.formats.format import Format, PoseFile, reading
from ethopose.formats.hdf5 import replacing_hdf5
from ethopose.formats.pandas_hdf5 import NumberTable, read_hdf
from ethopose.formats.pandas_table import write_table
from ethopose.store import Result, replacing

_AXES = ("x", "y", "likelihood")


def write_h5(result: Result, path: Path) -> None:
    """Write all frames of a result, part by part. Raises `ResultError`."""
    layout = layout_of(result, tracks=True)
    _write_h5(result, path, layout, np.float64 if layout.tracked else np.float32)


def write_ctd(result: Result, path: Path) -> None:
    """Write tracks as their model predicted them: as a table of predictions, in which the place of an animal
    is its track. Raises `ResultError`."""
    _write_h5(result, path, layout_of(result), np.float32)


def _write_h5(result: Result, path: Path, layout: Layout, dtype: type[np.floating]) -> None:
    with replacing_hdf5(path, version="v108") as file:
        rows = ((part.frame, part.table) for part in cells(result, layout))
        count = result.manifest.n_done
        write_table(file, layout.columns, layout.levels, rows, count=count, dtype=dtype)


def write_csv(result: Result, path: Path) -> None:
    """Write all frames of a result, part by part, as pandas writes such a table. Raises `ResultError`."""
    layout = layout_of(result, tracks=True)
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(zip(layout.levels, *layout.columns, strict=True))
        for part in cells(result, layout):
            numbers = part.table.astype(np.float64 if layout.tracked else np.float32)
            told = np.where(np.isnan(numbers), "", numbers.astype(str))
            writer.writerows(np.column_stack([part.frame.astype(str), told]).tolist())
        text.flush()
        text.detach()


def read_h5(path: Path) -> PoseFile:
    """Read predictions or tracks. Raises `FormatError`."""
    with reading(path, "dlc-h5"):
        table = read_hdf(path)
        return _poses(table, tracked=table.bytes == 8)


def read_ctd(path: Path) -> PoseFile:
    """Read tracks as their model predicted them. Raises `FormatError`."""
    with reading(path, "dlc-ctd"):
        return _poses(read_hdf(path), tracked=True)


def read_csv(path: Path) -> PoseFile:
    """Read predictions or tracks; a table without a -1 is taken for one of tracks. Raises `FormatError`."""
    with reading(path, "dlc-csv"):
        table = _read_csv(path)
        return _poses(table, tracked=not np.any(table.values == ABSENT))


def _read_csv(path: Path) -> NumberTable:
    with path.open(newline="", encoding="utf-8") as file:
        try:
            lines = [line for line in csv.reader(file) if line]
        except csv.Error as error:
            raise DataError(str(error)) from error
    names = [line[0] for line in lines[:4]]
    if names[:1] != ["scorer"] or "coords" not in names:
        raise DataError("its first rows are not scorer, [individuals], bodyparts, coords")
    end = names.index("coords") + 1
    header, body = lines[:end], lines[end:]
    columns = list(zip(*(line[1:] for line in header), strict=True))
    if any(len(line) != len(columns) + 1 for line in body):
        raise DataError("rows differ in length")
    values = np.array([[float(cell or "nan") for cell in line[1:]] for line in body], np.float64)
    return NumberTable([(line[0],) for line in body], columns, values.reshape(len(body), len(columns)))


def _poses(table: NumberTable, *, tracked: bool) -> PoseFile:
    if {len(column) for column in table.columns} not in ({3}, {4}):
        raise DataError("its columns are not scorer, [individuals], bodyparts, coords")
    several = len(table.columns[0]) == 4
    places = [(column[1] if several else "", *column[-2:]) for column in table.columns]
    animals = [place for place in places if place[0] != UNIQUE or not several]
    single = [place for place in places if place not in animals]
    individuals, keypoints = (tuple(dict.fromkeys(place[level] for place in animals)) for level in (0, 1))
    unique = tuple(dict.fromkeys(place[1] for place in single))
    order = {place: number for number, place in enumerate(places)}
    wanted = [(name, keypoint, axis) for name in individuals for keypoint in keypoints for axis in _AXES]
    apart = [(UNIQUE, keypoint, axis) for keypoint in unique for axis in _AXES]
    if len(order) != len(places) or set(order) != {*wanted, *apart}:
        raise DataError("its columns are not x, y and likelihood of each keypoint of each individual")
    with np.errstate(over="ignore"):  # beyond float32 is infinite, no error
        values = table.values.astype(np.float32)
    shape = (len(values), len(individuals), len(keypoints), 3)
    found = values[:, [order[place] for place in wanted]].reshape(shape)
    others = values[:, [order[place] for place in apart]].reshape(len(values), len(unique), 3)
    frames = _frames([row[-1] for row in table.rows])
    told = pose_file(
        (keypoints, unique), frames, found, others, tracks=individuals if several and tracked else ()
    )
    return replace(told, model=table.columns[0][0])


def _frames(names: Sequence[str]) -> Int64[np.ndarray, "frame"]:
    try:
        return np.array([int(name) for name in names], np.int64)
    except (ValueError, OverflowError):
        raise DataError("its rows are not numbers of frames; labels are read as labels") from None


LOST = frozenset(
    {"score", "individual", "identity_score", "order"}
    | {"track", "tracks"}  # animals that have none come back with one of their own
    | {"edges", "symmetries", "individuals", "unique", "name", "video"}
)

H5, CTD, CSV = (
    Format(
        name=f"dlc-{name}",
        suffix=suffix,
        named=f"{{video}}{{model}}{suffix}",
        read=read,
        write=write,
        loses=LOST,
        before_tracks=name != "ctd",
    )
    for name, suffix, read, write in (
        ("h5", ".h5", read_h5, write_h5),
        ("ctd", "_ctd.h5", read_ctd, write_ctd),
        ("csv", ".csv", read_csv, write_csv),
    )
)
