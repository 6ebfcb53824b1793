"""The joins that tracking made, each with its certainty: `joins.parquet` of a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int32, Int64

from ethopose.core import DataError, FormatError
from ethopose.store.atomic import replacing
from ethopose.store.tables import array_of, encode, table_of

NAME = "joins.parquet"
UNSURE = 0.9  # certainty; a person is asked to look at joins of less


@dataclass(frozen=True, slots=True)
class Joins:
    """Where two pieces of a track were joined, in order of the frames on which the second begins."""

    track: Int32[np.ndarray, "join"]
    before: Int64[np.ndarray, "join"]  # last frame of the first piece
    after: Int64[np.ndarray, "join"]  # first frame of the second
    certainty: Float32[np.ndarray, "join"]  # the chance that both are one animal
    rival: Int32[np.ndarray, "join"]  # the track that it might have gone on as; -1: none
    x: Float32[np.ndarray, "join"]  # px, where the second begins
    y: Float32[np.ndarray, "join"]

    @property
    def unsure(self) -> Bool[np.ndarray, "join"]:
        """Which ones a person should look at."""
        return self.certainty < np.float32(UNSURE)

    def exchangeable(self, row: int) -> Bool[np.ndarray, "join"]:
        """Those that this one might be exchanged for: each is the other's rival, at the time, and as sure."""
        return np.asarray(
            (self.track == self.rival[row])
            & (self.rival == self.track[row])
            & (self.certainty == self.certainty[row])
            & (self.before < self.after[row])
            & (self.before[row] < self.after)
        )

    def __len__(self) -> int:
        return len(self.track)

    def __getitem__(self, rows: slice | np.ndarray) -> Joins:
        return Joins(*(getattr(self, column.name)[rows] for column in fields(self)))


_DTYPES: dict[str, type[np.generic]] = {
    "track": np.int32,
    "before": np.int64,
    "after": np.int64,
    "certainty": np.float32,
    "rival": np.int32,
    "x": np.float32,
    "y": np.float32,
}


def no_joins() -> Joins:
    """None were made."""
    return Joins(*(np.empty(0, dtype) for dtype in _DTYPES.values()))


def join_joins(some: Sequence[Joins]) -> Joins:
    """All of them, in order of the frames on which the second piece begins."""
    joined = Joins(*(np.concatenate([getattr(each, name) for each in some]) for name in _DTYPES))
    return joined[np.lexsort((joined.track, joined.after))]


def write_joins(folder: Path, joins: Joins) -> None:
    """Write or replace the joins of the result in a folder. Raises `ResultError`."""
    columns = {name: np.asarray(getattr(joins, name), dtype) for name, dtype in _DTYPES.items()}
    with replacing(folder / NAME) as file:
        file.write(encode(table_of(columns)))


def read_joins(folder: Path) -> Joins:
    """The joins of the result in a folder, none where it has no such file.

    Raises:
        FormatError: the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return no_joins()
    try:
        table = pq.read_table(path, partitioning=None)
        stored = dict(zip(table.column_names, table.columns, strict=True))
        return Joins(*(array_of(stored, name, dtype) for name, dtype in _DTYPES.items()))
    except (OSError, pa.ArrowException, DataError) as error:
        raise FormatError(f"cannot be read: {error}", where=path, fix="track the result again") from error
