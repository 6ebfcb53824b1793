"""Tracks come into the result that was predicted: parts of a result within it take the place of its own.

The rows are the same but for what tracking tells. What a kill leaves half done is completed when the result
is written the next time.
"""

from __future__ import annotations

from pathlib import Path

from ethopose.store.atomic import disk, disk_errors, remove_folder
from ethopose.store.joins import NAME as JOINS
from ethopose.store.manifest import NAME, TRACKING, PartRecord, read_manifest, write_manifest
from ethopose.store.parts import part_name
from ethopose.store.result import WITHIN, Result


def adopt(path: Path) -> Result:
    """Take in the finished result that lies within the one at `path`. Raises `ResultError`."""
    own, inner = read_manifest(path), read_manifest(path / WITHIN)
    with disk_errors(path):
        for record in inner.parts:
            _move(path / WITHIN / "poses" / part_name(record.first), path / "poses")
        _move(path / WITHIN / JOINS, path)
        for name in ("poses", "."):
            disk.sync_folder(path / name)
    taken = {record.first: record for record in inner.parts}
    parts = tuple(_with_tracks(record, taken[record.first]) for record in own.parts)
    notes = {**own.provenance, TRACKING: inner.provenance[TRACKING]}
    told = {"tracks": inner.tracks, "joins": inner.joins, "own_tracks": True}
    manifest = own.model_copy(update={"parts": parts, "provenance": notes, **told})
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


def _move(file: Path, folder: Path) -> None:
    if file.exists():  # else it was moved before
        disk.replace(file, folder / file.name)


def _with_tracks(own: PartRecord, taken: PartRecord) -> PartRecord:
    return own.model_copy(update={"poses_bytes": taken.poses_bytes, "poses_crc32": taken.poses_crc32})
