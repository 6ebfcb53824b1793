"""Tracks come into the result that was predicted: parts of a result within it take the place of its own.

The rows are the same but for what tracking tells. What a kill leaves half done is completed when the result
is written the next time.
"""

from __future__ import annotations

from pathlib import Path

from ethopose.store.atomic import TEMPORARY, disk, disk_errors, remove_folder
from ethopose.store.joins import NAME as JOINS
from ethopose.store.manifest import NAME, Manifest, PartRecord, read_manifest, write_manifest
from ethopose.store.parts import part_name
from ethopose.store.result import Result

WITHIN = f"{TEMPORARY}tracked"  # the folder of the result that holds the tracks, in that of the other
TRACKED = "tracked"  # the key of provenance under which tracking says what it did
_FOLDERS = ("poses", "frames")


def adopt(path: Path) -> Result:
    """Take in the finished result that lies within the one at `path`. Raises `ResultError`."""
    own, inner = read_manifest(path), read_manifest(path / WITHIN)
    with disk_errors(path):
        for record in inner.parts:
            for folder in _FOLDERS:
                _move(path / WITHIN / folder / part_name(record.first), path / folder)
        _move(path / WITHIN / JOINS, path)
        for name in (*_FOLDERS, "."):
            disk.sync_folder(path / name)
    taken = {record.first: record for record in inner.parts}
    parts = tuple(_with_tracks(record, taken[record.first]) for record in own.parts)
    notes = {TRACKED: inner.provenance[TRACKED], "tracked_in_place": True}
    update = {"parts": parts, "tracks": inner.tracks, "provenance": {**own.provenance, **notes}}
    manifest = own.model_copy(update=update)
    write_manifest(path, manifest)
    remove_folder(path / WITHIN)
    return Result(path, manifest)


def settle(path: Path) -> None:
    """Complete what a kill left half done at `path`; tracks that are not whole yet stay as they are."""
    within = path / WITHIN
    if not within.is_dir() or read_manifest(path).state != "finished":
        return
    if not (within / NAME).is_file():  # it was taken in, and all but removed
        remove_folder(within)
    elif read_manifest(within).state == "finished":
        adopt(path)


def is_tracked_in_place(manifest: Manifest) -> bool:
    """Whether the poses of a prediction were tracked by the prediction itself."""
    return "tracked_in_place" in manifest.provenance


def _move(file: Path, folder: Path) -> None:
    if file.exists():  # else it was moved before
        disk.replace(file, folder / file.name)


def _with_tracks(own: PartRecord, taken: PartRecord) -> PartRecord:
    names = [f"{folder}_{what}" for folder in _FOLDERS for what in ("bytes", "crc32")]
    return own.model_copy(update={name: getattr(taken, name) for name in names})
