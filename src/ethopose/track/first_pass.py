"""The first pass over a video: its poses become tracklets, and what is usual in it is learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from ethopose.track.joins import World
from ethopose.track.pieces import Cuts, cuts_of, doubtful
from ethopose.track.rows import Parts, Rows, in_chunks
from ethopose.track.scale import Scale, area, new_scale
from ethopose.track.spool import Spool
from ethopose.track.tracklets import Associator

BINS = 1000  # of confidence

Progress = Callable[[str, int], None]  # (what, frames done)


class Learned(NamedTuple):
    """What following told of a video."""

    world: World
    cuts: Cuts
    number: int  # of tracklets
    usual: float  # how much of an animal rows look, at their middle
    whole: bool = False  # whether looks may cut no piece


def associated(parts: Parts, spool: Spool, told: Progress) -> Learned:
    """Follow the poses of a video: the spool is filled with their tracklets."""
    associator, doubts = None, []
    count = np.zeros(BINS + 1, np.int64)
    for rows in in_chunks(parts()):
        associator = associator or Associator(rows.xy.shape[1])
        tracklets = associator(rows.frame, rows.xy, rows.confidence)
        spool.add(tracklets)
        doubts.append(doubtful(tracklets.doubt))
        count += np.bincount((np.clip(rows.looks, 0, 1) * BINS).astype(int), minlength=BINS + 1)
        told("following", int(rows.frame[-1]) + 1)
    if associator is None:
        return Learned(_world(new_scale()), cuts_of([]), 0, 1.0)
    usual = max(int((count.cumsum() >= count.sum() / 2).argmax()), 1) / BINS
    return Learned(_world(associator.scale), cuts_of(doubts), associator.number, usual)


def _world(scale: Scale) -> World:
    length, noise, turning, heading = (
        float(each[0]) for each in (scale.length, scale.noise, scale.turning, scale.heading)
    )
    space = float(area(scale))  # endless where nobody was seen
    return World(length, noise, turning, heading, space if np.isfinite(space) else 0.0)


def in_pieces(
    parts: Parts, spool: Spool, progress: Progress | None = None
) -> Callable[[], Iterator[tuple[Rows, Int64[np.ndarray, "instance"]]]]:
    """What gives, each time, the rows of a video chunk by chunk, and which piece of a tracklet each belongs
    to: one animal's as surely as can be told frame by frame. -1: it has no keypoint. `spool` is filled."""
    cuts = associated(parts, spool, progress or (lambda what, frames: None)).cuts

    def pieces() -> Iterator[tuple[Rows, Int64[np.ndarray, "instance"]]]:
        for rows, tracklets in zip(in_chunks(parts()), spool, strict=True):
            yield rows, cuts.piece(tracklets.name, rows.frame)

    return pieces
