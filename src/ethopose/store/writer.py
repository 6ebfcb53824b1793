"""Write a result part by part; a killed run continues after its last part."""

import zlib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from pydantic import JsonValue

from ethopose.core import DataError, FormatError, Poses, ResultError
from ethopose.store.atomic import TEMPORARY, make_folder, remove, replacing
from ethopose.store.manifest import Manifest, PartRecord, differences, read_manifest, write_manifest
from ethopose.store.result import Result, is_result, part_name
from ethopose.store.tables import FrameTable, encode, frames_table, poses_table

_FOLDERS = ("poses", "frames", "features")


class Writer:
    """A result being written. `write_part` in order of frames, then `finish`; get one from `start`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest

    @property
    def done(self) -> int:
        """How many of the selected frames are stored: the position to go on from."""
        return self.manifest.n_done

    @property
    def finished(self) -> bool:
        """Whether the result was complete already; there is nothing to write then."""
        return self.manifest.state == "finished"

    def write_part(
        self,
        frames: FrameTable,
        poses: Poses,
        extra: Mapping[str, Float32[np.ndarray, "instance"]] | None = None,
    ) -> None:
        """Store the next selected frames; once this returns they survive a kill and a power cut.

        A part holds `part_frames` frames, the last what is left. `extra` holds the columns that the
        manifest declares beyond the usual ones. If this fails the result is as it was before.

        Raises:
            DataError: these are not the frames that come next, or poses and frames contradict each other.
            ResultError: the disk is full, or another run writes this result.
        """
        extra = extra or {}
        self._check(frames, poses, extra)
        name = part_name(int(frames.frame[0]))
        encoded = {"poses": encode(poses_table(poses, extra)), "frames": encode(frames_table(frames))}
        for folder, content in encoded.items():
            with replacing(self.path / folder / name) as file:
                file.write(content)
        part = PartRecord(
            first=int(frames.frame[0]),
            frames=len(frames),
            animals=len(poses),
            poses_bytes=len(encoded["poses"]),
            poses_crc32=zlib.crc32(encoded["poses"]),
            frames_bytes=len(encoded["frames"]),
            frames_crc32=zlib.crc32(encoded["frames"]),
        )
        self._replace(self.manifest.model_copy(update={"parts": (*self.manifest.parts, part)}))

    def finish(
        self, provenance: Mapping[str, JsonValue] | None = None, *, tracks: Sequence[str] | None = None
    ) -> Result:
        """Mark the result as finished and give it to read; what is finished already stays as it is.

        `provenance` is added to what `start` was given; `tracks` are the names of the tracks, where
        they were not known before.

        Raises:
            ResultError: frames are missing.
        """
        if not self.finished:
            if self.done != self.manifest.n_frames:
                missing = (
                    f"{self.manifest.n_frames - self.done} of {self.manifest.n_frames} frames are missing"
                )
                raise ResultError(missing, where=self.path, fix="start the same command again to continue")
            update = {"state": "finished", "provenance": {**self.manifest.provenance, **(provenance or {})}}
            names = self.manifest.tracks if tracks is None else tuple(tracks)
            self._replace(self.manifest.model_copy(update={**update, "tracks": names}))
        return Result(self.path, self.manifest)

    def _replace(self, manifest: Manifest) -> None:
        if read_manifest(self.path).parts != self.manifest.parts:
            raise ResultError("another run writes this result", where=self.path, fix="let one of them finish")
        write_manifest(self.path, manifest)
        self.manifest = manifest

    def _check(self, frames: FrameTable, poses: Poses, extra: Mapping[str, np.ndarray]) -> None:
        expected = self.manifest.selected(self.done, self.done + self.manifest.part_frames)
        if not len(expected) or not np.array_equal(frames.frame, expected):
            wanted = f"{expected[0]} to {expected[-1]}" if len(expected) else "none"
            raise DataError(
                f"not the frames of the next part ({len(expected)} frames: {wanted})", where=self.path
            )
        if poses.skeleton != self.manifest.skeleton:
            raise DataError("the poses have another skeleton than the result", where=self.path)
        rows = np.searchsorted(frames.frame, poses.frame)
        known = np.isin(poses.frame, frames.frame).all()
        if not known or not np.array_equal(np.bincount(rows, minlength=len(frames)), frames.animals):
            raise DataError("poses and frames tell different numbers of animals", where=self.path)
        if set(extra) != set(self.manifest.extra_columns) or any(
            len(v) != len(poses) for v in extra.values()
        ):
            declared = ", ".join(self.manifest.extra_columns) or "none"
            raise DataError(f"extra columns are not those declared ({declared})", where=self.path)


def start(path: Path | str, manifest: Manifest, *, overwrite: bool = False) -> Writer:
    """A writer for a new result, or for one that the same run left unfinished or finished.

    The same: equal model, video, settings, frames and parts. `Writer.done` frames are stored already.
    With `overwrite` another result, or a finished one, is replaced: its parts go once the new manifest
    is in place, so that no moment shows a mixture.

    Raises:
        ResultError: the folder holds another result (the message says what differs) or something else.
        FormatError: the folder's manifest is damaged or of another version (and not `overwrite`).
    """
    path = Path(path)
    if path.exists() and not is_result(path) and not _is_vacant(path):
        raise ResultError("there is something here that is not a result", where=path, fix="choose another -o")
    manifest = manifest.model_copy(update={"parts": (), "state": "running"})
    if is_result(path):
        kept = _continued(path, manifest, overwrite=overwrite)
        if kept.state == "finished":
            return Writer(path, kept)
        manifest = kept
    else:
        make_folder(path)
    write_manifest(path, manifest)
    _sweep(path, manifest)
    for folder in ("poses", "frames"):
        make_folder(path / folder)
    return Writer(path, manifest)


def _continued(path: Path, asked: Manifest, *, overwrite: bool) -> Manifest:
    """The manifest to go on with: of the parts that are there, of none if they are to be replaced."""
    try:
        old = read_manifest(path)
    except FormatError:
        if overwrite:
            return asked
        raise
    different = list(differences(old, asked))
    if overwrite and (different or old.state == "finished"):
        return asked
    if different and (old.parts or old.state == "finished"):  # a start that failed holds nothing
        what = f"the result here is another one: {'; '.join(different)}"
        raise ResultError(what, where=path, fix="--overwrite replaces it, -o writes elsewhere")
    if different:
        return asked
    whole = _whole_parts(path, old)
    if old.state == "finished" and len(whole) == len(old.parts):
        return old
    provenance = {**old.provenance, **asked.provenance}
    return asked.model_copy(update={"parts": whole, "provenance": provenance})


def _whole_parts(path: Path, manifest: Manifest) -> tuple[PartRecord, ...]:
    """The parts up to the first whose files are not as the manifest says; later ones are made anew."""

    def is_whole(part: PartRecord) -> bool:
        sizes = {"poses": part.poses_bytes, "frames": part.frames_bytes}
        files = {path / folder / part_name(part.first): size for folder, size in sizes.items()}
        return all(file.is_file() and file.stat().st_size == size for file, size in files.items())

    return tuple(takewhile(is_whole, manifest.parts))


def _is_vacant(path: Path) -> bool:
    return path.is_dir() and all(entry.name.startswith(TEMPORARY) for entry in path.iterdir())


def _sweep(path: Path, manifest: Manifest) -> None:
    """Remove what the manifest does not list: what a kill left behind, parts of a former result."""
    listed = {part_name(part.first) for part in manifest.parts}
    stale = [file for file in path.iterdir() if file.name.startswith(TEMPORARY)]
    for folder in _FOLDERS:
        files = (path / folder).iterdir() if (path / folder).is_dir() else ()
        stale += [file for file in files if file.name not in listed]
    if not listed:
        stale.append(path / "joins.parquet")
    for file in stale:
        remove(file)
