"""The two steps of tracking, alone: pieces of tracklets without joins, and joins of pieces that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError
from ethopose.formats import FORMATS, Format
from ethopose.formats.exports import formats_named
from ethopose.store import Joins, Result, join_joins
from ethopose.track.following import Followed, Spool
from ethopose.track.peers import STITCH, TRACKLETS
from ethopose.track.tracklets import Tracklets

ENDINGS = {"box": "_bx", "skeleton": "_sk"}  # of DeepLabCut's files; others' are those of its ellipses


class Stream:
    """Columns whose last axis is rows, however many of these are asked for at a time."""

    def __init__(self, pieces: Iterable[np.ndarray]) -> None:
        self._pieces = iter(pieces)
        self._left: np.ndarray | None = None

    def next(self, count: int) -> np.ndarray:
        """The next rows."""
        waiting: list[np.ndarray] = [] if self._left is None else [self._left]
        while not waiting or sum(each.shape[-1] for each in waiting) < count:
            waiting.append(next(self._pieces))
        joined = np.concatenate(waiting, -1)
        self._left = joined[..., count:]
        return joined[..., :count]


class Given:
    """A spool that keeps the tracks of a result in the place of the tracklets that it is given."""

    def __init__(self, source: Result, spool: Spool) -> None:
        self._tracks, self._spool = Stream(_tracks(source)), spool

    def add(self, tracklets: Tracklets) -> None:
        """Keep where the next rows are, and the tracks that they are on."""
        track = self._tracks.next(len(tracklets.name))
        self._spool.add(replace(tracklets, name=np.where(tracklets.name < 0, -1, track)))

    def __iter__(self) -> Iterator[Tracklets]:
        return iter(self._spool)


def _tracks(source: Result) -> Iterator[Int64[np.ndarray, "row"]]:
    for part in source:
        poses = part.poses
        both = np.stack([poses.frame, poses.track])[:, poses.track >= 0]
        sightings, count = np.unique(both, axis=1, return_counts=True)
        if (count > 1).any():
            frame, track = sightings[:, count.argmax()]
            what = f"{source.tracks[track]} is there {count.max()} times in frame {frame}"
            raise DataError(what, where=source.path, fix="--redo finds tracks anew")
        yield poses.track.astype(np.int64)


def with_former(source: Result, followed: Followed, joins: Joins) -> Joins:
    """The joins, and those that the pieces were made of before."""
    known = np.append(np.append(followed.path, -1)[followed.place], -1)
    old = source.joins
    track, rival = known[old.track], known[old.rival]
    rival = np.where(rival == track, -1, rival)
    moved = replace(old, track=track.astype(np.int32), rival=rival.astype(np.int32))[track >= 0]
    return join_joins([joins, moved])


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
