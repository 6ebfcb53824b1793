"""Tables that pandas wrote into HDF5, read without pandas: it would unpickle whatever a stranger put there.

Both layouts that label files have (pandas 0.15 to 3, through PyTables): "fixed", where axes lie as
arrays of texts, and "table", where the names of columns are a pickle of tuples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from ethopose.core import DataError
from ethopose.formats.careful_pickle import unpickle
from ethopose.formats.hdf5 import plain_dataset

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True)
class NumberTable:
    """Numbers with names of rows and columns, each as a tuple of its levels."""

    rows: list[tuple[str, ...]]
    columns: list[tuple[str, ...]]
    values: Float64[np.ndarray, "row column"]
    bytes: int = 8  # of a number, as stored


def read_hdf(path: Path) -> NumberTable:
    """The one table of such a file.

    Raises:
        DataError, OSError, KeyError, ValueError: it is none.
    """
    import h5py

    with h5py.File(path, "r") as file:
        groups = [group for group in file.values() if isinstance(group, h5py.Group)]
        groups = [group for group in groups if "pandas_type" in group.attrs]
        if len(groups) != 1:
            raise DataError(f"it holds {len(groups)} tables of pandas, wanted one")
        group = groups[0]
        table = _read_table(group) if "table" in group else _read_fixed(group)
    if table.values.shape != (len(table.rows), len(table.columns)):
        raise DataError(f"{table.values.shape} numbers, {len(table.rows)} rows, {len(table.columns)} columns")
    return table


def _read_fixed(group: "h5py.Group") -> NumberTable:
    blocks = range(int(group.attrs["nblocks"]))
    columns = [name for block in blocks for name in _axis(group, f"block{block}_items")]
    values = [_numbers(plain_dataset(group, f"block{block}_values", 2)[:]) for block in blocks]
    return NumberTable(_axis(group, "axis1"), columns, np.concatenate(values, axis=1))


def _axis(group: "h5py.Group", name: str) -> list[tuple[str, ...]]:
    if name in group:
        return [(label,) for label in _texts(plain_dataset(group, name)[:])]
    levels: list[list[str]] = []
    for level in range(int(group.attrs[f"{name}_nlevels"])):
        labels = [*_texts(plain_dataset(group, f"{name}_level{level}")[:]), ""]
        codes = plain_dataset(group, f"{name}_label{level}")[:]
        levels.append([labels[code] for code in codes])  # -1: no label
    return list(zip(*levels, strict=True))


def _read_table(group: "h5py.Group") -> NumberTable:
    dataset = plain_dataset(group, "table")
    stored = dataset[:]
    columns: list[tuple[str, ...]] = []
    values: list[np.ndarray] = []
    blocks = [name for name in stored.dtype.names if name.startswith("values_block_")]
    for field in blocks:
        names = unpickle(bytes(dataset.attrs[f"{field}_kind"]))
        columns += [tuple(map(str, name)) for name in names]
        values.append(_numbers(stored[field].reshape(len(stored), len(names))))
    names = [(label,) for label in _texts(stored["index"])]
    width = max(stored[field].dtype.itemsize for field in blocks)
    return NumberTable(names, columns, np.concatenate(values, axis=1), width)


def _texts(stored: np.ndarray[Any, Any]) -> list[str]:
    if stored.dtype.kind not in "SiuO" or (stored.dtype.kind == "O" and len(stored)):
        raise DataError(f"names are stored as {stored.dtype}, not as text")
    return [text.decode() if isinstance(text, bytes) else str(text) for text in stored.tolist()]


def _numbers(stored: np.ndarray[Any, Any]) -> Float64[np.ndarray, "row column"]:
    if stored.dtype.kind not in "fiu":
        raise DataError(f"numbers are stored as {stored.dtype}")
    return stored.astype(np.float64)
