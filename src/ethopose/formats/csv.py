"""One table of all rows, with the columns that a result's parts have; empty cells are NaN."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, CSVWriter, ParseOptions, read_csv

from ethopose.core import DataError, Skeleton
from ethopose.formats.format import Format, PoseFile, reading
from ethopose.store import Result, replacing
from ethopose.store.manifest import plain_columns
from ethopose.store.tables import poses_table, table_to_poses

_TYPES = {"frame": pa.int64(), "individual": pa.int16(), "track": pa.int32()}  # all else is float32


def write(result: Result, path: Path) -> None:
    """Write all rows of a result, part by part. Raises `ResultError`."""
    names = list(result.manifest.columns)
    schema = pa.schema([(name, _TYPES.get(name, pa.float32())) for name in names])
    with replacing(path) as file, CSVWriter(file, schema) as table:
        for part in result:
            table.write_table(_nan_to_null(poses_table(part.poses, part.extra).select(names)))


def read(path: Path) -> PoseFile:
    """Read such a table; columns that belong to no keypoint are passed over. Raises `FormatError`."""
    with reading(path, "csv"):
        with path.open(newline="", encoding="utf-8") as file:
            names = _keypoints(next(csv.reader(file), []))
        if not names:
            raise DataError("no columns are named NAME.x, NAME.y and NAME.confidence")
        skeleton = Skeleton(names)
        types = {name: _TYPES.get(name, pa.float32()) for name in plain_columns(skeleton)}
        convert = ConvertOptions(
            column_types=types, include_columns=list(types), null_values=["", "nan", "NaN"]
        )
        table = read_csv(path, parse_options=ParseOptions(newlines_in_values=True), convert_options=convert)
        poses = table_to_poses(_null_to_nan(table), skeleton)
        return PoseFile(poses, np.unique(poses.frame))


def _keypoints(columns: list[str]) -> tuple[str, ...]:
    names = [column.removesuffix(".x") for column in columns if column.endswith(".x")]
    return tuple(name for name in names if f"{name}.confidence" in columns)


def _nan_to_null(table: pa.Table) -> pa.Table:
    for index, column in enumerate(table.columns):
        if pa.types.is_floating(column.type):
            empty = pa.scalar(None, column.type)
            column = pc.if_else(pc.is_nan(column), empty, column)
            table = table.set_column(index, table.field(index), column)
    return table


def _null_to_nan(table: pa.Table) -> pa.Table:
    for index, column in enumerate(table.columns):
        if pa.types.is_floating(column.type):
            table = table.set_column(index, table.field(index), column.fill_null(np.nan))
    return table


FORMAT = Format(
    name="csv",
    suffix=".csv",
    named="{result}.csv",
    write=write,
    read=read,
    loses=frozenset({"edges", "symmetries", "individuals", "unique", "name", "tracks", "frames", "video"}),
)
