"""Tracklets become tracks: the cheapest way to use each of them once.

Source: DeepLabCut 3.0.1, `stitch.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int32, Int64

from ethopose.core import DataError, UsageError
from ethopose.track.deeplabcut.pieces import WEIGHTS, Piece, Weight, centroids, distance
from ethopose.track.deeplabcut.residuals import add_residuals, prestitch


@dataclass(frozen=True, slots=True)
class StitchOptions:
    """How tracklets become tracks; the defaults are DeepLabCut's."""

    min_length: int = 10  # frames; shorter tracklets are added at the end, where they fit
    split_tracklets: bool = True  # at every frame in which the animal was missed
    prestitch_residuals: bool = True  # join short ones among themselves first
    max_gap: int | None = None  # frames between two that may be joined; None: 1.5 times the longest wait
    weight: str | Weight = "distance"  # a name of `WEIGHTS`, or a function of two pieces

    def __post_init__(self) -> None:
        if self.min_length < 3:
            raise UsageError(f"min_length is {self.min_length}", fix="at least 3")
        if self.max_gap is not None and self.max_gap < 1:
            raise UsageError(f"max_gap is {self.max_gap}", fix="at least 1 frame, or none to have it found")
        if isinstance(self.weight, str) and self.weight not in WEIGHTS:
            raise UsageError(f"no weight is named {self.weight!r}", fix=f"choose from {', '.join(WEIGHTS)}")


DEFAULTS = StitchOptions()
_IDENTITY = 0.01  # the price of a join of pieces that look like the same individual


@dataclass(frozen=True, slots=True)
class Stitched:
    """Rows with their tracks, in the order in which they were given."""

    row: Int64[np.ndarray, "stitched"]  # the peer may use a tracklet in two tracks: then a row is told twice
    track: Int32[np.ndarray, "stitched"]  # -1: none


def stitch(
    frame: Int64[np.ndarray, "instance"],
    xy: Float[np.ndarray, "instance keypoint 2"],
    confidence: Float[np.ndarray, "instance keypoint"],
    tracklet: Int[np.ndarray, "instance"],
    *,
    n_tracks: int,
    individual: Int[np.ndarray, "instance keypoint"] | None = None,
    options: StitchOptions = DEFAULTS,
) -> Stitched:
    """The track of each row, from 0, in the order of the individuals that they look like.

    Tracklets may be left without a track, which the log says, as it does of fewer tracks than asked for; of
    two that a track has in a frame, the one added last is kept.

    Args:
        frame: of each row.
        xy: px, NaN where a keypoint was not found, or was not sure enough for the trackers.
        confidence: 0 to 1.
        tracklet: that each row belongs to; -1: none.
        n_tracks: how many animals there are.
        individual: which one each keypoint looks most like, -1 where that is not told.
        options: DeepLabCut's defaults if left out.

    Raises:
        UsageError: `n_tracks` is less than 1.
        DataError: a tracklet is twice in a frame, none is long enough, or they make no tracks.
    """
    from ethopose.track.deeplabcut.paths import find_paths  # networkx takes long to load

    if n_tracks < 1:
        raise UsageError(f"{n_tracks} tracks are asked for", fix="at least one")
    if individual is None:
        individual = np.full(confidence.shape, -1)
    points = xy.astype(np.float64)
    rows = Piece(
        np.arange(len(frame)),
        frame,
        points,
        centroids(points, confidence.astype(np.float64)),
        individual.astype(np.int64),
    )
    pieces, residuals = _pieces(rows, tracklet, options)
    tracks = find_paths(pieces, residuals, n_tracks, options.max_gap, _weight(options.weight, pieces))
    if len(tracks) < n_tracks:
        logging.getLogger(__name__).warning("only %d of %d tracks were found", len(tracks), n_tracks)
    add_residuals(tracks, residuals)
    tracks.sort(key=lambda piece: piece.majority)
    last = [piece.row[np.append(np.diff(piece.frame) > 0, True)] for piece in tracks]  # in each frame
    last.append(np.setdiff1d(rows.row, np.concatenate(last)))
    row = np.concatenate(last)
    track = np.repeat([*range(len(tracks)), -1], [len(part) for part in last])
    order = np.argsort(row, kind="stable")
    return Stitched(row[order], track[order].astype(np.int32))


def _pieces(
    rows: Piece, tracklet: Int[np.ndarray, "instance"], options: StitchOptions
) -> tuple[list[Piece], list[Piece]]:
    """Tracklets that are long enough, by their start, and shorter ones."""
    rows_of = np.flatnonzero(np.isfinite(rows.xy).any(axis=(1, 2)) & (tracklet >= 0))
    order = rows_of[np.lexsort((rows.frame[rows_of], tracklet[rows_of]))]
    follows, wait = np.diff(tracklet[order]) == 0, np.diff(rows.frame[order])
    if np.any(follows & (wait == 0)):
        raise DataError("a tracklet is twice in a frame")
    cut = ~follows | (wait > 1) if options.split_tracklets else ~follows
    found = [rows[part] for part in np.split(order, np.flatnonzero(cut) + 1)]
    pieces = sorted((piece for piece in found if len(piece) >= options.min_length), key=lambda p: p.start)
    if not pieces:
        raise DataError(f"no tracklet lasts for {options.min_length} frames", fix="a lower min_length")
    residuals = [piece for piece in found if len(piece) < options.min_length]
    return pieces, prestitch(residuals) if options.prestitch_residuals else residuals


def _weight(asked: str | Weight, pieces: list[Piece]) -> Weight:
    """What a join costs; where pieces look like individuals, distance counts little between the same."""
    told = {piece: piece.majority for piece in pieces}
    if asked != "distance" or all(who == -1 for who in told.values()):
        return WEIGHTS[asked] if isinstance(asked, str) else asked
    return lambda one, other: (_IDENTITY if told[one] == told[other] else 1) * distance(one, other)
