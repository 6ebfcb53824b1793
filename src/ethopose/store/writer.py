"""Write a result part by part, in any order; a killed run makes the parts that are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pydantic import JsonValue

from ethopose.core import FormatError, Poses, ResultError
from ethopose.store.adoption import settle
from ethopose.store.atomic import TEMPORARY, make_folder, remove, remove_folder
from ethopose.store.claims import NAME, Claim, claim
from ethopose.store.features import Features
from ethopose.store.joins import NAME as JOINS
from ethopose.store.joins import Joins, joins_are_whole, store_joins
from ethopose.store.manifest import (
    TRACKING,
    Manifest,
    PartRecord,
    differences,
    read_manifest,
    write_manifest,
)
from ethopose.store.parts import Extra, is_whole, part_name, store_part
from ethopose.store.result import WITHIN, Result, is_result
from ethopose.store.tables import FrameTable, State

_FOLDERS = ("poses", "frames", "lists", "features")


class Writer:
    """A result being written: `write_part` until none is missing, then `finish`. Get one from `start`.

    Until it is closed the result is its own, and other runs are refused.
    """

    def __init__(self, path: Path, manifest: Manifest, claim: Claim | None) -> None:
        self.path, self.manifest, self._claim = path, manifest, claim

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = kind is not None and issubclass(kind, Exception)
        if failed and self._claim is not None and not self.manifest.parts:
            remove_folder(self.path)  # a start that failed holds nothing
        self.close()

    def close(self) -> None:
        """Leave the result, finished or not, to others."""
        if self._claim is not None:
            self._claim.release()

    @property
    def token(self) -> str:
        """Of its claim: with it other processes may store parts as long as this one holds the result."""
        return self._claim.holder.token if self._claim is not None else ""

    @property
    def done(self) -> int:
        """How many of the selected frames are stored."""
        return self.manifest.n_done

    @property
    def finished(self) -> bool:
        """Whether the result was complete already; there is nothing to write then."""
        return self.manifest.state == "finished"

    def write_part(
        self,
        frames: FrameTable,
        poses: Poses,
        extra: Extra | None = None,
        state: State | None = None,
        features: Features | None = None,
    ) -> None:
        """Store a part (`store_part`) and enter it; if this fails the result is as it was before."""
        self.enter([store_part(self.path, self.manifest, frames, poses, extra, state, features)])

    def enter(self, records: Sequence[PartRecord]) -> None:
        """Enter parts whose files are there.

        Raises:
            ResultError: the disk is full, or another run writes this result.
        """
        parts = {part.first: part for part in (*self.manifest.parts, *records)}
        ordered = tuple(parts[first] for first in sorted(parts))
        self._replace(self.manifest.model_copy(update={"parts": ordered}))

    def finish(
        self,
        provenance: Mapping[str, JsonValue] | None = None,
        *,
        tracks: Sequence[str] | None = None,
        joins: Joins | None = None,
    ) -> Result:
        """Mark the result as finished and give it to read; what is finished already stays as it is.

        `provenance` is added to what `start` was given; `tracks` are the names of the tracks, where
        they were not known before; `joins` are those that tracking made.

        Raises:
            ResultError: frames are missing, or the disk is full.
        """
        if not self.finished:
            self._check()
            if self.done != self.manifest.n_frames:
                missing = (
                    f"{self.manifest.n_frames - self.done} of {self.manifest.n_frames} frames are missing"
                )
                raise ResultError(missing, where=self.path, fix="start the same command again to continue")
            update = {
                "state": "finished",
                "provenance": {**self.manifest.provenance, **(provenance or {})},
                "tracks": self.manifest.tracks if tracks is None else tuple(tracks),
                "joins": None if joins is None else store_joins(self.path, joins),
            }
            self._replace(self.manifest.model_copy(update=update))
        return Result(self.path, self.manifest)

    def _check(self) -> None:
        """Whether the result is still this one's to write."""
        if self._claim is not None:
            self._claim.check()
        if read_manifest(self.path).parts != self.manifest.parts:
            raise ResultError("another run writes this result", where=self.path, fix="let one of them finish")

    def _replace(self, manifest: Manifest) -> None:
        self._check()
        write_manifest(self.path, manifest)
        self.manifest = manifest


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
    manifest = manifest.model_copy(update={"parts": (), "joins": None, "state": "running"})
    kept = _kept(path, manifest, overwrite=overwrite)
    pending = ("track" in kept.settings and TRACKING not in kept.provenance) or (path / WITHIN).exists()
    if kept.state == "finished" and not pending:  # of tracks
        return Writer(path, kept, None)
    make_folder(path)
    mine = claim(path)
    try:
        if not overwrite:
            settle(path)
        kept = _kept(path, manifest, overwrite=overwrite)  # others may have worked on it until now
        if kept.state == "finished":
            return Writer(path, kept, mine)
        remove_folder(path / WITHIN)  # tracks of poses that are to be made anew
        write_manifest(path, kept)
        _sweep(path, kept)
        wanted = {"poses": True, "frames": True, "lists": kept.lists, "features": kept.features}
        for folder in (name for name in _FOLDERS if wanted[name]):
            make_folder(path / folder)
    except BaseException:
        mine.release()
        raise
    return Writer(path, kept, mine)


def _kept(path: Path, asked: Manifest, *, overwrite: bool) -> Manifest:
    """The manifest to go on with."""
    if is_result(path):
        return _continued(path, asked, overwrite=overwrite)
    if path.exists() and not _is_vacant(path):
        raise ResultError("there is something here that is not a result", where=path, fix="choose another -o")
    return asked


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
        raise ResultError(what, where=path, fix=_way_out(old, different))
    if different:
        return asked
    whole = tuple(part for part in old.parts if is_whole(path, part))
    if old.state == "finished" and len(whole) == len(old.parts) and joins_are_whole(path, old.joins):
        return old
    before = {name: told for name, told in old.provenance.items() if name != TRACKING}
    update = {"parts": whole, "provenance": before | asked.provenance, "exports": dict.fromkeys(old.exports)}
    return asked.model_copy(update=update)


def _way_out(old: Manifest, different: list[str]) -> str:
    fix = "--overwrite replaces it, -o writes elsewhere"
    if all(each.startswith("the setting corrections ") for each in different):
        return f"to go on from it, correct that one; {fix}"
    if old.own_tracks and all(each.startswith("the setting track ") for each in different):
        return f"ethopose track finds other tracks of the same poses; {fix}"
    return fix


def _is_vacant(path: Path) -> bool:
    ours = (TEMPORARY, NAME)
    return path.is_dir() and all(entry.name.startswith(ours) for entry in path.iterdir())


def _sweep(path: Path, manifest: Manifest) -> None:
    """Remove what the manifest does not list: what a kill left behind, parts of a former result."""
    listed = {part_name(part.first) for part in manifest.parts}
    stale = [path / JOINS, *(file for file in path.iterdir() if file.name.startswith(TEMPORARY))]
    for folder in _FOLDERS:
        files = (path / folder).iterdir() if (path / folder).is_dir() else ()
        stale += [file for file in files if file.name not in listed]
    for file in stale:
        remove(file)
