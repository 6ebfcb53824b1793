"""Joins that are unsure, for a person to look at: a list, and a small clip of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import Poses, ResultError, UsageError, join_poses
from ethopose.draw.labelled import note_undecodable
from ethopose.draw.legend import draw_mark
from ethopose.draw.marks import enlarged
from ethopose.draw.overlay import INK, PAPER, overlay, rescaled, resized, write_text
from ethopose.media import Video, VideoWriter
from ethopose.store import (
    SUFFIX,
    Joins,
    Result,
    disk_errors,
    filling,
    read,
    replacing,
    scratch,
    video_of,
)
from ethopose.store.atomic import disk

LIST, CLIPS = "joins.csv", "join_*.mp4"
COLUMNS = ("track", "rival", "before", "after", "time", "certainty", "x", "y", "clip")
AROUND = 1.0  # seconds that are shown before and after
SMALLEST = 96  # px of the video, at least, that a clip shows
SIDE = 480  # px of a clip
MARK, LETTER, HEAD = 10, 11, 32  # px
BLOCK = 16  # frames in memory at once


@dataclass(frozen=True, slots=True)
class Review:
    """What there is to look at."""

    path: Path  # the folder
    joins: Joins  # most doubtful first
    clips: tuple[Path, ...]


def review(
    result: Result | Path | str,
    out: Path | str | None = None,
    *,
    video: Path | str | None = None,
    clips: int = 20,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Review:
    """Write the unsure joins of a tracked result into the folder `out`, or beside the result: `joins.csv`,
    the most doubtful first, and of the first ones a clip of a second before and after. Joins that might be
    exchanged for each other share one.

    `video` tells where the video lies now if it was moved since; without `clips` none is opened.

    Raises:
        UsageError: the result has no tracks, or is not there.
        ResultError: there is a review already.
        VideoError: the video is gone, or it is another one.
    """
    result = result if isinstance(result, Result) else read(result)
    if not result.tracks:
        raise UsageError("there are no tracks to review", where=result.path, fix="ethopose track finds them")
    folder = Path(out) if out is not None else review_path(result.path)
    if not overwrite and ((folder / LIST).exists() or any(folder.glob(CLIPS))):
        raise ResultError("there is a review already", where=folder, fix="--overwrite replaces it")
    joins = result.joins[result.joins.unsure]
    joins = joins[np.lexsort((joins.after, joins.certainty))]
    number = _clips(joins, clips)
    opened = video_of(result, video) if (number >= 0).any() else None
    names = [f"join_{each + 1:02d}.mp4" for each in range(number.max(initial=-1) + 1)]
    with filling(folder), scratch(folder / "review") as made:
        if opened is not None:
            doubts = [_Doubt(result, opened, joins[number == each]) for each in range(len(names))]
            gathered = _gathered(result, doubts)
            for each, (name, doubt, poses) in enumerate(zip(names, doubts, gathered, strict=True)):
                doubt.draw(made / name, poses)
                if progress:
                    progress("clips", each + 1, len(names))
        _write_list(made / LIST, result, joins, [names[each] if each >= 0 else "" for each in number])
        _take_place(made, folder, names)
    return Review(folder, joins, tuple(folder / name for name in names))


def review_path(result: Path) -> Path:
    """Where the review of a result goes unless it is told: beside it."""
    return result.with_name(result.name.removesuffix(SUFFIX) + ".review")


def _take_place(made: Path, folder: Path, clips: list[str]) -> None:
    """Move the files into the folder, and those of an older review away; no list tells of other clips."""
    with disk_errors(folder):
        disk.remove(folder / LIST)
        for old in folder.glob(CLIPS):
            disk.remove(old)
        for name in (*clips, LIST):
            disk.replace(made / name, folder / name)


def _clips(joins: Joins, most: int) -> Int64[np.ndarray, "join"]:
    """The clip of each join, -1 for none: those that might be exchanged for each other are seen together."""
    number = np.full(len(joins), -1)
    for row in range(len(joins)):
        mates = np.flatnonzero(joins.exchangeable(row)[:row])
        if len(mates):
            number[row] = number[mates[0]]
        elif number.max() + 1 < most:
            number[row] = number.max() + 1
    return number


def _write_list(path: Path, result: Result, joins: Joins, clips: list[str]) -> None:
    time = result.frames.time[np.searchsorted(result.frames.frame, joins.after)]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row, clip in enumerate(clips):
        rival = int(joins.rival[row])
        names = result.tracks[joins.track[row]], result.tracks[rival] if rival >= 0 else ""
        frames = joins.before[row], joins.after[row]
        sure = f"{time[row]:.3f}", f"{joins.certainty[row]:.3f}"
        table.writerow([*names, *frames, *sure, f"{joins.x[row]:.1f}", f"{joins.y[row]:.1f}", clip])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


class _Doubt:
    """What one clip shows: joins that are doubtful together."""

    def __init__(self, result: Result, video: Video, joins: Joins) -> None:
        self._video, self._joins, self._names = video, joins, result.tracks
        around = max(1, round(AROUND * video.fps))
        selected, edges = result.frames.frame, np.concatenate([joins.before, joins.after])
        near = [slice(*np.searchsorted(selected, [edge - around, edge + around + 1])) for edge in edges]
        self.frames = np.unique(np.concatenate([selected[each] for each in near]))  # of a long gap its ends

    def draw(self, path: Path, poses: Poses) -> None:
        """Write the clip; `poses` are the rows of its frames."""
        left, top, right, bottom = self._window(poses)
        cropped = bottom - top, right - left
        factor, corner = SIDE / max(cropped), np.array([left, top], np.float32)
        size = max(2, round(cropped[0] * factor)), max(2, round(cropped[1] * factor))
        moved = rescaled(replace(poses, xy=poses.xy - corner), cropped, size)
        place = enlarged(np.stack([self._joins.x, self._joins.y], -1) - corner, factor)
        with VideoWriter(path, self._video.fps, (HEAD + size[0], size[1])) as writer:
            for block in self._video.blocks(self.frames, BLOCK):
                for frame, image, status in zip(block.frame, block.image, block.status, strict=True):
                    rows = moved[slice(*np.searchsorted(moved.frame, [frame, frame + 1]))]
                    whole = resized(image, self._video.shape[:2])  # images of a folder may differ in size
                    small = resized(np.ascontiguousarray(whole[top:bottom, left:right]), size)
                    drawn = overlay(small, rows, names=self._names)
                    draw_mark(drawn, place, [PAPER] * len(place), "plus", across=MARK)
                    head = np.full((HEAD, size[1], 3), INK, np.uint8)
                    write_text(head, f"frame {frame}   {self._question}", (6, HEAD - 10), LETTER)
                    writer.write(np.concatenate([head, note_undecodable(drawn, int(status))]))

    @property
    def _question(self) -> str:
        track, rival = int(self._joins.track[0]), int(self._joins.rival[0])
        other = f" or {self._names[rival]}" if rival >= 0 else ""
        return f"{self._names[track]}{other}? {self._joins.certainty[0]:.0%}"

    def _window(self, poses: Poses) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the part of the frame in which it happens."""
        who = np.isin(poses.track, np.concatenate([self._joins.track, self._joins.rival]))
        points = poses.xy[who & (poses.track >= 0)].reshape(-1, 2)
        points = np.concatenate([points, np.stack([self._joins.x, self._joins.y], -1)])
        limit = np.array(self._video.shape[1::-1])
        points = points[np.isfinite(points).all(1)].clip(0, limit)
        low, high = (points.min(0), points.max(0)) if len(points) else (0 * limit, limit)
        room = np.maximum((SMALLEST - (high - low)) / 2, 0.15 * (high - low).max())
        low, high = np.floor(low - room).clip(0), np.ceil(high + room).clip(max=limit)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _gathered(result: Result, doubts: list[_Doubt]) -> list[Poses]:
    """The rows of each clip's frames, in one pass."""
    found: list[list[Poses]] = [[] for _ in doubts]
    for part in result:
        for rows, doubt in zip(found, doubts, strict=True):
            rows.append(part.poses[np.isin(part.poses.frame, doubt.frames)])
    return [join_poses(rows, result.skeleton) for rows in found]
