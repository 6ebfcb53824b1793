"""The two steps of tracking, alone: pieces of tracklets without joins, and joins of pieces that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from pydantic import JsonValue

from ethopose.core import DataError
from ethopose.formats import FORMATS, Format
from ethopose.formats.exports import formats_named
from ethopose.store import TRACKING, Joins, Result
from ethopose.track.first_pass import Learned, Progress, associated
from ethopose.track.following import Followed
from ethopose.track.joins import World
from ethopose.track.peers import STITCH, TRACKLETS
from ethopose.track.pieces import cuts_of
from ethopose.track.rows import Parts, in_chunks
from ethopose.track.spool import NO_DOUBT, Spool
from ethopose.track.tracklets import Tracklets

PLACE = {"place.x": "px", "place.y": "px"}  # columns of tracklets: where each body is
ENDINGS = {"box": "_bx", "skeleton": "_sk"}  # of DeepLabCut's files; others' are those of its ellipses


class Stream:
    """Columns of numbers (column, row), however many rows are asked for at a time."""

    def __init__(self, pieces: Iterable[np.ndarray], columns: int) -> None:
        self._pieces, self._left = iter(pieces), np.empty((columns, 0))

    def next(self, count: int) -> Float64[np.ndarray, "column row"]:
        """The next rows."""
        waiting = [self._left]
        while sum(each.shape[1] for each in waiting) < count:
            waiting.append(next(self._pieces))
        joined = np.concatenate(waiting, 1)
        self._left = joined[:, count:]
        return joined[:, :count]


def given(source: Result, parts: Parts, spool: Spool, told: Progress) -> Learned:
    """Fill the spool with the tracks that are there, and give what else joins are told by: what following
    left beside them, or where others made them, what it tells anew.

    Raises:
        DataError: a track is twice in a frame.
    """
    left = _left(source)
    tracks = Stream(_tracks(source, () if left is None else PLACE), 1 if left is None else 3)
    if left is None:
        learned = associated(parts, _Renaming(tracks, spool), told)
    else:
        learned = left
        for rows in in_chunks(parts()):
            track, *place = tracks.next(len(rows))
            spool.add(Tracklets(track.astype(np.int64), np.stack(place, -1).astype(np.float32), NO_DOUBT))
            told("reading", int(rows.frame[-1]) + 1)
    return learned._replace(cuts=cuts_of([]), number=len(source.tracks), whole=_stay_whole(source))


def learned_note(learned: Learned) -> JsonValue:
    """What following leaves beside tracklets, but for where they are (`PLACE`)."""
    return {**learned.world._asdict(), "usual": float(learned.usual)}


def _left(source: Result) -> Learned | None:
    note = source.manifest.provenance.get(TRACKING)
    told = note.get("learned") if isinstance(note, dict) else None
    if not isinstance(told, dict) or not set(PLACE) <= set(source.manifest.extra_columns):
        return None
    names = *World._fields, "usual"
    number = [told.get(name) for name in names]
    if not all(isinstance(each, float | int) for each in number):
        return None
    *world, usual = (float(str(each)) for each in number)
    return Learned(World(*world), cuts_of([]), 0, usual)


def _stay_whole(source: Result) -> bool:
    """Whether none of the tracks may be cut: those of other tools, and what a person put right."""
    settings = source.manifest.settings
    own = settings.get("track")
    return "corrections" in settings or not (isinstance(own, dict) and own.get("step") == TRACKLETS)


class _Renaming:
    """A spool that keeps tracks in the place of the tracklets that it is given."""

    def __init__(self, tracks: Stream, spool: Spool) -> None:
        self._tracks, self._spool = tracks, spool

    def add(self, tracklets: Tracklets) -> None:
        """Keep where the next rows are, and the tracks that they are on."""
        track = self._tracks.next(len(tracklets.name))[0].astype(np.int64)
        self._spool.add(replace(tracklets, name=np.where(tracklets.name < 0, -1, track)))

    def __iter__(self) -> Iterator[Tracklets]:
        return iter(self._spool)


def _tracks(source: Result, more: Iterable[str]) -> Iterator[Float64[np.ndarray, "column row"]]:
    """Part by part the track of each row, and more of its columns."""
    for part in source:
        poses = part.poses
        both = np.stack([poses.frame, poses.track])[:, poses.track >= 0]
        sightings, count = np.unique(both, axis=1, return_counts=True)
        if (count > 1).any():
            frame, track = sightings[:, count.argmax()]
            what = f"{source.tracks[track]} is there {count.max()} times in frame {frame}"
            raise DataError(what, where=source.path, fix="--redo finds tracks anew")
        yield np.stack([poses.track.astype(np.float64), *(part.extra[name] for name in more)])


def former(source: Result, followed: Followed) -> Joins:
    """The joins that the pieces were made of before, but for those that were cut."""
    known = np.append(np.append(followed.path, -1)[followed.place], -1)
    old, cuts = source.joins, followed.cuts
    own, other = old.track.astype(np.int64), old.rival.astype(np.int64)
    track, rival = known[cuts.piece(own, old.after)], known[cuts.piece(other, old.after)]
    left = (track >= 0) & (track == known[cuts.piece(own, old.before)])
    rival = np.where(rival == track, -1, rival)
    return replace(old, track=track.astype(np.int32), rival=rival.astype(np.int32))[left]


def formats_of(names: Sequence[str] | None, method: str, step: str | None) -> list[Format]:
    """The formats to write beside a result; `dlc` is what DeepLabCut's own steps write: of tracklets the
    pickle, of stitching the table. Raises UsageError for a name that is none."""
    both = FORMATS["dlc-tracklets"], FORMATS["dlc-tracks"]
    some = {TRACKLETS: both[:1], STITCH: both[1:]}.get(step or "", both)
    ending = ENDINGS.get(method, "_el")
    tracks = [replace(form, named=form.named.replace("_el", ending)) for form in some]
    return formats_named(names, ["none"], {"dlc": tracks})


def names_of(source: Result, origin: Path | None) -> tuple[Path, str]:
    """The video and the model that files are named after; of poses of the file `origin`, whose video nobody
    knows, what that file is named after."""
    video, model = Path(str(source.video["path"])), source.manifest.model.name
    if origin is None:
        return video if video.name else source.path, model
    if model == origin.name:
        return video if video.name else origin, ""
    return video if video.name else Path(origin.name.partition(model)[0] + origin.suffix), model
