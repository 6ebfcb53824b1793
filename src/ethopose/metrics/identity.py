"""Does each animal keep its track? The numbers of the tracking world, and those that biologists ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.core import DataError
from ethopose.core.assignment import assignment
from ethopose.metrics.clear import Clear, clear
from ethopose.metrics.hota import Hota, hota
from ethopose.metrics.reliability import Reliability, calibration
from ethopose.metrics.sightings import Sightings


@dataclass(frozen=True, slots=True)
class Identity:
    """How well tracks and animals go together. Shares are 0 to 1, NaN where there is nothing to share."""

    animals: int
    tracks: int
    idf1: float  # 2 right / (instances + sightings), where each animal has one track for the whole video
    idp: float  # right / instances with a track
    idr: float  # right / sightings of animals
    hota: float  # this and the next three: means over the thresholds of `curve`
    deta: float
    assa: float
    loca: float
    mota: float
    motp: float  # mean of 1 - similarity over matches; less is better
    switches: int
    fragmentations: int
    misses: int
    false_positives: int
    mostly_tracked: int
    mostly_lost: int
    first_swap: float  # frames from the first to that of the first switch; NaN: there is none
    first_swap_s: float  # the same in seconds; NaN without `fps`
    swaps_per_hour: float  # switches an hour of video; NaN without `fps`
    frames_right: float  # share of the frames with animals where each has its own track
    frames_swapped: float  # share where an animal has another's, or one that is nobody's
    assigned: float  # share of the found animals that have a track
    curve: Hota

    def summary(self) -> dict[str, float]:
        """All but the curve, by name."""
        told: dict[str, float] = {name: value for name, value in asdict(self).items() if name != "curve"}
        return told


def identity(sightings: Sightings, *, fps: float | None = None) -> Identity:
    """Measure tracks against true animals: IDF1 (Ristani et al. 2016), HOTA, CLEAR MOT, swaps in time.

    A switch is CLEAR's: an animal's track is not the one that it had when it was last matched.
    """
    if fps is not None and not 0 < fps < np.inf:
        raise DataError(f"a video of {fps:g} frames a second", fix="leave fps out where it is not known")
    right, own = _right(sightings)
    curve, lasting = hota(sightings), clear(sightings)
    found = len(sightings.track)
    first = float(lasting.switched[0] - sightings.frame[0]) if len(lasting.switched) else np.nan
    hours = (sightings.frame[-1] - sightings.frame[0] + 1) / fps / 3600 if fps else np.nan
    frames_right, frames_swapped = _shares_of_frames(sightings, right, own, lasting)
    return Identity(
        sightings.animals,
        len(sightings.tracks),
        idf1=2 * len(right) / (found + len(sightings.animal)),
        idp=len(right) / found if found else np.nan,
        idr=len(right) / len(sightings.animal),
        hota=float(curve.hota.mean()),
        deta=float(curve.deta.mean()),
        assa=float(curve.assa.mean()),
        loca=float(curve.loca.mean()),
        mota=lasting.mota,
        motp=lasting.motp,
        switches=len(lasting.switched),
        fragmentations=lasting.fragmentations,
        misses=lasting.misses,
        false_positives=lasting.false_positives,
        mostly_tracked=lasting.mostly_tracked,
        mostly_lost=lasting.mostly_lost,
        first_swap=first,
        first_swap_s=first / fps if fps else np.nan,
        swaps_per_hour=len(lasting.switched) / hours,
        frames_right=frames_right,
        frames_swapped=frames_swapped,
        assigned=found / (found + sightings.unassigned) if found + sightings.unassigned else np.nan,
        curve=curve,
    )


def _right(sightings: Sightings) -> tuple[Int64[np.ndarray, " right"], Int64[np.ndarray, " animal"]]:
    """The sightings that carry their animal's own track, and that track; -1 where it has none.

    Whose track is whose is settled once for the whole video, so that most sightings are right; where that
    may be done in several ways, so that these are nearest.
    """
    near = sightings.near
    together = sightings.matrix(near)
    own = np.full(sightings.animals, -1)
    nearer = sightings.matrix(near, sightings.similarity[near]) / (len(near) + 1)  # all of it is below 1
    animal, track = assignment(-together - nearer)
    own[animal] = track
    sighting = sightings.sighting[near]
    mine = own[sightings.animal[sighting]] == sightings.track[sightings.instance[near]]
    return sighting[mine], own


def _shares_of_frames(
    sightings: Sightings,
    right: Int64[np.ndarray, " right"],
    own: Int64[np.ndarray, " animal"],
    lasting: Clear,
) -> tuple[float, float]:
    """Frames where every animal has its own track, and frames where one has another."""
    mine = np.zeros(len(sightings.animal), bool)
    mine[right] = True
    wrong = ~mine & (lasting.track >= 0) & (lasting.track != own[sightings.animal])
    starts = np.flatnonzero(np.diff(sightings.frame, prepend=sightings.frame[0] - 1))
    all_mine, any_wrong = np.logical_and.reduceat(mine, starts), np.logical_or.reduceat(wrong, starts)
    return float(all_mine.mean()), float(any_wrong.mean())


def join_reliability(
    sightings: Sightings, joins: Int64[np.ndarray, "join 2"], certainty: Float64[np.ndarray, " join"]
) -> Reliability:
    """Of joins of two tracklets said with a certainty (0 to 1), how many are right.

    `sightings` holds tracklets, before they are joined, in the place of tracks; `joins` names them by their
    numbers. A join is right where both lie mostly on the same animal; a tracklet that lies on none, or
    only on what nobody counts, belongs to no one and is joined wrongly.
    """
    if len(joins) != len(certainty) or np.any(~((certainty >= 0) & (certainty <= 1))):
        raise DataError("every join needs a certainty from 0 to 1")
    together = sightings.matrix(sightings.near)
    owner = np.full(len(sightings.tracks) + 1, -1)
    owner[:-1] = np.where(together.any(axis=0), together.argmax(axis=0), -1)
    tracks = np.array([*sightings.tracks, np.iinfo(np.int64).max])
    place = np.searchsorted(tracks, joins)
    owners = owner[np.where(tracks[place] == joins, place, -1)]
    return calibration(certainty, (owners[:, 0] == owners[:, 1]) & (owners[:, 0] >= 0))
