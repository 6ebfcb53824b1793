"""Tracks for a result: read part by part, followed, and written as a new result."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from pydantic import JsonValue

from ethopose.core import Poses, ResultError, UsageError
from ethopose.formats.exports import export, exported_path, refuse_foreign
from ethopose.store import (
    OK,
    SUFFIX,
    TEMPORARY,
    TRACKING,
    WITHIN,
    Joins,
    Manifest,
    Part,
    PartRecord,
    Result,
    Writer,
    adopt,
    join_joins,
    no_joins,
    plain_columns,
    read,
    start,
    store_part,
    video_of,
)
from ethopose.track.asked import Appearance, Progress, Tracking, Vectors
from ethopose.track.following import Followed, follow
from ethopose.track.naming import Names, counted, named, tracklets
from ethopose.track.peers import OURS, STITCH, TRACKLETS
from ethopose.track.rows import Rows, in_chunks
from ethopose.track.spool import DiskSpool
from ethopose.track.steps import PLACE, Stream, formats_of, former, given, learned_note, names_of

AT_ONCE, THREADS = 16, 2  # parts that are written
LEFT = "without_track"  # in the provenance: how many rows
LOOKS = "looks"  # kind of the appearance vectors that were learned
TRACKED, PIECES = f".tracked{SUFFIX}", f".tracklets{SUFFIX}"


def tracked_path(source: Path, step: str | None = None) -> Path:
    """Where the tracks of a result go unless it is told: beside it."""
    stem = source.name.removesuffix(PIECES).removesuffix(SUFFIX)
    return source.with_name(stem + (PIECES if step == TRACKLETS else TRACKED))


def track_result(
    source: Result,
    out: Path,
    how: Tracking,
    progress: Progress | None = None,
    *,
    video: Path | str | None = None,
    origin: Path | None = None,
    appearance: Appearance | None = None,
) -> Result:
    """Write a result with the rows of another one, and whose they are; `origin` is the file that this one was
    read from, where it was. `appearance` counts in ethopose's own method, and its vectors are kept.

    Rows that belong to no track stay, as -1. A run that was killed goes on where it stopped.

    Raises:
        ResultError: the source is unfinished, or `out` is something else.
        UsageError: the source has tracks already.
        FormatError: a part of the source is damaged.
    """
    _check(source, out, how)
    forms = formats_of(how.format, how.method, how.tracker.step)
    files = {exported_path(out, form, *names_of(source, origin)): form for form in forms}
    if not how.overwrite:
        refuse_foreign(out, files)
    with start(out, _manifest(source, how, appearance), overwrite=how.overwrite) as writer:
        if not writer.finished:
            began = datetime.now(UTC)
            told = _told(progress, source)
            notes: dict[str, JsonValue] = {"from": str(origin or source.path)}
            if how.method == OURS:
                vectors = None if appearance is None else appearance.learn(writer.path, progress)
                names, joins = _followed(writer, source, how, notes, told, vectors)
                notes |= {} if vectors is None else vectors.notes
            else:
                names, joins = _reproduced(writer, source, how, notes, told, video), no_joins()
            notes["seconds"] = round((datetime.now(UTC) - began).total_seconds(), 3)
            writer.finish({TRACKING: notes}, tracks=names, joins=joins)
        export(read(out), files)
        return read(out)


def track_in_place(result: Result, how: Tracking, progress: Progress | None = None) -> Result:
    """Tracks of a finished prediction in its own result, whose `settings` tell how: they are made as
    `track_result` makes them, within it, and taken in when they are whole; once there they stay."""
    if TRACKING not in result.manifest.provenance:
        plain = Result(result.path, result.manifest.model_copy(update={"features": {}}))  # these stay
        track_result(plain, result.path / WITHIN, how, progress)
        return adopt(result.path)
    return result


def _followed(
    writer: Writer,
    source: Result,
    how: Tracking,
    notes: dict[str, JsonValue],
    told: Callable[[str, int], None],
    vectors: Vectors | None,
) -> tuple[tuple[str, ...], Joins]:
    """All parts; gives the names of the tracks, and the joins."""
    used = vectors if vectors is not None and vectors.useful else None
    seen = partial(rows_of, source, used)
    with tempfile.TemporaryFile(dir=writer.path, prefix=TEMPORARY) as file:
        spool, stitch, join = DiskSpool(file), how.step == STITCH, how.step != TRACKLETS

        def parts() -> Iterator[Rows]:
            return rows_of(source)

        followed = follow(
            seen,
            how.animals,
            spool,
            looks=bool(source.skeleton.individuals) if used is None else used.apart,
            given=given(source, parts, spool, told) if stitch else None,
            join=join,
            progress=told,
        )
        names = named(source.skeleton, parts, followed, spool) if join else tracklets(followed)
        chunks = zip(in_chunks(parts()), spool, strict=True)
        told_of = (np.stack([*followed.of(rows, each), *each.place.T]) for rows, each in chunks)
        stream = Stream(told_of, 4)
        tracked = (_tracked(part, stream.next(len(part.poses)), names) for part in source)
        notes[LEFT] = _write(writer, source, tracked, told, vectors)
    if not join:
        notes["learned"] = learned_note(followed.learned)
    if np.isfinite(followed.told):
        notes["told_apart"] = round(followed.told, 3)
    return names.tracks, join_joins([joins_of(followed), *([former(source, followed)] if stitch else [])])


def _reproduced(
    writer: Writer,
    source: Result,
    how: Tracking,
    notes: dict[str, JsonValue],
    told: Callable[[str, int], None],
    video: Path | str | None,
) -> tuple[str, ...]:
    """All parts, as another tool's tracker has them."""
    images = None
    looked = source.frames.frame[source.frames.status == OK]
    if how.tracker.looks:
        seen = video_of(source, video)
        images = (block.image[0] for block in seen.blocks(looked, 1, gray=seen.gray))
    poses = how.tracker(source.poses, looked, how.animals, images)
    notes[LEFT] = _write(writer, source, ((part, _rows_of(poses, part)) for part in source), told)
    count = int(poses.track.max(initial=-1)) + 1
    return counted(count, how.step)


