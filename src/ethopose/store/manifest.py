"""The manifest of a result: what it was made from, with what, and which parts are there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pydantic_core
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from ethopose.core import DataError, FormatError, Skeleton, UsageError
from ethopose.store.atomic import replacing

NAME = "manifest.json"
SCHEMA = 1
TRACKING = "tracked"  # the key of provenance under which tracking says what it did
LARGEST = 256 * 2**20  # bytes; a million parts take a third of it

_Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class ModelRecord(_Record):
    """The model that made the poses: only `digest` decides whether two are the same."""

    name: str
    digest: str  # of weights and spec
    family: str = "native"
    paths: tuple[str, ...] = ()  # of its folder, or of both folders of a pair


class PartRecord(_Record):
    """One part: `poses/FIRST.parquet` and `frames/FIRST.parquet`."""

    first: _Count  # number of its first frame; eight digits of it name the files
    frames: Annotated[int, Field(ge=1)]
    animals: _Count  # rows of the poses file
    poses_bytes: _Count  # sizes of the files: a part whose files have others is not there
    poses_crc32: _Count
    frames_bytes: _Count
    frames_crc32: _Count
    lists_bytes: _Count = 0  # of `lists/FIRST.parquet`, where the result has columns of lists
    lists_crc32: _Count = 0
    features_bytes: _Count = 0  # of `features/FIRST.parquet`, where appearance vectors are kept
    features_crc32: _Count = 0


class JoinsRecord(_Record):
    """The joins of a tracked result: `joins.parquet`."""

    rows: _Count
    bytes: _Count
    crc32: _Count


class Manifest(_Record):
    """What `manifest.json` holds. Keys that a reader does not know are passed over.

    schema: version of this layout; a reader refuses every other.
    state: `running` until the last part is written, then `finished`.
    skeleton: keypoints, edges, symmetries, names of individuals, unique keypoints.
    tracks: names of the tracks; column `track` counts in them.
    video: fingerprint; `path` tells where the video lay, every other key (`sha256`, `frames`,
        `height`, `width`, `fps`, `channels` (1: gray) ...) decides whether two videos are the same.
    model: name, digest, family and paths of the model.
    settings: all that decides the numbers (thresholds, batch size, runtime, precision ...).
    provenance: all else that is worth knowing (`started` and `ended` in ISO 8601, `seconds`,
        versions, commands); decides nothing.
    frames: the frames selected, as runs [first, last], both inclusive, in order.
    part_frames: frames in every part but the last. batch: frames that the network saw at a time.
    columns: name of each column of the poses files, in order, and its unit; `1` is a pure number.
    lists: name of each column of the lists files, a list a frame, and the unit of its numbers; none: there
        are no such files.
    features: each kind of appearance vector in the features files (`keypoints`, of the network that found
        them; `looks`, learned to tell animals apart), and how many numbers a row it has; none: there are
        no such files.
    pixel_origin: coordinate of the centre of the top left pixel as the model counts: 0, or 0.5
        where it counts from the pixel's corner.
    convention: `faithful` to the model's own tool, or `corrected`.
    parts: the parts that are there, in order of frames; while it is written some between them may lack.
    joins: the file of the joins that tracking made; null: nothing was tracked.
    own_tracks: the prediction found its tracks itself: nobody asked for them by another command.
    exports: files of other formats written beside the result, by name, and their bytes; null while one
        is being written.
    """

    schema_version: int = Field(SCHEMA, alias="schema")
    state: Literal["running", "finished"] = "running"
    skeleton: Skeleton
    tracks: tuple[str, ...] = ()
    video: dict[str, JsonValue]
    model: ModelRecord
    settings: dict[str, JsonValue] = {}
    provenance: dict[str, JsonValue] = {}
    frames: tuple[tuple[int, int], ...]
    part_frames: Annotated[int, Field(ge=1)] = 1024
    batch: Annotated[int, Field(ge=1)] = 1
    columns: dict[str, str] = Field(default_factory=lambda data: plain_columns(data["skeleton"]))
    lists: dict[str, str] = {}
    features: dict[str, Annotated[int, Field(ge=1)]] = {}
    pixel_origin: float = 0.0
    convention: Literal["faithful", "corrected"] = "faithful"
    parts: tuple[PartRecord, ...] = ()
    joins: JoinsRecord | None = None
    own_tracks: bool = False
    exports: dict[str, int | None] = {}

    @model_validator(mode="after")
    def _runs_are_in_order(self) -> Self:
        ends = [end for run in self.frames for end in run]
        if (
            any(first > last for first, last in self.frames)
            or ends != sorted(ends)
            or min(ends, default=0) < 0
        ):
            raise ValueError("frames: runs must be [first, last], in order and apart")
        if any(after[0] <= before[1] for before, after in zip(self.frames, self.frames[1:], strict=False)):
            raise ValueError("frames: runs overlap")
        return self

    @property
    def was_tracked(self) -> bool:
        """Whether somebody looked for tracks, though there may be none."""
        return bool(self.tracks) or TRACKING in self.provenance

    @property
    def n_frames(self) -> int:
        """How many frames are selected."""
        return sum(last - first + 1 for first, last in self.frames)

    @property
    def n_done(self) -> int:
        """How many of the selected frames are stored."""
        return sum(part.frames for part in self.parts)

    def missing(self) -> tuple[tuple[int, int], ...]:
        """Which of the selected frames are not stored, as runs of positions [start, stop) in the selection,
        whole parts each."""
        stored = {self.position(part.first): part.frames for part in self.parts}
        runs: list[tuple[int, int]] = []
        for start in range(0, self.n_frames, self.part_frames):
            stop = min(start + self.part_frames, self.n_frames)
            if stored.get(start) == stop - start:
                continue
            joins = bool(runs) and runs[-1][1] == start
            runs[-1:] = [(runs[-1][0], stop)] if joins else [*runs[-1:], (start, stop)]
        return tuple(runs)

    def position(self, frame: int) -> int:
        """Where a frame stands in the selection, counted from 0; -1 where it is not selected."""
        before = 0
        for first, last in self.frames:
            if first <= frame <= last:
                return before + frame - first
            before += last - first + 1
        return -1

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns beyond those that every result has."""
        plain = plain_columns(self.skeleton)
        return tuple(name for name in self.columns if name not in plain)

    def selected(self, start: int, stop: int) -> Int64[np.ndarray, "frame"]:
        """Numbers of the selected frames from the `start`-th up to, not with, the `stop`-th."""
        runs = np.array(self.frames, np.int64).reshape(-1, 2)
        lengths = runs[:, 1] - runs[:, 0] + 1
        ends = np.cumsum(lengths)
        position = np.arange(start, min(stop, self.n_frames), dtype=np.int64)
        shift = runs[:, 0] - (ends - lengths)  # from position to number, constant within a run
        run = np.searchsorted(ends, position, side="right")
        return np.asarray(position + shift[run], np.int64)


