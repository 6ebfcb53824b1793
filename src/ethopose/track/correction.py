"""What a correction does to rows and to joins, a part of a video at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from ethopose.core import Poses, Skeleton
from ethopose.store import Joins, join_joins

END = int(np.iinfo(np.int64).max)  # beyond every frame


@dataclass(frozen=True, slots=True)
class Correction:
    """Within its frames a track is another one."""

    words: str  # as on the command line
    names: tuple[str, ...]  # of the tracks after it
    moved: Int64[np.ndarray, "track"]  # what each is within the frames
    first: int = 0
    last: int = END

    def of(
        self, frame: Int64[np.ndarray, "row"], track: Int64[np.ndarray, "row"]
    ) -> Int64[np.ndarray, "row"]:
        """The track of each row after it; -1 stays."""
        inside = (track >= 0) & (self.first <= frame) & (frame <= self.last)
        return np.where(inside, self.moved[track], track)


class Renamed:
    """Individuals that a model knows: a track that has the name of one is that one."""

    def __init__(self, skeleton: Skeleton, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        place = {name: number for number, name in enumerate(skeleton.individuals)}
        self._before, self._after = (
            np.array([*(place.get(name, -1) for name in names), -1]) for names in (before, after)
        )

    def __call__(self, poses: Poses, track: Int64[np.ndarray, "row"]) -> Poses:
        """The rows with their new tracks. What a model said of each row stays where no name speaks."""
        after = self._after[track]
        individual = np.where(after == self._before[poses.track], poses.individual, after)
        return replace(poses, track=track.astype(np.int32), individual=individual.astype(np.int16))


class CorrectedJoins:
    """Of all rows, seen part by part in order: which joins are left, and where a person made new ones.

    Two sightings that follow each other in a track and were of two tracks before were joined by a person,
    who knows; a join is left where both of its sightings still follow each other.
    """

    def __init__(self, joins: Joins, correction: Correction) -> None:
        self._joins, self._correction = joins, correction
        self._last = np.full((2, len(correction.names)), -1)  # frame of each track's last row, its old track
        self._found: list[Joins] = [joins[:0]]

    def see(self, poses: Poses, track: Int64[np.ndarray, "row"]) -> None:
        """The next rows as they were, and their tracks after the correction."""
        row = np.lexsort((poses.frame, track))
        row = row[track[row] >= 0]
        if not len(row):
            return
        new, now = track[row], np.stack([poses.frame[row], poses.track[row]])
        before = np.concatenate([now[:, :1], now[:, :-1]], 1)
        begins = np.append(True, new[1:] != new[:-1])
        before[:, begins] = self._last[:, new[begins]]
        ends = np.append(begins[1:], True)
        self._last[:, new[ends]] = now[:, ends]
        self._found += [self._left(new, before, now), self._made(poses.xy[row], new, before, now)]

    def all(self) -> Joins:
        """In order of the frames on which the second piece begins."""
        return join_joins(self._found)

    def _left(self, new: np.ndarray, before: np.ndarray, now: np.ndarray) -> Joins:
        """Those whose second piece begins in these rows."""
        first, stop = now[0].min(), now[0].max() + 1
        some = self._joins[slice(*np.searchsorted(self._joins.after, [first, stop]))]
        code, wanted = (track * (stop - first) + frame for frame, track in (now, (some.after, some.track)))
        order = np.argsort(code, kind="stable")
        place = order[np.minimum(np.searchsorted(code, wanted, sorter=order), len(order) - 1)]
        left = (code[place] == wanted) & (before[0, place] == some.before) & (before[1] == now[1])[place]
        some, own = some[left], new[place[left]]
        return replace(some, track=own.astype(np.int32), rival=self._rival(some.after, some.rival, own))

    def _made(self, xy: np.ndarray, new: np.ndarray, before: np.ndarray, now: np.ndarray) -> Joins:
        row = np.flatnonzero((before[0] >= 0) & (before[1] != now[1]))
        place = np.ma.masked_invalid(xy[row]).mean(1).filled(np.nan)
        return Joins(
            track=new[row].astype(np.int32),
            before=before[0, row],
            after=now[0, row],
            certainty=np.ones(len(row), np.float32),
            rival=self._rival(now[0, row], before[1, row], new[row]),
            x=place[:, 0].astype(np.float32),
            y=place[:, 1].astype(np.float32),
        )

    def _rival(self, frame: np.ndarray, track: np.ndarray, own: np.ndarray) -> np.ndarray:
        """What became of a track that another might have gone on as; none where it is the same now."""
        rival = self._correction.of(frame, track)
        return np.where(rival == own, -1, rival).astype(np.int32)