def _rows_of(poses: Poses, part: Part) -> Poses:
    frame = part.frames.frame
    return poses[slice(*np.searchsorted(poses.frame, [frame[0], frame[-1] + 1]))]


def joins_of(followed: Followed) -> Joins:
    """Where pieces were joined."""
    links, ends, path = followed.links, followed.ends, followed.path
    rival = np.where(links.rival < 0, -1, path[links.one[links.rival]] if len(links.one) else -1)
    return Joins(
        track=path[links.one].astype(np.int32),
        before=ends.last[links.one],
        after=ends.first[links.other],
        certainty=links.certainty.astype(np.float32),
        rival=rival.astype(np.int32),
        x=ends.place[links.other, 0, 0].astype(np.float32),
        y=ends.place[links.other, 0, 1].astype(np.float32),
    )


def _check(source: Result, out: Path, how: Tracking) -> None:
    if out.resolve() == source.path.resolve():
        raise UsageError("a result is not tracked into itself", where=out, fix="choose another -o")
    if not source.finished:
        what = "the result is not finished, and its tracks would end where it does"
        raise ResultError(what, where=source.path, fix="start the command that makes it again")
    if how.step == STITCH and not source.manifest.was_tracked:
        fix = "ethopose track --step tracklets makes some"
        raise UsageError("there are no tracks to stitch", where=source.path, fix=fix)
    if how.step == STITCH:
        _ = source.joins  # they go along: damaged ones are met at once
    kept = source.tracks and not source.manifest.own_tracks  # a prediction's own stay where they are
    if kept and not how.redo and how.step != STITCH:
        what = f"there are tracks already ({len(source.tracks)}), and they are kept"
        raise UsageError(what, where=source.path, fix="--redo finds them anew")
    if how.redo and set(source.tracks) & set(source.skeleton.individuals):
        what = "what its model said of individuals went into its tracks"
        raise UsageError(
            what, where=source.path, fix="track the result that it was made of, and leave out --redo"
        )


