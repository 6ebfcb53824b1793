"""The two tables of a part, and how they lie in Parquet files."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from ethopose.core import DataError, FormatError, Poses, Skeleton

OK, UNDECODABLE, SKIPPED = 0, 1, 2
State = Mapping[str, np.ndarray[Any, Any]]  # what is known after a frame, for the next one
_STATE = "ethopose.state"
_INSTANCE: dict[str, type[np.generic]] = {
    "frame": np.int64,
    "individual": np.int16,
    "track": np.int32,
    "score": np.float32,
    "identity_score": np.float32,
}
_AGAIN = "start the command that made the result again: it makes it anew"
_REPAIR = f"remove the file and {_AGAIN}"
_FRAME: dict[str, type[np.generic]] = {
    "frame": np.int64,
    "time": np.float64,
    "status": np.uint8,
    "animals": np.int32,
}


@dataclass(frozen=True, slots=True)
class FrameTable:
    """One row a frame that was asked for, in order, whether or not anything was found in it."""

    frame: Int64[np.ndarray, "frame"]
    time: Float64[np.ndarray, "frame"]  # seconds, by the container's own timestamps
    status: UInt8[np.ndarray, "frame"]  # OK, UNDECODABLE or SKIPPED
    animals: Int32[np.ndarray, "frame"]  # rows of poses in it

    def __post_init__(self) -> None:
        for name, dtype in _FRAME.items():
            array = getattr(self, name)
            if array.shape != (len(self.frame),) or array.dtype != dtype:
                wanted = f"{np.dtype(dtype)}({len(self.frame)},)"
                raise DataError(f"{name} is {array.dtype}{array.shape}, wanted {wanted}")
        if np.any(np.diff(self.frame) <= 0):
            raise DataError("frames are not in order")

    def __len__(self) -> int:
        return len(self.frame)


def join_frames(tables: list[FrameTable]) -> FrameTable:
    """Tables one after the other."""
    empty = [FrameTable(**{name: np.empty(0, dtype) for name, dtype in _FRAME.items()})]
    columns = {name: np.concatenate([getattr(table, name) for table in tables or empty]) for name in _FRAME}
    return FrameTable(**columns)


def frames_table(frames: FrameTable, state: State | None = None) -> pa.Table:
    """The table of a `frames/` file. `state` is that after its last frame, where frames hang on the ones
    before; it lies in the file's metadata, which readers of the table need not know."""
    table = table_of({name: getattr(frames, name) for name in _FRAME})
    if state is None:
        return table
    told = {name: [list(array.shape), array.ravel().tolist()] for name, array in state.items()}
    return table.replace_schema_metadata({_STATE: json.dumps(told)})


def table_to_state(table: pa.Table) -> dict[str, Float64[np.ndarray, "..."]] | None:
    """The state after the last frame of a `frames/` file, None where none was kept. Raises `DataError`."""
    told = (table.schema.metadata or {}).get(_STATE.encode())
    if told is None:
        return None
    try:
        arrays = json.loads(told).items()
        return {name: np.array(values, np.float64).reshape(shape) for name, (shape, values) in arrays}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"what was known after its last frame cannot be read: {error}") from error


def poses_table(poses: Poses, extra: Mapping[str, Float32[np.ndarray, "instance"]]) -> pa.Table:
    """The table of a `poses/` file; `extra` are the columns that a step adds."""
    columns = {name: getattr(poses, name) for name in _INSTANCE}
    for index, name in enumerate(poses.skeleton.keypoints):
        columns[f"{name}.x"], columns[f"{name}.y"] = poses.xy[:, index].T
        columns[f"{name}.confidence"] = poses.confidence[:, index]
    return table_of(columns | {name: values.astype(np.float32) for name, values in extra.items()})


def table_of(columns: Mapping[str, np.ndarray[Any, Any]]) -> pa.Table:
    """Arrays of one length as a table; nothing is copied."""

    def column(values: np.ndarray[Any, Any]) -> pa.Array:  # pa.array would import pandas, a second on its own
        buffers = [None, pa.py_buffer(np.ascontiguousarray(values))]
        return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), buffers)

    return pa.table({name: column(values) for name, values in columns.items()})


