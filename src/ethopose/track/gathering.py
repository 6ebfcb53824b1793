"""The second pass over a video: what is known of each piece of a tracklet; what holds two animals is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from ethopose.track.alike import overlaps
from ethopose.track.changes import Moments, changes, moments
from ethopose.track.first_pass import Learned, Progress
from ethopose.track.likeness import Blocking, likeness
from ethopose.track.looks import Looks
from ethopose.track.motion import Motion, Tally, motion, new_tally, tally
from ethopose.track.pieces import Cuts, Ends, Pieces, ends_of, gather, no_pieces
from ethopose.track.rows import Parts, Rows, in_chunks
from ethopose.track.spool import Spool
from ethopose.track.tracklets import Tracklets

STEEP = 1.75  # how fast a row loses its worth with its confidence: at 3 sevenths of the usual it has none


class Video(NamedTuple):
    """What its rows are read from, again and again."""

    parts: Parts
    spool: Spool
    told: Progress
    looks: bool | float  # see `follow`

    def chunks(self, cuts: Cuts, what: str) -> Iterator[tuple[Rows, Tracklets, np.ndarray]]:
        """Rows, their tracklets, and the piece that each belongs to."""
        for rows, tracklets in zip(in_chunks(self.parts()), self.spool, strict=True):
            yield rows, tracklets, cuts.piece(tracklets.name, rows.frame)
            self.told(what, int(rows.frame[-1]) + 1)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The pieces of tracklets, and what tells which belong together."""

    cuts: Cuts
    there: Int64[np.ndarray, "end"]  # the piece of each of the ends
    place: Int64[np.ndarray, "piece"]  # see `Followed`
    ends: Ends
    moved: Motion
    looks: Looks | None  # of pieces as `ends` counts them


def gathered(video: Video, learned: Learned) -> Gathered:
    """What is known of each piece, and the likeness of their looks, where these count."""
    tallies = _tallied(video, learned)
    ends, there = ends_of(tallies.pieces)
    place = np.full(len(tallies.pieces.rows), -1)
    place[there] = np.arange(len(there))
    blocks = tallies.blocks.blocks().renamed(place)
    apart = None if isinstance(video.looks, bool) else video.looks
    model = likeness(blocks, tallies.blocks.noise(), apart) if video.looks else None
    world = learned.world
    moved = motion(tallies.moved, world.noise, world.length, world.area)
    return Gathered(learned.cuts, there, place, ends, moved, None if model is None else Looks(model, blocks))


def cut(video: Video, learned: Learned, pieces: Gathered, animals: int | None) -> Gathered:
    """Pieces that hold two animals, as looks tell, are cut: first where their own change, then where others'
    tell."""
    for find in (_changed, _overlapping):
        if pieces.looks is not None:
            piece, frame = find(video, pieces, pieces.looks, animals)
            if len(piece):
                cuts = pieces.cuts.more(pieces.there[piece], frame)
                pieces = gathered(video, learned._replace(cuts=cuts))
    return pieces


def _changed(video: Video, pieces: Gathered, looks: Looks, animals: int | None) -> Moments:
    found = changes(looks.model, looks.blocks)
    place = np.append(pieces.place, -1)
    chunks = video.chunks(pieces.cuts, "cutting") if found else ()
    return moments(found, looks.model, ((place[piece], rows.frame, rows.vector) for rows, _, piece in chunks))


def _overlapping(video: Video, pieces: Gathered, looks: Looks, animals: int | None) -> Moments:
    return overlaps(pieces.ends, looks, animals or 0)


@dataclass(frozen=True, slots=True)
class _Tallies:
    pieces: Pieces
    moved: Tally
    blocks: Blocking


def _tallied(video: Video, learned: Learned) -> _Tallies:
    cuts, number, usual = learned.cuts, learned.number, learned.usual
    tallies = None
    for rows, tracklets, piece in video.chunks(cuts, "gathering"):
        if tallies is None:
            pieces = no_pieces(number + len(cuts.name), rows.xy.shape[1])
            tallies = _Tallies(pieces, new_tally(), Blocking())
        worth = np.clip(STEEP * rows.looks / usual - STEEP + 1, -1, 1)
        gather(tallies.pieces, piece, rows.frame, tracklets.place, rows.xy, worth)
        order = np.lexsort((rows.frame, piece))
        order = order[piece[order] >= 0]
        start = np.append(np.flatnonzero(np.diff(piece[order], prepend=-1)), len(order))
        tally(tallies.moved, start, rows.frame[order], tracklets.place[order])
        tallies.blocks(piece, rows.frame, rows.vector)
    return tallies or _Tallies(no_pieces(0, 1), new_tally(), Blocking())
