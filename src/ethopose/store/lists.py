"""Numbers of which a frame may have any many: a row a frame, a list in each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from ethopose.core import DataError


@dataclass(frozen=True, slots=True)
class Lists:
    """A list of numbers a frame, one after the other in `value`."""

    length: Int64[np.ndarray, "frame"]
    value: Float32[np.ndarray, "number"]

    def __post_init__(self) -> None:
        if int(self.length.sum()) != len(self.value) or np.any(self.length < 0):
            raise DataError(f"{len(self.value)} numbers are no lists of {int(self.length.sum())} in all")

    def __len__(self) -> int:
        return len(self.length)

    def split(self) -> list[Float32[np.ndarray, "number"]]:
        """The list of each frame."""
        return np.split(self.value, np.cumsum(self.length)[:-1]) if len(self.length) else []


def lists_of(rows: Sequence[np.ndarray]) -> Lists:
    """Lists of an array a frame, whose axes are taken row by row."""
    flat = [np.ravel(row).astype(np.float32) for row in rows]
    length = np.array([len(row) for row in flat], np.int64)
    return Lists(length, np.concatenate([np.empty(0, np.float32), *flat]))


def join_lists(parts: Sequence[Lists]) -> Lists:
    """Lists of some frames, then of others."""
    return Lists(np.concatenate([p.length for p in parts]), np.concatenate([p.value for p in parts]))


def lists_table(lists: Mapping[str, Lists]) -> pa.Table:
    """The table of a `lists/` file."""

    def column(each: Lists) -> pa.Array:  # pa.array would import pandas, a second on its own
        ends = np.concatenate([[0], np.cumsum(each.length)]).astype(np.int64)
        value = pa.Array.from_buffers(
            pa.float32(), len(each.value), [None, pa.py_buffer(np.ascontiguousarray(each.value))]
        )
        kind = pa.large_list(pa.float32())
        return pa.Array.from_buffers(kind, len(each), [None, pa.py_buffer(ends)], children=[value])

    return pa.table({name: column(each) for name, each in lists.items()})


def table_to_lists(table: pa.Table) -> dict[str, Lists]:
    """A `lists/` file's table, checked. Raises `DataError`."""
    return {
        name: _lists(name, column) for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _lists(name: str, column: pa.ChunkedArray) -> Lists:
    kind = pa.large_list(pa.float32())
    if column.null_count or not pa.types.is_large_list(column.type) or column.type.value_type != pa.float32():
        raise DataError(f"column {name!r} is {column.type}, wanted lists of float32")
    array = column.combine_chunks() if len(column) else pa.array([], kind)
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if array.values.null_count:
        raise DataError(f"column {name!r} has {array.values.null_count} nulls")
    ends = _numbers(array.offsets, np.int64)
    return Lists(np.diff(ends), _numbers(array.values, np.float32)[ends[0] : ends[-1]])


def _numbers(array: pa.Array, dtype: type[np.generic]) -> np.ndarray:
    if not len(array):
        return np.empty(0, dtype)
    start = array.offset * np.dtype(dtype).itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), start).copy()
