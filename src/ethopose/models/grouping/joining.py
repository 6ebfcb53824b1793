"""Matched peaks become animals, in compiled code."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def assemble(
    matches: np.ndarray, keypoints: int, peaks: int, min_peaks: int
) -> tuple[np.ndarray, np.ndarray]:
    """The peak of each keypoint (-1: none) of each animal, and the animal's score.

    `matches` (match, 5) as `Affinity` makes them, in edge order. A match whose peaks are both free
    founds an animal; a free destination joins its source's animal; a taken one moves there, and
    takes its old animal with it if the two then share no keypoint. A free source does not join.
    """
    owner = np.full((keypoints, peaks), -1)
    joined = np.zeros((keypoints, peaks), np.int64)  # when a peak first got an owner: the later one wins
    for step in range(len(matches)):
        source, source_peak = int(matches[step, 0]), int(matches[step, 1])
        destination, destination_peak = int(matches[step, 2]), int(matches[step, 3])
        mine, theirs = owner[source, source_peak], owner[destination, destination_peak]
        if mine < 0 and theirs < 0:
            mine = owner.max() + 1
            owner[source, source_peak] = mine
            joined[source, source_peak] = 2 * step
        if mine < 0:
            continue
        owner[destination, destination_peak] = mine
        if theirs < 0:
            joined[destination, destination_peak] = 2 * step + 1
        elif not _share_a_keypoint(owner, mine, theirs):
            owner = np.where(owner == theirs, mine, owner)
    score = np.zeros(owner.max() + 1, np.float32)
    for step in range(len(matches)):
        mine = owner[int(matches[step, 0]), int(matches[step, 1])]
        if mine >= 0:
            score[mine] += np.float32(matches[step, 4])
    animals, size = _members(owner, joined)
    kept = np.flatnonzero((size > 0) & (size >= min_peaks))
    return animals[kept], score[kept]


@njit(cache=True, nogil=True)
def _members(owner: np.ndarray, joined: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The peak of each keypoint of each animal, -1 where there is none, and how many peaks it owns."""
    animals = np.full((owner.max() + 1, len(owner)), -1)
    size = np.zeros(len(animals), np.int64)
    for keypoint in range(len(owner)):
        for peak in np.argsort(joined[keypoint], kind="mergesort"):
            if owner[keypoint, peak] >= 0:
                animals[owner[keypoint, peak], keypoint] = peak
                size[owner[keypoint, peak]] += 1
    return animals, size


@njit(cache=True, nogil=True)
def _share_a_keypoint(owner: np.ndarray, one: int, other: int) -> bool:
    shared = False
    for row in owner:
        shared |= (row == one).any() and (row == other).any()
    return shared
