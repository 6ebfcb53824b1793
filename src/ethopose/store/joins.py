"""The joins that tracking made, each with its certainty: `joins.parquet` of a result."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from ethopose.core import DataError, FormatError
from ethopose.store.atomic import replacing
from ethopose.store.manifest import JoinsRecord
from ethopose.store.tables import array_of, decode, encode, has_size, table_of

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


def store_joins(folder: Path, joins: Joins) -> JoinsRecord:
    """Write or replace the joins of the result in a folder; they count once its manifest has the record.
    Raises `ResultError`."""
    columns = {name: np.asarray(getattr(joins, name), dtype) for name, dtype in _DTYPES.items()}
    content = encode(table_of(columns))
    with replacing(folder / NAME) as file:
        file.write(content)
    return JoinsRecord(rows=len(joins), bytes=len(content), crc32=zlib.crc32(content))


def read_joins(folder: Path, record: JoinsRecord | None) -> Joins:
    """The joins of the result in a folder, by the record of its manifest; none where there is none.

    Raises:
        FormatError: the file is missing, damaged, or another result's.
    """
    if record is None:
        return no_joins()
    path = folder / NAME
    table = decode(path, size=record.bytes, crc32=record.crc32, rows=record.rows)
    stored = dict(zip(table.column_names, table.columns, strict=True))
    try:
        return Joins(*(array_of(stored, name, dtype) for name, dtype in _DTYPES.items()))
    except DataError as error:
        raise FormatError(error.what, where=path) from error


def joins_are_whole(folder: Path, record: JoinsRecord | None) -> bool:
    """Whether the file is there, of the size that its record tells."""
    return record is None or has_size(folder / NAME, record.bytes)
