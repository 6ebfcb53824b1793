"""CLEAR MOT (Bernardin and Stiefelhagen 2008): matches that last, as py-motmetrics 1.4.0 makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.metrics.sightings import Contest, Sightings, contests


@dataclass(frozen=True, slots=True)
class Clear:
    """Which track each sighting of an animal was matched with, and what that amounts to."""

    track: Int64[np.ndarray, " sighting"]  # -1: missed
    switched: Int64[np.ndarray, " switch"]  # frames in which an animal's track is not its last one
    mota: float  # 1 - (misses + false positives + switches) / sightings; may be below 0
    motp: float  # mean of 1 - similarity over matches, NaN where there is none; less is better
    fragmentations: int  # times that an animal was lost and found again
    misses: int
    false_positives: int
    mostly_tracked: int  # animals matched in 80 % of their frames or more
    mostly_lost: int  # in less than 20 %


def clear(sightings: Sightings) -> Clear:
    """Match frame by frame: an animal keeps its last track while the two may match; others by similarity."""
    pairs = _matches(sightings)
    total, matches = len(sightings.animal), len(pairs)
    track = np.full(total, -1)
    track[sightings.sighting[pairs]] = sightings.track[sightings.instance[pairs]]
    order = np.argsort(sightings.animal, kind="stable")
    matched = order[track[order] >= 0]
    same = np.diff(sightings.animal[matched]) == 0
    switched = np.sort(sightings.frame[matched[1:]][same & (np.diff(track[matched]) != 0)])
    again = same & (np.diff(np.flatnonzero(track[order] >= 0)) > 1)
    tracked = np.bincount(sightings.animal, track >= 0, sightings.animals)
    share = tracked / np.bincount(sightings.animal, minlength=sightings.animals)
    misses, false = total - matches, len(sightings.track) - matches
    return Clear(
        track,
        switched,
        mota=1 - (misses + false + len(switched)) / total,
        motp=float((1 - sightings.similarity[pairs]).mean()) if matches else np.nan,
        fragmentations=int(again.sum()),
        misses=misses,
        false_positives=false,
        mostly_tracked=int((share >= 0.8).sum()),
        mostly_lost=int((share < 0.2).sum()),
    )


def _matches(sightings: Sightings) -> Int64[np.ndarray, " match"]:
    """The matched pairs. Frames without contest hang on no other; only the contests are gone through."""
    near = sightings.near
    animal, track = sightings.animal[sightings.sighting[near]], sightings.track[sightings.instance[near]]
    cost = 1 - sightings.similarity[near]
    free, torn = contests(sightings, near)
    last, done = np.full(sightings.animals, -1), 0
    chosen = [np.flatnonzero(free)]
    for contest in torn:
        last[animal[done : contest.start]] = track[done : contest.start]  # of several the latest stays
        here = slice(contest.start, contest.stop)
        chosen.append(_settled(contest, last[animal[here]] == track[here], cost[here]))
        last[animal[chosen[-1]]] = track[chosen[-1]]
        done = contest.stop
    return near[np.concatenate(chosen)]


def _settled(
    contest: Contest, lasting: Bool[np.ndarray, " pair"], cost: Float64[np.ndarray, " pair"]
) -> Int64[np.ndarray, " match"]:
    """The pairs that last, of two that claim a track the first; then as many others as can be, and alike."""
    sighting, instance = contest.place
    kept = np.flatnonzero(lasting)
    kept = kept[np.unique(instance[kept], return_index=True)[1]]
    left = ~(np.isin(sighting, sighting[kept]) | np.isin(instance, instance[kept]))
    if not left.any():
        return contest.start + kept
    # dearer than every other assignment, so that the number of matches comes first
    beyond = 2 * min(contest.shape) * (float(cost[left].max()) + 1) + 1
    others = contest.cheapest(np.where(left, cost, beyond), beyond)
    return np.concatenate([contest.start + kept, others[left[others - contest.start]]])
