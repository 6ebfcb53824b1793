"""Tracks that a person corrects: a tracked result becomes a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack, cast

import numpy as np
from jaxtyping import Int64
from pydantic import JsonValue

from ethopose.core import ResultError, UsageError
from ethopose.store import SUFFIX, Extra, Joins, Result, read, start
from ethopose.track.asked import Progress
from ethopose.track.correction import END, CorrectedJoins, Correction, Renamed

RUNS = 4  # that a message tells of


class How(TypedDict, total=False):
    """What every correction takes."""

    out: Path | str | None  # the result to write; beside the one that is read if left out
    overwrite: bool  # replace what is there
    progress: Progress | None


def swap(
    result: Result | Path | str, a: str, b: str, first: int, last: int | None = None, **how: Unpack[How]
) -> Result:
    """Exchange two tracks, by name, from frame `first` on, up to and with `last`, as a new result.

    Raises:
        UsageError: no track has such a name, the frames are none of the result's, or neither is there then.
        ResultError: the result is unfinished, or there is something else at `out`.
        FormatError: it is none, or a part of it is damaged.
    """
    source = _tracked(result)
    one, other = _number(source, a), _number(source, b)
    if one == other:
        raise UsageError(f"{a} cannot be exchanged with itself", fix="name two tracks")
    _check_frames(source, first, last)
    end = END if last is None else last
    if not any(
        ((first <= frame) & (frame <= end)).any() for pair in _seen(source, one, other) for frame in pair
    ):
        raise UsageError(f"neither {a} nor {b} is there in these frames", where=source.path)
    moved = np.arange(len(source.tracks))
    moved[[one, other]] = other, one
    words = f"swap {a} {b} --from {first}" + (f" --to {last}" if last is not None else "")
    return _correct(source, Correction(words, source.tracks, moved, first, end), how)


def rename(result: Result | Path | str, old: str, new: str, **how: Unpack[How]) -> Result:
    """Give a track another name, as a new result. A name of an individual that the model knows makes it
    that individual.

    Raises:
        UsageError: no track has the name, another has the new one, or it is empty.
        ResultError, FormatError: as `swap`.
    """
    source = _tracked(result)
    number = _number(source, old)
    if new in source.tracks:
        raise UsageError(
            f"there is a track named {new} already", where=source.path, fix="choose another name"
        )
    if not new.strip():
        raise UsageError("a name without a letter", fix="choose another name")
    names = (*source.tracks[:number], new, *source.tracks[number + 1 :])
    return _correct(source, Correction(f"rename {old} {new}", names, np.arange(len(names))), how)


def rename_all(
    result: Result | Path | str, names: Mapping[str, str], words: str, note: JsonValue, **how: Unpack[How]
) -> Result:
    """Give several tracks other names at once, as a new result; `words` stand under its settings and
    tell this correction from others, `note` stands in the provenance.

    Raises:
        UsageError: no track has such a name, or two would have one.
        ResultError, FormatError: as `swap`.
    """
    source = _tracked(result)
    for name in names:
        _number(source, name)
    after = tuple(names.get(name, name) for name in source.tracks)
    if len(set(after)) < len(after):
        raise UsageError("two tracks would have one name", where=source.path)
    return _correct(source, Correction(words, after, np.arange(len(after))), how, told=note)


def join(result: Result | Path | str, a: str, b: str, **how: Unpack[How]) -> Result:
    """Make track `b` a part of track `a`, as a new result.

    Raises:
        UsageError: no track has such a name, or both are there in some frame.
        ResultError, FormatError: as `swap`.
    """
    source = _tracked(result)
    one, other = _number(source, a), _number(source, b)
    if one == other:
        raise UsageError(f"{a} cannot be joined to itself", fix="name two tracks")
    both = np.concatenate([np.intersect1d(mine, theirs) for mine, theirs in _seen(source, one, other)])
    if len(both):
        what = f"{a} and {b} are both there in {_told(both)}"
        raise UsageError(what, where=source.path, fix="ethopose tracks cut or swap them first")
    moved = np.arange(len(source.tracks))
    moved[other] = one
    moved -= moved > other
    names = (*source.tracks[:other], *source.tracks[other + 1 :])
    return _correct(source, Correction(f"join {a} {b}", names, moved), how)


def cut(result: Result | Path | str, a: str, frame: int, **how: Unpack[How]) -> Result:
    """Cut a track in two before `frame`: from there on it is a new track, as a new result.

    Raises:
        UsageError: no track has the name, or it is not there both before the frame and from it on.
        ResultError, FormatError: as `swap`.
    """
    source = _tracked(result)
    number = _number(source, a)
    _check_frames(source, frame, None)
    sides = np.zeros(2, np.int64)
    for (seen,) in _seen(source, number):
        sides += (seen < frame).sum(), (seen >= frame).sum()
    if not sides.all():
        side = "from it on" if sides[0] else "before it"
        raise UsageError(f"nothing to cut at frame {frame}: {a} is not there {side}", where=source.path)
    moved = np.arange(len(source.tracks))
    moved[number] = len(moved)
    names = (*source.tracks, _free(a, source.tracks))
    return _correct(source, Correction(f"cut {a} --at {frame}", names, moved, frame), how)


def confirm(result: Result | Path | str, track: str, frame: int, **how: Unpack[How]) -> Result:
    """Say that a join of a track is right, as a new result: it is certain then, and so are those that it
    might have been exchanged for. `frame` is any from the last of its first piece to the first of its second.

    Raises:
        UsageError: no track has the name, or it has no join there.
        ResultError, FormatError: as `swap`.
    """
    source = _tracked(result)
    number = _number(source, track)
    _check_frames(source, frame, None)
    joins = source.joins
    mine = (joins.track == number) & (joins.before <= frame) & (frame <= joins.after)
    if not mine.any():
        what = f"{track} has no join at frame {frame}"
        raise UsageError(what, where=source.path, fix="ethopose track RESULT --review lists the unsure ones")
    row = int(np.flatnonzero(mine)[-1])  # where a piece is one frame long, the join that this begins
    right = joins.exchangeable(row)
    right[row] = True
    joins = replace(joins, certainty=np.where(right, np.float32(1), joins.certainty))
    same = np.arange(len(source.tracks))
    words = f"confirm {track} --at {frame}"
    return _correct(source, Correction(words, source.tracks, same), how, joins)


def corrected_path(source: Path) -> Path:
    """Where a correction of a result goes unless it is told: beside it; further ones are counted."""
    stem = source.name.removesuffix(SUFFIX)
    counted = re.fullmatch(r"(.+)\.corrected(?:-(\d+))?", stem)
    name = f"{counted[1]}.corrected-{int(counted[2] or 1) + 1}" if counted else f"{stem}.corrected"
    return source.with_name(name + SUFFIX)


def _tracked(result: Result | Path | str) -> Result:
    source = result if isinstance(result, Result) else read(result)
    if not source.finished:
        what = "the result is not finished"
        raise ResultError(what, where=source.path, fix="start the command that makes it again")
    if not source.tracks:
        raise UsageError("there are no tracks to correct", where=source.path, fix="ethopose track finds them")
    return source


def _number(source: Result, name: str) -> int:
    if name not in source.tracks:
        known = ", ".join(source.tracks[:12]) + (", ..." if len(source.tracks) > 12 else "")
        raise UsageError(f"no track is named {name!r}", where=source.path, fix=f"choose from {known}")
    return source.tracks.index(name)


def _check_frames(source: Result, first: int, last: int | None) -> None:
    begin, end = source.manifest.frames[0][0], source.manifest.frames[-1][1]
    for frame in (first, first if last is None else last):
        if not begin <= frame <= end:
            what = f"there is no frame {frame}"
            raise UsageError(what, where=source.path, fix=f"choose from {begin} to {end}")
    if last is not None and last < first:
        what = f"there is no frame from {first} to {last}"
        raise UsageError(what, where=source.path, fix="name the earlier one first")


def _seen(source: Result, *tracks: int) -> Iterator[list[Int64[np.ndarray, "row"]]]:
    """Part by part the frames in which each track is there."""
    for part in source:
        yield [part.poses.frame[part.poses.track == track] for track in tracks]


def _told(frames: Int64[np.ndarray, "frame"]) -> str:
    """Frames as runs, the first of them."""
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    told = [f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:RUNS]]
    more = sum(map(len, runs[RUNS:]))
    return f"frame{'s' * (len(frames) > 1)} {', '.join(told)}" + (f" and {more} more" if more else "")


def _free(name: str, taken: Sequence[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _correct(
    source: Result,
    correction: Correction,
    how: How,
    joins: Joins | None = None,
    told: JsonValue = None,
) -> Result:
    """Write the corrected result; a run that was killed goes on where it stopped."""
    out, progress = Path(how.get("out") or corrected_path(source.path)), how.get("progress")
    if out.resolve() == source.path.resolve():
        raise UsageError("a result is never changed, only read", where=out, fix="choose another -o")
    settings, before = source.manifest.settings, source.manifest.provenance.get("corrections")
    words = [*cast("list[JsonValue]", settings.get("corrections", [])), correction.words]
    update = {"settings": {**settings, "corrections": words}, "exports": {}, "own_tracks": False}
    manifest = source.manifest.model_copy(update={**update, "tracks": correction.names})
    left = CorrectedJoins(source.joins if joins is None else joins, correction)  # before anything is replaced
    with start(out, manifest, overwrite=how.get("overwrite", False)) as writer:
        if writer.finished:
            return writer.finish()
        there, done = {part.first for part in writer.manifest.parts}, 0
        renamed = Renamed(source.skeleton, source.tracks, correction.names)
        for part in source:
            track = correction.of(part.poses.frame, part.poses.track)
            left.see(part.poses, track)
            if int(part.frames.frame[0]) not in there:
                beside: Extra = {**part.extra, **source.lists(part)}
                poses, vectors = renamed(part.poses, track), source.features(part)
                writer.write_part(part.frames, poses, beside, features=vectors)
            done += len(part.frames)
            if progress:
                progress("writing", done, manifest.n_frames)
        note: JsonValue = {
            "what": correction.words,
            "from": str(source.path),
            "when": datetime.now(UTC).isoformat(),
            **({} if told is None else {"told": told}),
        }
        notes = [*(before if isinstance(before, list) else []), note]
        return writer.finish({"corrections": notes}, joins=left.all())
