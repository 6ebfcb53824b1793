"""Who could be whom: true animals and found tracks, frame by frame, and how like each other they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from ethopose.core import DataError, Poses
from ethopose.core.assignment import assignment
from ethopose.metrics.errors import body_length
from ethopose.metrics.likeness import Likeness, closeness
from ethopose.metrics.matching import candidates, in_order_of

EPSILON = float(np.finfo(float).eps)  # what TrackEval allows for rounding at its thresholds
BLOCK = 16384  # animals compared at a time: bounds the memory that their pairs take


@dataclass(frozen=True, slots=True)
class Sightings:
    """Both sides by frame, then by animal or track, whose numbers run from 0; and all pairs that are alike.

    Pairs are sorted by sighting, then by instance; what is not among them has a similarity of 0.
    """

    frame: Int64[np.ndarray, " sighting"]  # of true animals
    animal: Int64[np.ndarray, " sighting"]
    found_frame: Int64[np.ndarray, " instance"]  # of found animals
    track: Int64[np.ndarray, " instance"]
    sighting: Int64[np.ndarray, " pair"]
    instance: Int64[np.ndarray, " pair"]
    similarity: Float64[np.ndarray, " pair"]  # above 0, to 1
    animals: int
    tracks: tuple[int, ...]  # their numbers in the poses
    threshold: float = 0.5  # similarity from which a pair may match
    unassigned: int = 0  # found animals without a track, not among the instances

    @property
    def near(self) -> Int64[np.ndarray, " pair"]:
        """The pairs that may match."""
        return np.flatnonzero(self.similarity >= self.threshold - EPSILON)

    def matrix(
        self, pairs: np.ndarray, weights: Float64[np.ndarray, " pair"] | None = None
    ) -> Float64[np.ndarray, "animal track"]:
        """How many of these pairs each animal has with each track, or the sum of their weights."""
        shape = (self.animals, len(self.tracks))
        cell = self.animal[self.sighting[pairs]] * len(self.tracks) + self.track[self.instance[pairs]]
        counts = np.bincount(cell, weights, minlength=shape[0] * shape[1])
        return counts.astype(np.float64).reshape(shape)


def sightings(
    found: Poses, truth: Poses, *, likeness: Likeness | None = None, threshold: float = 0.5
) -> Sightings:
    """Compare found animals that have a track with true ones, in the frames of either.

    The truth's identities are its tracks, its individuals where it has no tracks. True animals without
    identity (hidden, unknown) count neither for nor against: what is found on them, and on no other, is
    left out. A frame without true animals is one that holds none: leave out of `found` what nobody looked
    at. `likeness`: how alike two animals are; unless given, their closeness in body lengths. `threshold`:
    from which likeness they may match.

    Raises `DataError` unless both have the same keypoints in any order, where the truth has no
    identities or no body length, and where a track or an animal is in two places in one frame.
    """
    if not 0 < threshold <= 1:
        raise DataError(f"a threshold of {threshold:g}", fix="likeness runs from above 0 to 1")
    true = truth.track if np.any(truth.track >= 0) else truth.individual
    frame, animal, xy = _by_identity("animal", truth.frame, true, truth.xy)
    if not np.any(animal >= 0):
        raise DataError("the truth has no identities", fix="give every animal a track or an individual")
    if likeness is None:
        likeness = closeness(body_length(truth))
    found_frame, track, spots = _by_identity("track", found.frame, found.track, in_order_of(truth, found))
    known, assigned = animal >= 0, track >= 0
    found_frame, track, spots = found_frame[assigned], track[assigned], spots[assigned]
    _, hidden, on_hidden = _pairs((frame[~known], xy[~known]), (found_frame, spots), likeness)
    row, instance, similarity = _pairs((frame[known], xy[known]), (found_frame, spots), likeness)
    astray = _most(instance, similarity, len(track)) < threshold
    kept = ~(astray & (_most(hidden, on_hidden, len(track)) >= threshold))
    alike = kept[instance]
    tracks, number = np.unique(track[kept], return_inverse=True)
    animals, individual = np.unique(animal[known], return_inverse=True)
    return Sightings(
        frame[known],
        individual,
        found_frame[kept],
        number,
        row[alike],
        (np.cumsum(kept) - 1)[instance[alike]],
        similarity[alike],
        len(animals),
        tuple(tracks.tolist()),
        threshold,
        int((~assigned).sum()),
    )


Rows: TypeAlias = tuple[Int64[np.ndarray, " row"], Float32[np.ndarray, "row keypoint 2"]]  # frames and places


def _by_identity(
    word: str,
    frame: Int64[np.ndarray, " row"],
    identity: np.ndarray,
    xy: Float32[np.ndarray, "row keypoint 2"],
) -> tuple[Int64[np.ndarray, " row"], np.ndarray, Float32[np.ndarray, "row keypoint 2"]]:
    """Rows that have a keypoint, by frame, then by identity."""
    seen = np.flatnonzero(~np.isnan(xy).any(axis=2).all(axis=1))
    order = seen[np.lexsort((identity[seen], frame[seen]))]
    frame, identity = frame[order], identity[order]
    twice = (np.diff(frame) == 0) & (np.diff(identity) == 0) & (identity[1:] >= 0)
    if twice.any():
        row = int(twice.argmax())
        raise DataError(f"{word} {identity[row]} is in two places in frame {frame[row]}")
    return frame, identity, xy[order]


def _pairs(
    truth: Rows, found: Rows, likeness: Likeness
) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"], Float64[np.ndarray, " pair"]]:
    """Row of the truth, row found, and similarity of all that are alike at all."""
    told = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for start in range(0, len(truth[0]), BLOCK):
        frame, xy = truth[0][start : start + BLOCK], truth[1][start : start + BLOCK]
        row, instance = candidates(frame, found[0])
        similarity = likeness(xy[row].astype(np.float64), found[1][instance].astype(np.float64))
        alike = similarity > EPSILON
        told.append((start + row[alike], instance[alike], similarity[alike]))
    row, instance, similarity = (np.concatenate(column) for column in zip(*told, strict=True))
    return row, instance, similarity


def _most(
    instance: Int64[np.ndarray, " pair"], similarity: Float64[np.ndarray, " pair"], instances: int
) -> Float64[np.ndarray, " instance"]:
    """The similarity of the most alike pair of each instance."""
    most = np.zeros(instances)
    np.maximum.at(most, instance, similarity)
    return most


@dataclass(frozen=True, slots=True)
class Contest:
    """The pairs of a frame in which somebody has a choice."""

    start: int  # of the pairs looked at
    stop: int
    place: tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]  # sighting and instance in the frame
    shape: tuple[int, int]  # how many of each the frame has

    def cheapest(self, cost: Float64[np.ndarray, " pair"], beyond: float) -> Int64[np.ndarray, " match"]:
        """The pairs of the cheapest assignment where all that are no pair cost `beyond`."""
        costs, pair = np.full(self.shape, beyond), np.full(self.shape, -1)
        costs[self.place], pair[self.place] = cost, np.arange(self.start, self.stop)
        chosen = pair[assignment(costs)]
        return np.asarray(chosen[chosen >= 0])


def contests(
    sightings: Sightings, pairs: Int64[np.ndarray, " pair"]
) -> tuple[Bool[np.ndarray, " pair"], Iterator[Contest]]:
    """Which of the pairs are without rival in a frame without contest, and the contests.

    Most frames have none: only the others need a solver. They are solved whole, as the peers do, so that
    of two equally good assignments the same one is chosen.
    """
    sighting, instance = sightings.sighting[pairs], sightings.instance[pairs]
    rival = (np.bincount(sighting)[sighting] > 1) | (np.bincount(instance)[instance] > 1)
    frame = sightings.frame[sighting]
    starts = np.flatnonzero(np.diff(frame, prepend=frame[:1] - 1))
    stops = np.append(starts[1:], len(frame))
    torn = np.logical_or.reduceat(rival, starts) if len(starts) else np.empty(0, bool)
    where = frame[starts[torn]]
    bounds = [
        (np.searchsorted(frames, where), np.searchsorted(frames, where, side="right"))
        for frames in (sightings.frame, sightings.found_frame)
    ]

    def told() -> Iterator[Contest]:
        edges = zip(starts[torn], stops[torn], *bounds[0], *bounds[1], strict=True)
        for start, stop, first, last, left, right in edges:
            place = sighting[start:stop] - first, instance[start:stop] - left
            yield Contest(int(start), int(stop), place, (int(last - first), int(right - left)))

    return ~np.repeat(torn, stops - starts), told()
