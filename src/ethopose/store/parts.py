"""One part of a result: its files, and the record by which the manifest knows them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ethopose.core import DataError, Poses
from ethopose.store.atomic import replacing
from ethopose.store.features import Features, check_features, features_table
from ethopose.store.lists import Lists, lists_table
from ethopose.store.manifest import Manifest, PartRecord
from ethopose.store.tables import FrameTable, State, encode, frames_table, has_size, poses_table

Extra = Mapping[str, Float32[np.ndarray, "instance"] | Lists]


def part_name(first: int) -> str:
    """The file name of the part that begins with this frame."""
    return f"{first:08d}.parquet"


def store_part(
    path: Path,
    manifest: Manifest,
    frames: FrameTable,
    poses: Poses,
    extra: Extra | None = None,
    state: State | None = None,
    features: Features | None = None,
) -> PartRecord:
    """Write the files of a part of the result at `path`, whose folders are there; once this returns they
    survive a kill and a power cut. They count once the record is entered into the manifest (`Writer.enter`),
    so that several processes may write parts of one result.

    A part holds `part_frames` selected frames, the last what is left. `extra` holds the columns that the
    manifest declares beyond the usual ones, and the lists; `state` is what the frame after the last one hangs
    on, where it does (`state_before`); `features` are the appearance vectors declared, row by row of `poses`.

    Raises:
        DataError: these are not the frames of a part, or poses and frames contradict each other.
        ResultError: the disk is full.
    """
    extra = extra or {}
    _check(path, manifest, frames, poses, extra)
    check_features(features or {}, manifest.features, len(poses))
    columns = {name: each for name, each in extra.items() if not isinstance(each, Lists)}
    lists = {name: each for name, each in extra.items() if isinstance(each, Lists)}
    encoded = {"poses": encode(poses_table(poses, columns)), "frames": encode(frames_table(frames, state))}
    if lists:
        encoded["lists"] = encode(lists_table(lists))
    if features:
        encoded["features"] = encode(features_table(features), repeats=False)
    first = int(frames.frame[0])
    for folder, content in encoded.items():
        with replacing(path / folder / part_name(first)) as file:
            file.write(content)
    return PartRecord(
        first=first,
        frames=len(frames),
        animals=len(poses),
        poses_bytes=len(encoded["poses"]),
        poses_crc32=zlib.crc32(encoded["poses"]),
        frames_bytes=len(encoded["frames"]),
        frames_crc32=zlib.crc32(encoded["frames"]),
        lists_bytes=len(encoded.get("lists", b"")),
        lists_crc32=zlib.crc32(encoded.get("lists", b"")),
        features_bytes=len(encoded.get("features", b"")),
        features_crc32=zlib.crc32(encoded.get("features", b"")),
    )


def is_whole(path: Path, part: PartRecord) -> bool:
    """Whether the files of a part are there, of the size that its record tells."""
    sizes = {"poses": part.poses_bytes, "frames": part.frames_bytes}
    beside = {"lists": part.lists_bytes, "features": part.features_bytes}
    sizes |= {folder: size for folder, size in beside.items() if size}
    files = {path / folder / part_name(part.first): size for folder, size in sizes.items()}
    return all(has_size(file, size) for file, size in files.items())


def _check(path: Path, manifest: Manifest, frames: FrameTable, poses: Poses, extra: Extra) -> None:
    start = manifest.position(int(frames.frame[0])) if len(frames) else -1
    expected = manifest.selected(start, start + manifest.part_frames) if start >= 0 else np.empty(0)
    if start % manifest.part_frames or not np.array_equal(frames.frame, expected):
        told = f"frames {frames.frame[0]} to {frames.frame[-1]}" if len(frames) else "no frames"
        raise DataError(f"{told} are not a part of {manifest.part_frames} selected ones", where=path)
    if poses.skeleton != manifest.skeleton:
        raise DataError("the poses have another skeleton than the result", where=path)
    rows = np.searchsorted(frames.frame, poses.frame)
    known = np.isin(poses.frame, frames.frame).all()
    if not known or not np.array_equal(np.bincount(rows, minlength=len(frames)), frames.animals):
        raise DataError("poses and frames tell different numbers of animals", where=path)
    wanted = dict.fromkeys(manifest.extra_columns, len(poses)) | dict.fromkeys(manifest.lists, len(frames))
    kinds = {name for name, each in extra.items() if isinstance(each, Lists)}
    if {name: len(each) for name, each in extra.items()} != wanted or kinds != set(manifest.lists):
        declared = ", ".join(wanted) or "none"
        raise DataError(f"extra columns are not those declared ({declared})", where=path)
