"""Higher order tracking accuracy (Luiten et al. 2021), as TrackEval 1.3.0 computes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.metrics.sightings import EPSILON, Sightings, contests

THRESHOLDS = np.arange(1, 20) / 20


@dataclass(frozen=True, slots=True)
class Hota:
    """HOTA and its parts at each of the thresholds of similarity, 0.05 to 0.95. All 0 to 1."""

    threshold: Float64[np.ndarray, " threshold"]
    hota: Float64[np.ndarray, " threshold"]  # root of deta * assa
    deta: Float64[np.ndarray, " threshold"]  # matches / (matches + misses + false positives)
    assa: Float64[np.ndarray, " threshold"]  # mean over matches of the overlap of their animal and track
    loca: Float64[np.ndarray, " threshold"]  # mean similarity of matches; 1 where there is none


def hota(sightings: Sightings) -> Hota:
    """HOTA of tracks; `sightings.threshold` plays no part in it.

    In each frame animals and tracks are matched so that similarity, weighted by how well the two go
    together over the whole video, is greatest; a match counts at the thresholds that it reaches.
    """
    seen = np.bincount(sightings.animal, minlength=sightings.animals)[:, None]
    found = np.bincount(sightings.track, minlength=len(sightings.tracks))[None]
    pairs = _matches(sightings, seen + found)
    similarity = sightings.similarity[pairs]
    parts = []
    for threshold in THRESHOLDS:
        reached = similarity >= threshold - EPSILON
        count = int(reached.sum())
        together = sightings.matrix(pairs[reached])
        overlap = together / np.maximum(1, seen + found - together)
        parts.append(
            (
                count / max(1, len(sightings.animal) + len(sightings.track) - count),
                float((together * overlap).sum()) / max(1, count),
                float(similarity[reached].mean()) if count else 1.0,
            )
        )
    deta, assa, loca = np.array(parts).T
    return Hota(THRESHOLDS, np.sqrt(deta * assa), deta, assa, loca)


def _matches(sightings: Sightings, total: Int64[np.ndarray, "animal track"]) -> Int64[np.ndarray, " match"]:
    """The matched pairs. `total`: in how many frames each animal is, plus those of each track."""
    pairs, similarity = np.arange(len(sightings.similarity)), sightings.similarity
    all_of = np.bincount(sightings.sighting, similarity, len(sightings.animal))[sightings.sighting]
    all_found = np.bincount(sightings.instance, similarity, len(sightings.track))[sightings.instance]
    likely = sightings.matrix(pairs, similarity / (all_found + all_of - similarity))
    aligned = likely / (total - likely)
    score = aligned[sightings.animal[sightings.sighting], sightings.track[sightings.instance]] * similarity
    free, torn = contests(sightings, pairs)
    chosen = [contest.cheapest(-score[contest.start : contest.stop], 0.0) for contest in torn]
    return np.concatenate([np.flatnonzero(free), *chosen])
