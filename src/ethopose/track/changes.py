"""Pieces of tracklets that hold two animals one after the other, by their looks, and where to cut them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ethopose.track.likeness import SPAN, Blocks, Likeness

CHANGED = 15.0  # nats by which a piece that holds two animals is told
WITHIN = 0.2  # of what learned vectors of an animal change from piece to piece: what they change within one

Moments = tuple[Int64[np.ndarray, "cut"], Int64[np.ndarray, "cut"]]  # pieces; frames before which to cut them
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # of some frames: piece, frame, vector


class Change(NamedTuple):
    """A piece that is of another animal from somewhere in these frames on."""

    piece: int
    first: int  # frame
    last: int
    before: Float64[np.ndarray, "axis"]  # mean vectors of both animals
    after: Float64[np.ndarray, "axis"]


def changes(model: Likeness, blocks: Blocks) -> list[Change]:
    """Pieces that hold two animals one after the other, in order of their frames."""
    model = replace(model, shift=WITHIN * model.shift)
    mean = blocks.mean @ model.axes
    found: list[Change] = []
    start = np.flatnonzero(np.diff(blocks.piece, prepend=-1))
    spans = list(zip(start.tolist(), [*start[1:].tolist(), len(blocks)], strict=True))
    while spans:
        first, end = spans.pop()
        worst = _worst(model, blocks, mean, first, end)
        if worst is not None:
            middle, change = worst
            found.append(change)
            spans += [(first, middle), (middle, end)]
    return sorted(found, key=lambda change: (change.first, change.piece))


def _worst(
    model: Likeness, blocks: Blocks, mean: np.ndarray, first: int, end: int
) -> tuple[int, Change] | None:
    """Where blocks of a piece are least alike on both sides, if they are of two animals: from which on."""
    if end - first < 2:
        return None
    count = blocks.count[first:end].astype(np.float64)
    rows = np.concatenate([[0], np.cumsum(count)])
    total = np.concatenate([np.zeros((1, mean.shape[1])), np.cumsum(mean[first:end] * count[:, None], 0)])
    at = np.arange(1, end - first)
    reach = max(int(model.horizon / SPAN), 1)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach, end - first)
    before, after = rows[at] - rows[low], rows[high] - rows[at]
    one, other = (total[at] - total[low]) / before[:, None], (total[high] - total[at]) / after[:, None]
    frames = (blocks.time[first + high - 1] - blocks.time[first + low]) * SPAN / 2
    odds = model.same(one, other, 1 / (1 / before + 1 / after), frames)
    worst = int(odds.argmin())
    if odds[worst] >= -CHANGED:
        return None
    middle = first + int(at[worst])
    begun, ended = (int(blocks.time[each]) * SPAN for each in (middle - 1, middle))
    return middle, Change(int(blocks.piece[middle]), begun, ended + SPAN - 1, one[worst], other[worst])


def moments(found: Sequence[Change], model: Likeness, rows: Iterable[Rows]) -> Moments:
    """Where to cut. Rows without vectors between those of the one animal and those of the other, who lie upon
    each other, become a piece of their own."""
    frames: list[list[np.ndarray]] = [[] for _ in found]
    odds: list[list[np.ndarray]] = [[] for _ in found]
    for piece, frame, vector in rows:
        for number, change in enumerate(found):
            if not len(frame) or change.last < frame[0] or change.first > frame[-1]:
                continue
            low, high = np.searchsorted(frame, [change.first, change.last + 1])
            mine = low + np.flatnonzero(piece[low:high] == change.piece)
            mine = mine[np.isfinite(vector[mine]).all(1)]
            frames[number].append(frame[mine])
            odds[number].append(_nearer(vector[mine], model, change))
    cuts = set()
    for change, frame, odd in zip(found, map(np.concatenate, frames), map(np.concatenate, odds), strict=True):
        last = int(np.cumsum(odd)[:-1].argmax())
        cuts |= {(change.piece, int(frame[last]) + 1), (change.piece, int(frame[last + 1]))}
    both = np.array(sorted(cuts), np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _nearer(
    vector: Float32[np.ndarray, "row dimension"], model: Likeness, change: Change
) -> Float64[np.ndarray, "row"]:
    """By how much likelier each vector is of the animal before the change."""
    axes = vector @ model.axes
    nearer: np.ndarray = (np.square(axes - change.after) - np.square(axes - change.before)).sum(1)
    return nearer
