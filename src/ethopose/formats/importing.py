"""A file of poses of another tool as a result of our own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from ethopose.core import FormatError, Poses
from ethopose.formats.format import PoseFile
from ethopose.formats.table import read_poses
from ethopose.media import open_video
from ethopose.store import OK, FrameTable, Manifest, ModelRecord, Result, start

PART_FRAMES = 1024


def import_poses(source: Path, out: Path, *, video: Path | None = None, overwrite: bool = False) -> Result:
    """Write the poses of a file as a result at `out`. `video` tells where their video lies, where the file
    does not, or it was moved; without it nothing is known of the frames' times and sizes.

    Raises:
        FormatError: the file is of no format that is known, or tells of no frame.
        VideoError: `video` cannot be read.
        ResultError: `out` is something else.
    """
    form, told = read_poses(source)
    poses = told.poses
    seen = video or _named(told, source)
    opened = None if seen is None else open_video(seen)
    count = int(max(told.frames.max(initial=-1), poses.frame.max(initial=-1))) + 1
    count = max(count, len(opened) if opened is not None else 0)
    if not count:
        raise FormatError("it tells of no frame", where=source)
    known: dict[str, JsonValue] = {"path": str(seen or told.video or ""), "frames": count}
    manifest = Manifest(
        skeleton=poses.skeleton,
        tracks=told.tracks,
        video=known if opened is None else {**opened.fingerprint(), "channels": 1 if opened.gray else 3},
        model=ModelRecord(name=_model(told, source), digest=_digest(source), family=f"a file ({form.name})"),
        provenance={"imported": str(source)},
        frames=((0, count - 1),),
        part_frames=PART_FRAMES,
    )
    time = np.full(count, np.nan) if opened is None else np.resize(opened.time, count)
    with start(out, manifest, overwrite=overwrite) as writer:
        there = {part.first for part in writer.manifest.parts}
        for first in range(0, 0 if writer.finished else count, PART_FRAMES):
            if first not in there:
                writer.write_part(*_part(poses, time, first, min(first + PART_FRAMES, count)))
        return writer.finish()


def _part(poses: Poses, time: np.ndarray, first: int, stop: int) -> tuple[FrameTable, Poses]:
    rows = slice(*np.searchsorted(poses.frame, [first, stop]))
    frame = np.arange(first, stop)
    animals = np.bincount(poses.frame[rows] - first, minlength=len(frame)).astype(np.int32)
    status = np.full(len(frame), OK, np.uint8)
    return FrameTable(frame, time[first:stop].astype(np.float64), status, animals), poses[rows]


def _named(told: PoseFile, source: Path) -> Path | None:
    """The video that the file names, where it lies there or beside the file."""
    if not told.video:
        return None
    name = told.video.replace("\\", "/")
    places = (Path(name), source.parent / name, source.parent / name.rsplit("/", 1)[-1])
    return next((place for place in places if place.exists()), None)


def _model(told: PoseFile, source: Path) -> str:
    """The name of the model, if the file is named after it; else that of the file."""
    return told.model if told.model and told.model in source.name else source.name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
