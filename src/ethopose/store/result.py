"""Read a result: a folder on disk, lazy by part."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Float16, Float32, Int16, Int32, Int64
from pydantic import JsonValue

from ethopose.core import DataError, FormatError, Poses, Skeleton, join_poses
from ethopose.store.atomic import TEMPORARY
from ethopose.store.features import table_to_features
from ethopose.store.joins import Joins, read_joins
from ethopose.store.lists import Lists, table_to_lists
from ethopose.store.manifest import NAME, Manifest, PartRecord, read_manifest
from ethopose.store.parts import part_name
from ethopose.store.tables import (
    FrameTable,
    State,
    decode,
    join_frames,
    table_to_extra,
    table_to_frames,
    table_to_poses,
    table_to_state,
)

if TYPE_CHECKING:
    import pandas as pd


SUFFIX = ".ethopose"  # of the folders that hold results
WITHIN = (
    f"{TEMPORARY}tracked"  # the result that holds the tracks, in that of the poses, until they are taken in
)


@dataclass(frozen=True, slots=True)
class Part:
    """A run of selected frames: what is known of each, and who was found in them."""

    frames: FrameTable
    poses: Poses
    extra: Mapping[str, Float32[np.ndarray, "instance"]]  # columns that a step added, row by row of poses


class Result:
    """Poses on disk. `for part in result` reads part by part; the arrays read all, once.

    An unfinished result gives the parts that it has. Arrays hold one row an animal in a frame, sorted
    by frame; see `Poses` for their units. `len(result)` is the number of rows. Reading raises
    `FormatError` that names the file where a part is damaged.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest

    def __repr__(self) -> str:
        done = f"{self.manifest.n_done} of {self.manifest.n_frames} frames"
        return f"Result({str(self.path)!r}: {len(self)} animals in {done})"

    def __len__(self) -> int:
        return sum(part.animals for part in self.manifest.parts)

    def __bool__(self) -> bool:
        return True  # a result in which nobody was found is still one

    def __iter__(self) -> Iterator[Part]:
        for record in self.manifest.parts:
            yield self._part(record)

    def lists(self, part: Part, names: Collection[str] | None = None) -> dict[str, Lists]:
        """Those of the part's columns of lists that are asked for, all if nothing is; row by row of its
        frames. They are read when they are asked for: they may be many times as large as the poses."""
        record = self._record(part)
        wanted = [name for name in self.manifest.lists if names is None or name in names]
        if not wanted:
            return {}
        path = self.path / "lists" / part_name(record.first)
        size, crc32 = record.lists_bytes, record.lists_crc32
        table = decode(path, size=size, crc32=crc32, rows=record.frames, columns=wanted)
        try:
            if missing := [name for name in wanted if name not in table.column_names]:
                raise DataError(f"lists are missing: {', '.join(missing)}")
            return table_to_lists(table.select(wanted))
        except DataError as error:
            raise FormatError(error.what, where=path) from error

    def features(
        self, part: Part, names: Collection[str] | None = None
    ) -> dict[str, Float16[np.ndarray, "instance number"]]:
        """Those of the part's kinds of appearance vectors that are asked for, all if nothing is; row by row
        of its poses, and read when they are asked for. What was not found has vectors of NaN."""
        record = self._record(part)
        sizes = {
            name: size for name, size in self.manifest.features.items() if names is None or name in names
        }
        if not sizes:
            return {}
        path = self.path / "features" / part_name(record.first)
        size, crc32 = record.features_bytes, record.features_crc32
        table = decode(path, size=size, crc32=crc32, rows=record.animals, columns=list(sizes))
        try:
            return table_to_features(table, sizes)
        except DataError as error:
            raise FormatError(error.what, where=path) from error

    @property
    def skeleton(self) -> Skeleton:
        """Keypoints and how they hang together."""
        return self.manifest.skeleton

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names that the column `track` counts in."""
        return self.manifest.tracks

    @property
    def video(self) -> Mapping[str, JsonValue]:
        """Fingerprint of the video; `path` is where it lay."""
        return self.manifest.video

    @property
    def finished(self) -> bool:
        """Whether every selected frame is there."""
        return self.manifest.state == "finished"

    @cached_property
    def frames(self) -> FrameTable:
        """Every selected frame that is stored, also those in which nobody was found."""
        return join_frames([self._frames(record) for record in self.manifest.parts])

    @cached_property
    def poses(self) -> Poses:
        """All rows."""
        return join_poses([part.poses for part in self], self.skeleton)

    @property
    def frame(self) -> Int64[np.ndarray, "instance"]:
        """Frame of each row."""
        return self.poses.frame

    @property
    def xy(self) -> Float32[np.ndarray, "instance keypoint 2"]:
        """Coordinates in px; NaN where a keypoint was not found."""
        return self.poses.xy

    @property
    def confidence(self) -> Float32[np.ndarray, "instance keypoint"]:
        """The model's confidence in each keypoint."""
        return self.poses.confidence

    @property
    def score(self) -> Float32[np.ndarray, "instance"]:
        """The model's score of each row."""
        return self.poses.score

    @property
    def track(self) -> Int32[np.ndarray, "instance"]:
        """Index into `tracks`; -1: none."""
        return self.poses.track

    @property
    def individual(self) -> Int16[np.ndarray, "instance"]:
        """Index into `skeleton.individuals`; -1: none."""
        return self.poses.individual

    @property
    def identity_score(self) -> Float32[np.ndarray, "instance"]:
        """How sure track or individual is; NaN: not told."""
        return self.poses.identity_score

    @cached_property
    def joins(self) -> Joins:
        """Where tracking joined pieces of tracks, and how sure it was."""
        return read_joins(self.path, self.manifest.joins)

    def to_pandas(self) -> "pd.DataFrame":
        """All rows with the columns of the parts, in their order."""
        names = list(self.manifest.columns)
        tables = [self._table(record).select(names) for record in self.manifest.parts]
        if not tables:
            import pandas as pd

            return pd.DataFrame(columns=names)
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return frame

    def _record(self, part: Part) -> PartRecord:
        records = {record.first: record for record in self.manifest.parts}
        return records[int(part.frames.frame[0])]

    def _table(self, record: PartRecord) -> pa.Table:
        path = self.path / "poses" / part_name(record.first)
        try:
            table = decode(path, size=record.poses_bytes, crc32=record.poses_crc32, rows=record.animals)
        except FormatError:
            if not (self.path / WITHIN).is_dir():
                raise
            what = "its tracks were being taken in when the prediction was stopped"
            raise FormatError(what, where=self.path, fix="start the same command again") from None
        stored = set(table.column_names)
        if missing := [name for name in self.manifest.columns if name not in stored]:
            raise FormatError(f"columns are missing: {', '.join(missing)}", where=path)
        return table

    def _frames(self, record: PartRecord) -> FrameTable:
        path = self.path / "frames" / part_name(record.first)
        try:
            size, crc32 = record.frames_bytes, record.frames_crc32
            return table_to_frames(decode(path, size=size, crc32=crc32, rows=record.frames))
        except DataError as error:
            raise FormatError(error.what, where=path) from error

    def _part(self, record: PartRecord) -> Part:
        table = self._table(record)
        try:
            poses = table_to_poses(table, self.skeleton)
            extra = table_to_extra(table, self.manifest.extra_columns)
        except DataError as error:
            raise FormatError(error.what, where=self.path / "poses" / part_name(record.first)) from error
        return Part(self._frames(record), poses, extra)