def _manifest(source: Result, how: Tracking, appearance: Appearance | None) -> Manifest:
    """What the tracked result is to be."""
    told, kept = how.settings, {k: n for k, n in source.manifest.features.items() if k != LOOKS}
    if appearance is not None:
        told, kept = told | {"appearance": appearance.kind}, kept | {LOOKS: appearance.size}
    settings = {**source.manifest.settings, "track": told}
    columns = {name: unit for name, unit in source.manifest.columns.items() if name not in PLACE}
    columns |= PLACE if how.step == TRACKLETS else {}
    anew: dict[str, Any] = {
        "own_tracks": False,
        "columns": columns,
        "features": kept,
        "tracks": (),
        "lists": {},
        "parts": (),
        "exports": {},
        "state": "running",
    }
    if how.method != OURS:  # it may have other rows, of which nothing else is known
        anew |= {"columns": plain_columns(source.skeleton), "features": {}}
    return source.manifest.model_copy(update={"settings": settings, **anew})


def rows_of(source: Result, vectors: Vectors | None = None) -> Iterator[Rows]:
    """The rows of a result part by part, without unique keypoints; their vectors are what a model that tells
    individuals apart said of them, then those given."""
    skeleton = source.skeleton
    own = [k for k, name in enumerate(skeleton.keypoints) if name not in skeleton.unique]
    for part in source:
        poses, looks = part.poses, _votes(part.poses)
        if vectors is not None:
            looks = np.concatenate([looks, vectors.of(part).astype(np.float32)], 1)
        yield Rows(poses.frame, poses.xy[:, own], poses.confidence[:, own], looks)


def _votes(poses: Poses) -> Float32[np.ndarray, "instance individual"]:
    """What a model that tells individuals apart said: its certainty for the one, 0 for the others."""
    votes = np.zeros((len(poses), len(poses.skeleton.individuals)), np.float32)
    named = np.flatnonzero(poses.individual >= 0) if votes.size else np.empty(0, np.int64)
    votes[named, poses.individual[named]] = np.nan_to_num(poses.identity_score[named], nan=1.0)
    return votes


def _write(
    writer: Writer,
    source: Result,
    parts: Iterable[tuple[Part, Poses]],
    told: Callable[[str, int], None],
    vectors: Vectors | None = None,
) -> int:
    """The parts that are not there yet, some at a time: they are encoded beside one another, and entered
    at once, since each time the whole manifest is written. Gives how many rows of all have no track."""
    there = {part.first for part in writer.manifest.parts}
    extra = set(writer.manifest.extra_columns)

    def store(both: tuple[Part, Poses]) -> PartRecord:
        part, poses = both
        frame = part.frames.frame
        animals = np.searchsorted(poses.frame, frame, "right") - np.searchsorted(poses.frame, frame)
        frames = replace(part.frames, animals=animals.astype(np.int32))
        more = {name: column for name, column in part.extra.items() if name in extra}
        kept = source.features(part, writer.manifest.features.keys() - {LOOKS})
        kept |= {} if vectors is None else {LOOKS: vectors.of(part)}
        return store_part(writer.path, writer.manifest, frames, poses, more, None, kept)

    left = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for some in _batched(parts, AT_ONCE):
            if new := [both for both in some if int(both[0].frames.frame[0]) not in there]:
                writer.enter(list(pool.map(store, new)))
            left += sum(int((poses.track < 0).sum()) for _, poses in some)
            told("writing", int(some[-1][0].frames.frame[-1]) + 1)
    return left


def _batched(source: Iterable[tuple[Part, Poses]], count: int) -> Iterator[list[tuple[Part, Poses]]]:
    """So many parts at a time."""
    waiting = iter(source)
    while parts := list(islice(waiting, count)):
        yield parts


def _tracked(part: Part, told: np.ndarray, names: Names) -> tuple[Part, Poses]:
    """With tracks and how sure these are; tracklets with where they are."""
    poses, track, sure = part.poses, told[0].astype(np.int32), told[1].astype(np.float32)
    if not names.joined:
        places = dict(zip(PLACE, told[2:].astype(np.float32), strict=True))
        return replace(part, extra={**part.extra, **places}), replace(poses, track=track)
    individual = np.append(names.individual, -1)[track] if (names.individual >= 0).any() else poses.individual
    poses = replace(poses, track=track, individual=individual.astype(np.int16), identity_score=sure)
    return part, poses


def _told(progress: Progress | None, source: Result) -> Callable[[str, int], None]:
    last = source.manifest.frames[-1][1] + 1 if source.manifest.frames else 0
    return lambda what, frames: progress(what, frames, last) if progress else None
