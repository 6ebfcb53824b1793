"""What the SORT family measures of a video before it tracks: pace, body size, steps (sleap-nn 0.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.core.errors import DataError
from ethopose.track.sleap.mot.found import Boxes, Found
from ethopose.track.sleap.mot.options import MotOptions

DUPLICATE = 0.5  # of the smaller box: more is shared by boxes of one animal
NEAR, CLEARLY = 0.5, 2.0  # of the spacing; times nearer than the next best
SHORTEST = 10  # frames of a sure chain
BODY_IN_STEPS, LEAST_BODY, SOME_BODY = 8.0, 16.0, 50.0  # steps; px; px
LEAST_SCORE = 1e-6


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one video."""

    stride: int  # frames a step
    by_frames: bool  # whether frame numbers tell the time; else each frame looked at is a step
    body: float  # px
    step: float  # px a step, the 95th percentile; NaN: unknown
    best_score: float  # the 95th percentile

    def steps(self, frames: Int64[np.ndarray, "looked"]) -> Int64[np.ndarray, "looked"]:
        """When each frame was, in steps since the first."""
        if not self.by_frames:
            return np.arange(len(frames))
        apart = np.maximum(1, np.rint(np.diff(frames) / self.stride)).astype(np.int64)
        return np.concatenate((np.zeros(min(1, len(frames)), np.int64), np.cumsum(apart)))


def frames_looked_at(
    frame: Int64[np.ndarray, "instance"], looked: Int64[np.ndarray, "looked"] | None
) -> Int64[np.ndarray, "looked"]:
    """The frames that were predicted; if that is not told, those with instances. DataError: out of order."""
    looked = np.unique(frame) if looked is None else looked
    if (np.diff(frame) < 0).any() or (np.diff(looked) <= 0).any() or not np.isin(frame, looked).all():
        raise DataError("frames are not in order, or poses lie in frames that were not looked at")
    return looked


def measures(some: Found, looked: Int64[np.ndarray, "looked"], options: MotOptions) -> Measures:
    """Measure a video by the instances found in the frames that were looked at."""
    values, counts = np.unique(np.diff(looked), return_counts=True)
    stride = int(values[counts.argmax()]) if len(values) else 1
    regular = not len(values) or 2 * counts.max() >= counts.sum()
    by_frames = options.time_base == "frames" or (options.time_base == "auto" and regular)
    best = max(float(np.quantile(some.score[some.valid], 0.95)), LEAST_SCORE) if some.valid.any() else 1.0
    first = Measures(stride, by_frames, np.nan, np.nan, best)
    frames = _frames(some, looked)
    spacing, doubled = _spacing(some, frames)
    moves = _sure_moves(some, frames, doubled, NEAR * spacing, first.steps(looked))
    percentiles = np.percentile(moves, [95, 99]) if len(moves) else (np.nan, np.nan)
    body = options.body_size or _body(some, float(percentiles[1]), spacing)
    return Measures(stride, by_frames, body, float(percentiles[0]), best)


def shared(one: Boxes, other: Boxes) -> Float64[np.ndarray, "instance instance"]:
    """How much of the smaller of two boxes both cover."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1) for boxes in (one, other)]
    smaller = np.minimum(area[0][:, None], area[1][None])
    return np.asarray(np.divide(both, smaller, out=np.zeros_like(both), where=smaller > 0))


def _frames(some: Found, looked: Int64[np.ndarray, "looked"]) -> list[Int64[np.ndarray, "instance"]]:
    """The valid rows of each frame that was looked at."""
    rows = np.flatnonzero(some.valid)
    frame = some.frame[rows]
    return np.split(rows, np.searchsorted(frame, looked[1:])) if len(looked) else []


def _spacing(
    some: Found, frames: list[Int64[np.ndarray, "instance"]]
) -> tuple[float, Bool[np.ndarray, "instance"]]:
    """The median distance to the nearest other animal (inf: never two), and who is found twice."""
    doubled, nearest = np.zeros(len(some), bool), []
    for rows in frames:
        if len(rows) < 2:
            continue
        twice = shared(some.extent[rows], some.extent[rows]) > DUPLICATE
        np.fill_diagonal(twice, False)
        doubled[rows] = twice.any(axis=1)
        apart = _distances(some.centre[rows], some.centre[rows])
        np.fill_diagonal(apart, np.inf)
        apart[twice] = np.inf
        nearest.append(apart.min(axis=1))
    known = np.concatenate([np.empty(0), *nearest])
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else np.inf, doubled


def _sure_moves(
    some: Found,
    frames: list[Int64[np.ndarray, "instance"]],
    doubled: Bool[np.ndarray, "instance"],
    reach: float,
    step: Int64[np.ndarray, "looked"],
) -> Float64[np.ndarray, "move"]:
    """How far animals move a step, px, in chains of frames that leave no doubt."""
    following, chain = np.full(len(some), -1), np.arange(len(some))
    pace = np.ones(len(some))
    for index, (rows, later) in enumerate(pairwise(frames)):
        if not len(rows) or not len(later):
            continue
        at, to = _sure_pairs(_distances(some.centre[rows], some.centre[later]), reach)
        at, to = rows[at], later[to]
        sure = ~doubled[at] & ~doubled[to]
        at, to = at[sure], to[sure]
        following[at], chain[to] = to, chain[at]
        pace[at] = step[index + 1] - step[index]
    long = np.bincount(chain, minlength=len(some))[chain] >= SHORTEST
    moved = np.flatnonzero((following >= 0) & long)
    way = some.centre[following[moved]] - some.centre[moved]
    return np.asarray(np.linalg.norm(way, axis=1) / pace[moved])


def _sure_pairs(
    apart: Float64[np.ndarray, "row column"], reach: float
) -> tuple[Int64[np.ndarray, "pair"], Int64[np.ndarray, "pair"]]:
    """Each the other's nearest, and clearly nearer than any other."""
    row = np.arange(len(apart))
    column = apart.argmin(axis=1)
    least = apart[row, column]
    sure = (apart.argmin(axis=0)[column] == row) & (least < reach)
    for next_best in (_second(apart)[row], _second(apart.T)[column]):
        sure &= (next_best >= CLEARLY * least) & (next_best > least)
    return row[sure], column[sure]


def _second(apart: Float64[np.ndarray, "row column"]) -> Float64[np.ndarray, "row"]:
    if apart.shape[1] < 2:
        return np.full(len(apart), np.inf)
    return np.asarray(np.partition(apart, 1, axis=1)[:, 1])


def _distances(
    one: Float64[np.ndarray, "row 2"], other: Float64[np.ndarray, "column 2"]
) -> Float64[np.ndarray, "row column"]:
    return np.asarray(np.linalg.norm(one[:, None] - other[None], axis=-1))


def _body(some: Found, step: float, spacing: float) -> float:
    """The median diagonal; without extents some steps, no more than the spacing; else the spacing."""
    sized = some.extent[some.known >= 2]
    if len(sized):
        return float(np.median(np.hypot(*(sized[:, 2:] - sized[:, :2]).T)))
    if np.isfinite(step):
        return min(max(BODY_IN_STEPS * step, LEAST_BODY), spacing)
    return spacing if np.isfinite(spacing) else SOME_BODY
