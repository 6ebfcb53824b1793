"""Which frames of a video."""

from __future__ import annotations

import re

from ethopose.core import UsageError
from ethopose.families.model import Window, window_of

Runs = tuple[tuple[int, int], ...]  # (first, last), both included, ascending and apart


def parse_frames(text: str) -> Runs:
    """Runs of frames from `0-100,200-300` or `1,2,3`; numbers are counted from 0, ends are included.

    Raises:
        UsageError: the text is no such list.
    """
    runs = []
    for piece in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UsageError(f"{piece or text!r} names no frames", fix="write them as 0-100,200-300 or 1,2,3")
        runs.append((first, last))
    return _merged(sorted(runs))


def select(runs: Runs | None, n_frames: int) -> Runs:
    """The runs within a video of so many frames; all of it for None.

    Raises:
        UsageError: a frame is not in the video.
    """
    runs = runs or ((0, n_frames - 1),)
    if runs[-1][1] >= n_frames:
        raise UsageError(
            f"frame {runs[-1][1]} is asked for, the video has {n_frames}", fix=f"choose from 0-{n_frames - 1}"
        )
    return runs


def _merged(runs: list[tuple[int, int]]) -> Runs:
    merged = [runs[0]]
    for first, last in runs[1:]:
        if first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return tuple(merged)


def parse_window(text: str) -> Window:
    """`40,600,20,460` as numbers.

    Raises:
        UsageError: it is no part of a frame.
    """
    part = window_of(text.strip("[] ").split(","))
    if part is None:
        raise UsageError(
            f"{text} is no part of a frame", fix="write from x, to x, from y, to y: 40,600,20,460"
        )
    return part
