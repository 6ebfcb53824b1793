"""Who is who in a video, from its poses alone, in three passes: follow, gather, tell.

Following makes pieces of tracklets, telling joins them: two steps that may be asked for one by one. Joining
sees of a piece nothing but its rows, so that it comes to the same whether it was just followed or given.

What is kept between the passes is a few numbers a piece of a tracklet, and for each pose which tracklet it is
and where its body is (`Spool`): memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ethopose.track.alike import by_looks, nats, overlaps
from ethopose.track.changes import Moments, changes, moments
from ethopose.track.filling import filled
from ethopose.track.joins import Joins, World, joins_of
from ethopose.track.likeness import Blocking, likeness
from ethopose.track.looks import Looks
from ethopose.track.motion import Motion, Tally, motion, new_tally, tally
from ethopose.track.paths import least_paths, sure_paths
from ethopose.track.pieces import Cuts, Ends, Pieces, cuts_of, doubtful, ends_of, gather, no_pieces
from ethopose.track.scale import Scale, area, new_scale
from ethopose.track.settling import Links, no_links, settled
from ethopose.track.tracklets import Associator, Tracklets

CHUNK = 4096  # frames at a time, wherever parts end, so that they leave no trace
WORTH = 4.0  # nats that a row is worth which looks just as much of an animal as most: of missing it instead
STEEP = 1.75  # how fast a row loses its worth with its confidence: at 3 sevenths of the usual it has none
BINS = 1000  # of confidence

SEVERAL = 8  # animals, where nobody knows how many

Progress = Callable[[str, int], None]  # (what, frames done)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some of the poses of a video, in order of their frames."""

    frame: Int64[np.ndarray, "instance"]
    xy: Float32[np.ndarray, "instance keypoint 2"]
    confidence: Float32[np.ndarray, "instance keypoint"]
    vector: Float32[np.ndarray, "instance dimension"]  # of appearance; no dimensions where there is none

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: slice) -> Rows:
        return Rows(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def looks(self) -> Float64[np.ndarray, "instance"]:
        """How much of an animal each is: its keypoints' mean confidence, 0 for what is missing."""
        sure = np.where(np.isfinite(self.xy).all(-1), self.confidence, 0)
        looks: np.ndarray = np.nan_to_num(sure).mean(1, dtype=np.float64)
        return looks


Parts = Callable[[], Iterable[Rows]]  # gives the poses of a video anew each time


def in_chunks(parts: Iterable[Rows]) -> Iterator[Rows]:
    """The same rows, those of `CHUNK` frames at a time."""
    waiting: list[Rows] = []
    for part in parts:
        while len(part):
            here = (waiting[0].frame[0] if waiting else part.frame[0]) // CHUNK
            end = int(np.searchsorted(part.frame, (here + 1) * CHUNK))
            if end:
                waiting.append(part[:end])
            part = part[end:]
            if len(part):
                yield _joined(waiting)
                waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(rows: list[Rows]) -> Rows:
    return Rows(*(np.concatenate([getattr(each, field.name) for each in rows]) for field in fields(Rows)))


class Spool(Protocol):
    """Keeps the tracklets of a video chunk by chunk, and gives them again in order."""

    def add(self, tracklets: Tracklets) -> None:
        """Keep those of the next chunk."""
        ...

    def __iter__(self) -> Iterator[Tracklets]: ...


@dataclass
class Memory:
    """A spool of what memory holds."""

    kept: list[Tracklets] = field(default_factory=list)

    def add(self, tracklets: Tracklets) -> None:
        """Keep those of the next chunk."""
        self.kept.append(tracklets)

    def __iter__(self) -> Iterator[Tracklets]:
        return iter(self.kept)


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known of a video once all of its poses were seen."""

    learned: Learned
    cuts: Cuts
    place: Int64[np.ndarray, "piece"]  # of each piece among the ends; -1: it has no rows
    ends: Ends
    path: Int64[np.ndarray, "end"]  # the track of each, counted from 0; -1: none
    links: Links
    told: float  # how often looks tell pieces apart (area under the curve); NaN where they were not used

    @property
    def tracks(self) -> int:
        """How many there are."""
        return int(self.path.max(initial=-1)) + 1

    def end(self, rows: Rows, tracklets: Tracklets) -> Int64[np.ndarray, "instance"]:
        """Which of the ends' pieces each row belongs to; -1: it has no keypoint."""
        piece = self.cuts.piece(tracklets.name, rows.frame)
        end: Int64[np.ndarray, "instance"] = np.append(self.place, -1)[piece]
        return end

    def of(
        self, rows: Rows, tracklets: Tracklets
    ) -> tuple[Int64[np.ndarray, "instance"], Float64[np.ndarray, "instance"]]:
        """The track of each row, -1 for none, and how sure it is, NaN for none."""
        end = self.end(rows, tracklets)
        track = np.append(self.path, -1)[end]
        return track, np.where(track < 0, np.nan, np.append(self.links.least(len(self.path)), np.nan)[end])


def follow(
    parts: Parts,
    animals: int | None,
    spool: Spool,
    *,
    looks: bool | float = False,
    given: Learned | None = None,
    join: bool = True,
    progress: Progress | None = None,
) -> Followed:
    """Find out who is who: at most `animals` tracks, where it is known how many there are.

    `spool` is filled with the tracklets of the chunks (`in_chunks`) of `parts`, whose vectors count where
    `looks` is true and they tell animals apart; where it is known how well (area under the curve), it is
    that, and pieces that hold two animals are cut. It may be filled already, with pieces of which is `given`
    what else is known. Without `join` each piece is a track.
    """
    told = progress or (lambda what, frames: None)
    learned = given or associated(parts, spool, told)
    video = _Video(parts, spool, told, join and looks)
    pieces = _pieces(video, learned)
    if not learned.whole:
        pieces = _cut(video, learned, pieces, animals)
    path, links = np.arange(len(pieces.ends.first)), no_links()
    if join:
        path, links = _stitched(pieces, learned.world, animals)
    auc = np.nan if pieces.looks is None else pieces.looks.model.told
    return Followed(learned, pieces.cuts, pieces.place, pieces.ends, path, links, auc)


class Learned(NamedTuple):
    """What following told of a video."""

    world: World
    cuts: Cuts
    number: int  # of tracklets
    usual: float  # how much of an animal rows look, at their middle
    whole: bool = False  # whether looks may cut no piece


class _Video(NamedTuple):
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
class _Pieces:
    """The pieces of tracklets, and what tells which belong together."""

    cuts: Cuts
    there: Int64[np.ndarray, "end"]  # the piece of each of the ends
    place: Int64[np.ndarray, "piece"]  # see `Followed`
    ends: Ends
    moved: Motion
    looks: Looks | None  # of pieces as `ends` counts them


def _pieces(video: _Video, learned: Learned) -> _Pieces:
    gathered = _gathered(video, learned)
    ends, there = ends_of(gathered.pieces)
    place = np.full(len(gathered.pieces.rows), -1)
    place[there] = np.arange(len(there))
    blocks = gathered.blocks.blocks().renamed(place)
    apart = None if isinstance(video.looks, bool) else video.looks
    model = likeness(blocks, gathered.blocks.noise(), apart) if video.looks else None
    world = learned.world
    moved = motion(gathered.moved, world.noise, world.length, world.area)
    return _Pieces(learned.cuts, there, place, ends, moved, None if model is None else Looks(model, blocks))


def _cut(video: _Video, learned: Learned, pieces: _Pieces, animals: int | None) -> _Pieces:
    """Pieces that hold two animals, as looks tell, are cut: first where their own change, then where others'
    tell."""
    for find in (_changed, _overlapping):
        if pieces.looks is not None:
            piece, frame = find(video, pieces, pieces.looks, animals)
            if len(piece):
                cuts = pieces.cuts.more(pieces.there[piece], frame)
                pieces = _pieces(video, learned._replace(cuts=cuts))
    return pieces


def _changed(video: _Video, pieces: _Pieces, looks: Looks, animals: int | None) -> Moments:
    found = changes(looks.model, looks.blocks)
    place = np.append(pieces.place, -1)
    chunks = video.chunks(pieces.cuts, "cutting") if found else ()
    return moments(found, looks.model, ((place[piece], rows.frame, rows.vector) for rows, _, piece in chunks))


def _overlapping(video: _Video, pieces: _Pieces, looks: Looks, animals: int | None) -> Moments:
    return overlaps(pieces.ends, looks, animals or 0)


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


def _stitched(pieces: _Pieces, world: World, animals: int | None) -> tuple[Int64[np.ndarray, "end"], Links]:
    ends, looks = pieces.ends, pieces.looks
    joins = joins_of(ends, animals or SEVERAL, world, pieces.moved)
    costs = joins if looks is None else looks.add_to(joins, ends)
    if animals is None:
        return settled(ends, joins, sure_paths(costs, len(ends.first)), looks)
    worth = -WORTH * ends.worth
    starts = [(costs, least_paths(costs, worth, animals))]
    if looks is not None and (groups := by_looks(ends, looks, animals)) is not None:
        apart = groups.apart(costs)
        starts += [(apart, least_paths(apart, worth, animals)), (costs, groups.path)]
    ways = [settled(ends, joins, filled(ends, of, path, animals), looks) for of, path in starts]
    return min(ways, key=lambda way: _cost(pieces, joins, *way))


def _cost(pieces: _Pieces, joins: Joins, path: Int64[np.ndarray, "end"], links: Links) -> float:
    """Nats by which all of it is less likely: joins, looks, and what is on no path."""
    ends, looks = pieces.ends, pieces.looks
    cost = joins.between(links.one, links.other).sum() - WORTH * ends.worth[path >= 0].sum()
    return float(cost if looks is None else cost - nats(ends, looks, path))


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


@dataclass(frozen=True, slots=True)
class _Gathered:
    pieces: Pieces
    moved: Tally
    blocks: Blocking


def _gathered(video: _Video, learned: Learned) -> _Gathered:
    """What is known of each piece."""
    cuts, number, usual = learned.cuts, learned.number, learned.usual
    gathered = None
    for rows, tracklets, piece in video.chunks(cuts, "gathering"):
        if gathered is None:
            pieces = no_pieces(number + len(cuts.name), rows.xy.shape[1])
            gathered = _Gathered(pieces, new_tally(), Blocking())
        worth = np.clip(STEEP * rows.looks / usual - STEEP + 1, -1, 1)
        gather(gathered.pieces, piece, rows.frame, tracklets.place, rows.xy, worth)
        order = np.lexsort((rows.frame, piece))
        order = order[piece[order] >= 0]
        start = np.append(np.flatnonzero(np.diff(piece[order], prepend=-1)), len(order))
        tally(gathered.moved, start, rows.frame[order], tracklets.place[order])
        gathered.blocks(piece, rows.frame, rows.vector)
    return gathered or _Gathered(no_pieces(0, 1), new_tally(), Blocking())
