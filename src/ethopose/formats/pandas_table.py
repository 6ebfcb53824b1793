"""Tables of numbers written into HDF5 as pandas lays them out (`to_hdf(format="table")`), without pandas.

What pandas 2 and 3 write through PyTables, attribute by attribute; names of columns are pickles of plain
tuples, protocol 0. PyTables keeps an index of the rows beside them; readers do without.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int64

if TYPE_CHECKING:
    import h5py

_ROWS_BYTES = 65_536  # of a chunk, as PyTables chooses it
_BLOCK = "values_block_0"

Rows = tuple[Int64[np.ndarray, "row"], Float[np.ndarray, "row column"]]


def write_table(
    file: h5py.File,
    columns: Sequence[tuple[str, ...]],
    levels: Sequence[str],
    rows: Iterable[Rows],
    *,
    count: int,
    dtype: type[np.floating[Any]],
    key: str = "df_with_missing",
) -> None:
    """Write rows of numbers (their labels, their values) under a key; DeepLabCut's of predictions is given.

    Columns have one name a level; `rows` gives `count` of them in as many pieces as it likes.
    """
    _attributes(file, {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0", "PYTABLES_FORMAT_VERSION": "2.1"})
    group = file.create_group(key)
    _attributes(group, _group_attributes(list(columns), list(levels)))
    record = np.dtype([("index", np.int64), (_BLOCK, dtype, (len(columns),))])
    chunk = max(_ROWS_BYTES // record.itemsize, 1)
    table = group.create_dataset("table", (count,), record, maxshape=(None,), chunks=(chunk,))
    _attributes(table, _table_attributes(list(columns), dtype, count))
    done = 0
    for labels, values in rows:
        piece = np.empty(len(labels), record)
        piece["index"], piece[_BLOCK] = labels, values
        table[done : done + len(piece)] = piece
        done += len(piece)


def _group_attributes(columns: list[tuple[str, ...]], levels: list[str]) -> dict[str, Any]:
    return {
        "CLASS": "GROUP",
        "TITLE": "",
        "VERSION": "1.0",
        "data_columns": _pickled([]),
        "encoding": "UTF-8",
        "errors": "strict",
        "index_cols": _pickled([(0, "index")]),
        "info": _pickled({1: {"names": levels, "type": "MultiIndex"}, "index": {}, _BLOCK: {}}),
        "levels": 1,
        "nan_rep": "nan",
        "non_index_axes": _pickled([(1, columns)]),
        "pandas_type": "frame_table",
        "pandas_version": "0.15.2",
        "table_type": "appendable_frame",
        "values_cols": _pickled([_BLOCK]),
    }


def _table_attributes(
    columns: list[tuple[str, ...]], dtype: type[np.floating[Any]], count: int
) -> dict[str, Any]:
    return {
        "CLASS": "TABLE",
        "TITLE": "",
        "VERSION": "2.7",
        "NROWS": count,
        "FIELD_0_NAME": "index",
        "FIELD_0_FILL": np.int64(0),
        "FIELD_1_NAME": _BLOCK,
        "FIELD_1_FILL": dtype(0),
        "index_kind": "integer",
        f"{_BLOCK}_dtype": np.dtype(dtype).name,
        f"{_BLOCK}_kind": _pickled(columns),
        f"{_BLOCK}_meta": _pickled(None),
    }


def _pickled(value: object) -> np.bytes_:
    return np.bytes_(pickle.dumps(value, protocol=0))


def _attributes(place: h5py.HLObject, values: Mapping[str, Any]) -> None:
    """PyTables tells texts, which are marked as UTF-8, from pickles, which are bytes."""
    import h5py

    for name, value in values.items():
        if value == "":
            place.attrs[name] = h5py.Empty(h5py.string_dtype("utf-8", 1))
        elif type(value) is str:
            text = value.encode()
            place.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", len(text)))
        else:
            place.attrs[name] = value