def state_before(path: Path, frame: int) -> State | None:
    """What was known after the frame before, where a part of the result at `path` ends with it; None where
    that frame is not selected, so that `frame` begins anew.

    Raises:
        FormatError: the part is damaged, or not there.
    """
    manifest = read_manifest(path)
    position = manifest.position(frame)
    if position < 1 or manifest.position(frame - 1) < 0:
        return None
    first = int(manifest.selected((position - 1) // manifest.part_frames * manifest.part_frames, position)[0])
    file = path / "frames" / part_name(first)
    record = next((part for part in manifest.parts if part.first == first), None)
    if record is None:
        raise FormatError(f"frame {frame} hangs on the one before, whose part is not there", where=file)
    try:
        size, crc32 = record.frames_bytes, record.frames_crc32
        return table_to_state(decode(file, size=size, crc32=crc32, rows=record.frames))
    except DataError as error:
        raise FormatError(error.what, where=file) from error


def is_result(path: Path) -> bool:
    """Whether the path is the folder of a result, finished or not."""
    return (path / NAME).is_file()


def read(path: Path | str) -> Result:
    """A result's folder. Nothing but the manifest is read yet.

    Raises:
        UsageError: there is no such folder.
        FormatError: it is not a result, its manifest is damaged or of another version.
    """
    return Result(Path(path), read_manifest(Path(path)))
