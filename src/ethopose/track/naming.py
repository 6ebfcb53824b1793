"""What tracks are called, and which individual each is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import count as counting
from itertools import islice

import numpy as np
from jaxtyping import Int64

from ethopose.core import Skeleton
from ethopose.core.assignment import assignment
from ethopose.track.following import Followed
from ethopose.track.peers import TRACKLETS
from ethopose.track.rows import Parts, in_chunks
from ethopose.track.spool import Spool


@dataclass(frozen=True, slots=True)
class Names:
    """What the tracks are called, and which individual each is; -1: none that the model knows. Of tracklets
    nothing more than what a model said is told."""

    tracks: tuple[str, ...]
    individual: Int64[np.ndarray, "track"]
    joined: bool = True


def counted(count: int, step: str | None = None, known: Collection[str] = ()) -> tuple[str, ...]:
    """Names that tell nothing but a number; none of those `known`."""
    kind = "tracklet" if step == TRACKLETS else "track"
    names = (f"{kind}_{number}" for number in counting(1))
    return tuple(islice((name for name in names if name not in known), count))


def tracklets(followed: Followed) -> Names:
    """Of pieces that were not joined."""
    return Names(counted(followed.tracks, TRACKLETS), np.full(followed.tracks, -1), joined=False)


def named(skeleton: Skeleton, parts: Parts, followed: Followed, spool: Spool) -> Names:
    """A track has the name of the individual that the model most often took it for: its votes are the vectors
    of the rows."""
    count, known = followed.tracks, skeleton.individuals
    individual = np.full(count, -1)
    if known:
        votes = np.zeros((count, len(known)))
        for rows, each in zip(in_chunks(parts()), spool, strict=True):
            track, _ = followed.of(rows, each)
            np.add.at(votes, track[track >= 0], rows.vector[track >= 0])
        mine, theirs = assignment(votes, maximize=True)
        individual[mine] = np.where(votes[mine, theirs] > 0, theirs, -1)
    both = zip(individual.tolist(), counted(count, known=known), strict=True)
    return Names(tuple(known[who] if who >= 0 else number for who, number in both), individual)
