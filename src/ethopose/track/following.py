"""Who is who in a video, from its poses alone, in three passes: follow, gather, tell.

Following makes pieces of tracklets, telling joins them: two steps that may be asked for one by one. Joining
sees of a piece nothing but its rows, so that it comes to the same whether it was just followed or given.

What is kept between the passes is a few numbers a piece of a tracklet, and for each pose which tracklet it is
and where its body is (`Spool`): memory does not grow with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.track.first_pass import Learned, Progress, associated
from ethopose.track.gathering import Video, cut, gathered
from ethopose.track.pieces import Cuts, Ends
from ethopose.track.rows import Parts, Rows
from ethopose.track.settling import Links, no_links
from ethopose.track.spool import Spool
from ethopose.track.stitching import stitched
from ethopose.track.tracklets import Tracklets


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
    video = Video(parts, spool, told, join and looks)
    pieces = gathered(video, learned)
    if not learned.whole:
        pieces = cut(video, learned, pieces, animals)
    path, links = np.arange(len(pieces.ends.first)), no_links()
    if join:
        path, links = stitched(pieces, learned.world, animals)
    auc = np.nan if pieces.looks is None else pieces.looks.model.told
    return Followed(learned, pieces.cuts, pieces.place, pieces.ends, path, links, auc)