def table_to_frames(table: pa.Table) -> FrameTable:
    """A `frames/` file's table, checked. Raises `DataError`."""
    stored = dict(zip(table.column_names, table.columns, strict=True))
    return FrameTable(**{name: array_of(stored, name, dtype) for name, dtype in _FRAME.items()})


def table_to_poses(table: pa.Table, skeleton: Skeleton) -> Poses:
    """A `poses/` file's table, checked; columns beyond the poses' are passed over. Raises `DataError`."""
    stored = dict(zip(table.column_names, table.columns, strict=True))
    columns = {name: array_of(stored, name, dtype) for name, dtype in _INSTANCE.items()}
    shape = (table.num_rows, len(skeleton.keypoints))
    xy, confidence = np.empty((*shape, 2), np.float32), np.empty(shape, np.float32)
    for index, name in enumerate(skeleton.keypoints):
        xy[:, index, 0] = array_of(stored, f"{name}.x", np.float32)
        xy[:, index, 1] = array_of(stored, f"{name}.y", np.float32)
        confidence[:, index] = array_of(stored, f"{name}.confidence", np.float32)
    return Poses(skeleton, xy=xy, confidence=confidence, **columns)


def table_to_extra(table: pa.Table, names: Sequence[str]) -> dict[str, Float32[np.ndarray, "instance"]]:
    """The columns that a step added to a `poses/` file. Raises `DataError`."""
    stored = dict(zip(table.column_names, table.columns, strict=True))
    return {name: array_of(stored, name, np.float32) for name in names}


def array_of(
    stored: Mapping[str, pa.ChunkedArray], name: str, dtype: type[np.generic]
) -> np.ndarray[Any, Any]:
    """A column of a table, by name. Raises `DataError` where it is missing, of another type or has nulls."""
    if name not in stored:
        raise DataError(f"there is no column {name!r}")
    column = stored[name]
    if column.type != pa.from_numpy_dtype(dtype) or column.null_count:
        found = f"{column.type} with {column.null_count} nulls"
        raise DataError(f"column {name!r} is {found}, wanted {dtype.__name__}")
    if not len(column):
        return np.empty(0, dtype)
    array = column.combine_chunks()  # its to_numpy would import pandas, a second on its own
    start = array.offset * np.dtype(dtype).itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), start).copy()


def encode(table: pa.Table, *, repeats: bool = True) -> bytes:
    """A table as the bytes of a Parquet file; equal tables give equal bytes. Where numbers seldom repeat,
    files are smaller and made faster without a dictionary of them."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=repeats)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def has_size(path: Path, size: int) -> bool:
    """Whether there is a file of so many bytes."""
    return path.is_file() and path.stat().st_size == size


def decode(path: Path, *, size: int, crc32: int, rows: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a part's file, all of it or some columns, if it has the bytes and rows that the manifest
    says.

    The checksum makes a flipped bit an error, never a coordinate.

    Raises:
        FormatError: the file is missing, cut short or damaged.
    """
    try:
        if path.stat().st_size != size:
            raise FormatError(f"damaged: {path.stat().st_size} bytes of {size}", where=path, fix=_REPAIR)
        content = path.read_bytes()
        if zlib.crc32(content) != crc32:
            raise FormatError("damaged: the checksum is wrong", where=path, fix=_REPAIR)
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            if file.metadata.num_rows != rows:
                raise FormatError(
                    f"damaged: {file.metadata.num_rows} rows of {rows}", where=path, fix=_REPAIR
                )
            return file.read(columns)
    except FileNotFoundError:
        raise FormatError("it is missing", where=path, fix=_AGAIN) from None
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=path) from error
    except pa.ArrowException as error:
        raise FormatError(f"cannot be read: {error}", where=path, fix=_REPAIR) from error
