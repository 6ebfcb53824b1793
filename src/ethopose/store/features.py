"""Appearance vectors: what animals look like, row by row of poses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from jaxtyping import Float16

from ethopose.core import DataError

Features = Mapping[str, Float16[np.ndarray, "instance number"]]  # by kind


def check_features(features: Features, sizes: Mapping[str, int], rows: int) -> None:
    """Raises `DataError` where these are not vectors of the kinds and `sizes` declared, one a row."""
    found = {name: f"{each.dtype}{each.shape}" for name, each in features.items()}
    if found != (wanted := {name: f"float16{(rows, size)}" for name, size in sizes.items()}):
        raise DataError(f"features are {found or 'none'}, wanted {wanted or 'none'}")


def features_table(features: Features) -> pa.Table:
    """The table of a `features/` file."""

    def column(each: np.ndarray) -> pa.Array:  # pa.array would import pandas, a second on its own
        numbers = [None, pa.py_buffer(np.ascontiguousarray(each))]
        kind = pa.list_(pa.float16(), each.shape[1])
        return pa.Array.from_buffers(
            kind, len(each), [None], children=[pa.Array.from_buffers(pa.float16(), each.size, numbers)]
        )

    return pa.table({name: column(each) for name, each in features.items()})


def table_to_features(
    table: pa.Table, sizes: Mapping[str, int]
) -> dict[str, Float16[np.ndarray, "instance number"]]:
    """The vectors of a `features/` file's table, those of the kinds given. Raises `DataError`."""
    if missing := [name for name in sizes if name not in table.column_names]:
        raise DataError(f"features are missing: {', '.join(missing)}")
    return {name: _vectors(name, table.column(name), size) for name, size in sizes.items()}


def _vectors(name: str, column: pa.ChunkedArray, size: int) -> Float16[np.ndarray, "instance number"]:
    kind = column.type
    fitting = pa.types.is_fixed_size_list(kind) and (kind.value_type, kind.list_size) == (pa.float16(), size)
    if not fitting or column.null_count:
        raise DataError(f"features {name!r} are {kind}, wanted lists of {size} float16")
    chunks = [np.empty((0, size), np.float16)]
    for chunk in column.chunks:
        numbers = chunk.flatten()
        if numbers.null_count:
            raise DataError(f"features {name!r} have {numbers.null_count} nulls")
        if len(numbers):
            values = np.frombuffer(numbers.buffers()[1], np.float16, len(numbers), numbers.offset * 2)
            chunks.append(values.reshape(-1, size))
    return np.concatenate(chunks)