def plain_columns(skeleton: Skeleton) -> dict[str, str]:
    """The columns that every result has, in order, with their units."""
    columns = {"frame": "frame", "individual": "index", "track": "index", "score": "1", "identity_score": "1"}
    for name in skeleton.keypoints:
        columns |= {f"{name}.x": "px", f"{name}.y": "px", f"{name}.confidence": "1"}
    return columns


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a result's folder.

    Raises:
        UsageError: there is no such folder.
        FormatError: there is none in it, it is damaged, or another version wrote it.
    """
    path = folder / NAME
    try:
        if path.stat().st_size > LARGEST:
            raise FormatError(f"larger than any manifest ({LARGEST} bytes)", where=path)
        data = pydantic_core.from_json(path.read_bytes())
    except FileNotFoundError:
        if not folder.exists():
            raise UsageError("there is no such result", where=folder, fix="check the path") from None
        what = f"not a result: there is no {NAME}"
        raise FormatError(what, where=folder, fix="name a folder that ends in .ethopose") from None
    except NotADirectoryError:
        fix = "ethopose track makes a result of a file of poses"
        raise FormatError("this is a file, and no result", where=folder, fix=fix) from None
    except OSError as error:
        raise FormatError(f"the manifest cannot be read: {error.strerror}", where=path) from error
    except ValueError as error:
        what = f"the manifest cannot be read: {error}"
        raise FormatError(what, where=path, fix="make the result again") from error
    if not isinstance(data, dict) or "schema" not in data:
        raise FormatError("not the manifest of a result", where=path)
    if data["schema"] != SCHEMA:
        versions = f"schema {data['schema']}; this ethopose reads schema {SCHEMA}"
        raise FormatError(
            f"the result was written with {versions}", where=path, fix="use a matching ethopose"
        )
    try:
        return Manifest.model_validate(data)
    except (ValidationError, DataError) as error:
        raise FormatError(f"the manifest is damaged: {error}", where=path) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a result's folder. Raises `ResultError`."""
    with replacing(folder / NAME) as file:
        file.write(manifest.model_dump_json(indent=1).encode())


def note_export(folder: Path, name: str, size: int | None) -> None:
    """Enter a file that is written beside a result, so that it is known again. Raises `ResultError`."""
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"exports": {**manifest.exports, name: size}}))


def differences(old: Manifest, new: Manifest) -> Iterator[str]:
    """In words, each thing that makes two manifests those of different results; none: the same result."""
    for what, there, asked in _identities(_plain(old), _plain(new)):
        if there != asked:
            yield f"{what} is {there!r} there and {asked!r} here"


def _plain(manifest: Manifest) -> dict[str, Any]:
    data = manifest.model_dump(mode="json", exclude={"parts", "joins", "exports"})
    data["video"].pop("path", None)
    data["model name"] = f"{manifest.model.name} ({manifest.model.digest})"
    return data


def _identities(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, object, object]]:
    if old["model"]["digest"] != new["model"]["digest"]:
        yield "the model", old["model name"], new["model name"]
    for group, words in (("video", "the video's"), ("settings", "the setting")):
        for key in sorted(old[group].keys() | new[group].keys()):
            yield f"{words} {key}", old[group].get(key), new[group].get(key)
    for key in (
        "skeleton",
        "frames",
        "part_frames",
        "batch",
        "columns",
        "lists",
        "features",
        "pixel_origin",
        "convention",
    ):
        yield f"the setting {key}", old[key], new[key]
