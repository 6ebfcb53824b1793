"""Which track each instance of a frame belongs to: SORT, ByteTrack, OC-SORT (sleap-nn 0.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.track.sleap.mot import likeness
from ethopose.track.sleap.mot.found import Found
from ethopose.track.sleap.mot.likeness import Likeness
from ethopose.track.sleap.mot.tracks import Expectation, Stage, Track

Rows = Int64[np.ndarray, "row"]


@dataclass(slots=True)
class Decision:
    """About one frame."""

    able: Bool[np.ndarray, "instance"]  # to begin a track
    pairs: list[tuple[Track, int, float]] = field(default_factory=list)  # with the likeness
    removed: list[Track] = field(default_factory=list)

    def take(
        self, tracks: list[Track], rows: Rows, pairs: likeness.Pairs, fit: Likeness
    ) -> tuple[list[Track], Rows]:
        """Write pairs down; what is left of both sides."""
        self.pairs += [(tracks[row], int(rows[column]), float(fit[row, column])) for row, column in pairs]
        taken, used = {row for row, _ in pairs}, [column for _, column in pairs]
        return [one for row, one in enumerate(tracks) if row not in taken], np.delete(rows, used)


def sort(tracks: list[Track], now: Found, expected: Expectation, step: int) -> Decision:
    """One matching by the forecast; instances of low score are not looked at."""
    options = expected.options
    seen = now.score > options.track_low_threshold
    decision = Decision(seen)
    rows = np.flatnonzero(now.valid & seen)
    fit = expected.of_forecast(tracks, now)[:, rows]
    possible = fit >= options.min_match_similarity
    pairs = likeness.only(possible)
    if pairs is None:
        cost = np.where(possible, 1 - fit, np.inf)
        pairs = likeness.cheapest(cost, 1 - options.min_match_similarity)
    decision.take(tracks, rows, pairs, fit)
    return decision


def ocsort(tracks: list[Track], now: Found, expected: Expectation, step: int) -> Decision:
    """By the forecast and the direction of movement, then by where tracks were last seen."""
    options = expected.options
    high = now.valid & (now.score > options.track_high_threshold)
    low = now.valid & ~high & (now.score > options.track_low_threshold)
    decision, rows = Decision(high), np.flatnonzero(high)
    if not tracks:
        return decision
    every = expected.of_forecast(tracks, now)
    fit = every[:, rows]
    possible = fit >= options.min_match_similarity
    pairs = likeness.only(possible)
    if pairs is None:
        pairs = likeness.best(fit + _momentum(tracks, now[rows], expected, step), possible)
    place = {id(track): row for row, track in enumerate(tracks)}
    left, rows = decision.take(tracks, rows, pairs, fit)
    if options.use_byte:
        faint = np.flatnonzero(low)
        fit = every[[place[id(track)] for track in left]][:, faint]
        pairs = likeness.best(fit, fit >= options.min_match_similarity)
        left, _ = decision.take(left, faint, pairs, fit)
    fit = expected.of_last_box(left, now)[:, rows]
    decision.take(left, rows, likeness.best(fit, fit >= options.min_match_similarity), fit)
    return decision


def _momentum(tracks: list[Track], now: Found, expected: Expectation, step: int) -> Likeness:
    """More for instances that lie in the direction in which a track went (Cao et al. 2023)."""
    options = expected.options
    fit = np.zeros((len(tracks), len(now)))
    for row, track in enumerate(tracks):
        before = track.seen_before(step, options.delta_t)
        if track.direction is None or before is None:
            continue
        way = direction(before[None], now.box)
        angle = np.abs(np.arccos(np.clip((way * track.direction).sum(-1), -1, 1)))
        fit[row] = options.inertia * ((np.pi / 2 - angle) / np.pi) * now.score
    return fit


def direction(
    before: Float64[np.ndarray, "*box 4"], after: Float64[np.ndarray, "*box 4"]
) -> Float64[np.ndarray, "*box 2"]:
    """From centre to centre, of length 1, or 0 where there is no way."""
    way = 0.5 * (after[..., :2] + after[..., 2:]) - 0.5 * (before[..., :2] + before[..., 2:])
    length = np.hypot(way[..., :1], way[..., 1:])
    return np.asarray(np.divide(way, length, out=np.zeros_like(way), where=length > 0))


def bytetrack(tracks: list[Track], now: Found, expected: Expectation, step: int) -> Decision:
    """By the forecast: high scores, then low ones, then tracks not yet sure of."""
    options = expected.options
    high = now.valid & (now.score > options.track_high_threshold)
    low = now.valid & (now.score > options.track_low_threshold) & (now.score < options.track_high_threshold)
    decision = Decision(high & (now.score >= options.new_track_threshold))
    if not tracks:
        return decision
    every = expected.of_forecast(tracks, now)
    fused = every * now.score if options.fuse_score else every
    place = {id(track): row for row, track in enumerate(tracks)}

    def matched(some: list[Track], rows: Rows, costs: Likeness, least: float) -> tuple[list[Track], Rows]:
        at = [place[id(track)] for track in some]
        pairs = likeness.cheapest(1 - costs[at][:, rows], 1 - least)
        return decision.take(some, rows, pairs, every[at][:, rows])

    sure = [one for one in tracks if one.stage is not Stage.TENTATIVE]
    left, rows = matched(sure, np.flatnonzero(high), fused, options.min_match_similarity)
    present = [one for one in left if one.stage is Stage.CONFIRMED]
    matched(present, np.flatnonzero(low), every, options.low_stage_min_similarity)
    unsure = [one for one in tracks if one.stage is Stage.TENTATIVE]
    _, rows = matched(unsure, rows, fused, options.unconfirmed_min_similarity)
    _remove_doubles(tracks, now, expected, rows, decision)
    return decision


def _remove_doubles(
    tracks: list[Track], now: Found, expected: Expectation, rows: Rows, decision: Decision
) -> None:
    """Of a lost track and one seen now, or about to begin, in the same place, the shorter one goes."""
    matched = {id(track) for track, _, _ in decision.pairs}
    lost = [one for one in tracks if one.stage is not Stage.TENTATIVE and id(one) not in matched]
    lost = [one for one in lost if one.idle <= expected.options.track_buffer]
    here: list[tuple[Track | None, int]] = [(track, row) for track, row, _ in decision.pairs]
    here += [(None, int(row)) for row in rows if decision.able[row]]
    if not lost or not here:
        return
    if expected.kind == "oks":
        same = expected.of_forecast(lost, now)[:, [row for _, row in here]]
    else:
        same = likeness.overlap(expected.boxes(lost), now.box[[row for _, row in here]])
    gone: list[Track] = []
    for at, other in np.argwhere(same > expected.options.duplicate_similarity):
        (track, row), age = here[other], lost[at].frame - lost[at].born
        if track is not None and int(now.frame[row]) - track.born > age:
            gone.append(lost[at])
            continue
        decision.able[row] = False
        if track is not None:
            gone.append(track)
    decision.removed = gone
    out = {id(track) for track in gone}
    decision.pairs = [pair for pair in decision.pairs if id(pair[0]) not in out]


MATCHING: dict[str, Callable[[list[Track], Found, Expectation, int], Decision]] = {
    "sort": sort,
    "bytetrack": bytetrack,
    "ocsort": ocsort,
}
