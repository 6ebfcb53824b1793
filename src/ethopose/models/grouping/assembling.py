"""Links of peaks become animals: the surest first, joined and filled up, in compiled code."""

from __future__ import annotations

import numpy as np
from numba import njit

Links = tuple[np.ndarray, np.ndarray, np.ndarray]  # peaks at both ends, counted over all keypoints; scores
State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # see `_empty`


@njit(cache=True, nogil=True)
def assemble(
    ends: np.ndarray, score: np.ndarray, xy: np.ndarray, animals: int, fuse_nearest: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The peak of each keypoint (-1: none) of each animal, the sum of its line scores, its number of links.

    `ends` (link, 4) and `score` as `Assembly` makes them, `xy` is (keypoint, peak, 2).
    """
    keypoints, peaks, _ = xy.shape
    links = ends[:, 0] * peaks + ends[:, 1], ends[:, 2] * peaks + ends[:, 3], score
    state = _empty(len(score), keypoints, peaks)
    peak, total, number, _, taken, free = state
    count = 0
    whole = _whole(links, len(taken), keypoints)
    for chain in range(whole.max() + 1 if len(whole) else 0):
        for link in range(len(score)):
            if whole[link] == chain and _add(state, count, link, links):
                free[link] = False
        _take(state, count)
        count += 1
    if count == animals:
        return peak[:count], total[:count], number[:count]
    count = _found(state, count, links)
    if count > animals and fuse_nearest:
        _fuse_nearest(state, count, count - animals, xy)
    elif count > animals:
        count = _fuse(state, count, links)
    for animal in range(count):
        if (peak[animal] < 0).any():
            _fill(state, animal, links)
            _take(state, animal)
    return peak[:count], total[:count], number[:count]


@njit(cache=True, nogil=True)
def _found(state: State, count: int, links: Links) -> int:
    """Animals of links whose peaks nobody has, from the surest on; gives how many there are then."""
    _, _, _, has, taken, free = state
    for link in np.argsort(-links[2], kind="mergesort"):
        if taken[links[0][link]] or taken[links[1][link]]:
            continue
        _add(state, count, link, links)
        _fill(state, count, links)
        free &= ~has[count]
        _take(state, count)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _empty(links: int, keypoints: int, peaks: int) -> State:
    """No animal has anything: peaks, sums of line scores, numbers of links, whose links they are; peaks that
    an animal has; links that no animal was founded on."""
    return (
        np.full((links, keypoints), -1),
        np.zeros(links),
        np.zeros(links, np.int64),
        np.zeros((links, links), np.bool_),
        np.zeros(keypoints * peaks, np.bool_),
        np.ones(links, np.bool_),
    )


@njit(cache=True, nogil=True)
def _whole(links: Links, joints: int, keypoints: int) -> np.ndarray:
    """For each link which connected set of just so many peaks it belongs to, -1 for none; sets in the order
    in which links first touch them."""
    first, second, _ = links
    root = np.arange(joints)
    touched = np.zeros(joints, np.bool_)
    for link in range(len(first)):
        one, other = _root(root, first[link]), _root(root, second[link])
        root[max(one, other)] = min(one, other)
        touched[first[link]] = touched[second[link]] = True
    size = np.zeros(joints, np.int64)
    for joint in range(joints):
        size[_root(root, joint)] += touched[joint]
    sets, names = 0, np.full(joints, -1)
    whole = np.full(len(first), -1)
    for link in range(len(first)):
        place = _root(root, first[link])
        if size[place] == keypoints:
            if names[place] < 0:
                names[place] = sets
                sets += 1
            whole[link] = names[place]
    return whole


@njit(cache=True, nogil=True)
def _root(root: np.ndarray, joint: int) -> int:
    while root[joint] != joint:
        joint = root[joint]
    return joint


@njit(cache=True, nogil=True)
def _has(state: State, animal: int, joint: int) -> bool:
    """Whether a peak, counted over all keypoints, is an animal's."""
    peak, peaks = state[0], len(state[4]) // state[0].shape[1]
    has: bool = peak[animal, joint // peaks] == joint % peaks
    return has


@njit(cache=True, nogil=True)
def _add(state: State, animal: int, link: int, links: Links) -> bool:
    """Give a link to an animal, unless it has other peaks at both ends; whether that brought it a peak."""
    peak, total, number, has, taken, _ = state
    peaks = len(taken) // peak.shape[1]
    one, other = links[0][link], links[1][link]
    known = _has(state, animal, one) and _has(state, animal, other)
    if not known and peak[animal, one // peaks] >= 0 and peak[animal, other // peaks] >= 0:
        return False
    for joint in (one, other):
        if peak[animal, joint // peaks] < 0:
            peak[animal, joint // peaks] = joint % peaks
    total[animal] += links[2][link]
    number[animal] += 1
    has[animal, link] = True
    return not known


@njit(cache=True, nogil=True)
def _take(state: State, animal: int) -> None:
    """Its peaks are no other's."""
    peaks = len(state[4]) // state[0].shape[1]
    for keypoint, peak in enumerate(state[0][animal]):
        if peak >= 0:
            state[4][keypoint * peaks + peak] = True


@njit(cache=True, nogil=True)
def _fill(state: State, animal: int, links: Links) -> None:
    """Follow the surest links that lead out of an animal to peaks that no other has; of equally sure ones
    those that were met first."""
    peak, taken = state[0][animal], state[4]
    peaks, score = len(taken) // len(peak), links[2]
    when = np.full(len(score), -1)  # a link was met; -2: done with
    for keypoint in range(len(peak)):
        if peak[keypoint] >= 0:
            _meet(keypoint * peaks + peak[keypoint], state, animal, links, when)
    while (peak < 0).any():
        best = -1
        for link in range(len(when)):
            if when[link] < 0:
                continue
            surer = best < 0 or score[link] > score[best]
            if surer or (score[link] == score[best] and when[link] < when[best]):
                best = link
        if best < 0:
            return
        when[best] = -2
        new = links[1][best] if _has(state, animal, links[0][best]) else links[0][best]
        led = _has(state, animal, links[0][best]) or _has(state, animal, links[1][best])
        if led and not taken[new]:
            _add(state, animal, best, links)
            _meet(new, state, animal, links, when)


@njit(cache=True, nogil=True)
def _meet(joint: int, state: State, animal: int, links: Links, when: np.ndarray) -> None:
    """Links from a peak to those that the animal does not have come into question."""
    met = when.max() + 1 if len(when) else 0
    for link in range(len(when)):
        if not state[5][link] or when[link] != -1:
            continue
        one, other = links[0][link], links[1][link]
        if joint in (one, other) and not _has(state, animal, other if one == joint else one):
            when[link] = max(met, 0)
            met = when[link] + 1


@njit(cache=True, nogil=True)
def _fuse(state: State, count: int, links: Links) -> int:
    """Make one of two incomplete animals that a link joins and that share no keypoint; gives how many are
    left, which come first."""
    peak, total, number, has, taken, _ = state
    peaks = len(taken) // peak.shape[1]
    owner = np.full(len(taken), -1)
    gone = np.zeros(count, np.bool_)
    used = np.zeros(len(links[2]), np.bool_)
    for animal in range(count):
        used |= has[animal]
        if (peak[animal] < 0).any():
            for keypoint, place in enumerate(peak[animal]):
                if place >= 0:
                    owner[keypoint * peaks + place] = animal
    for link in np.flatnonzero(~used):
        one, other = owner[links[0][link]], owner[links[1][link]]
        if one < 0 or other < 0 or ((peak[one] >= 0) & (peak[other] >= 0)).any():
            continue
        for keypoint, place in enumerate(peak[other]):
            if place >= 0:
                peak[one, keypoint] = place
                owner[keypoint * peaks + place] = one
        total[one] += total[other]
        number[one] += number[other]
        has[one] |= has[other]
        gone[other] = True
    left = np.flatnonzero(~gone)
    kept = len(left)
    peak[:kept], total[:kept], number[:kept] = peak[left], total[left], number[left]
    return kept


@njit(cache=True, nogil=True)
def _fuse_nearest(state: State, count: int, smallest: int, xy: np.ndarray) -> None:
    """Give what each of the smallest animals has to the nearest larger one that shares no keypoint with it;
    they stay, and rival it."""
    peak, total, number, has, _, _ = state
    order = np.argsort((peak[:count] >= 0).sum(1), kind="mergesort")
    peak[:count], has[:count] = peak[order], has[order]
    total[:count], number[:count] = total[order], number[order]
    for one in range(smallest):
        nearest, least = -1, np.inf
        for other in range(one, count):
            if not ((peak[one] >= 0) & (peak[other] >= 0)).any():
                way = _way(peak[one], peak[other], xy)
                if way < least:
                    nearest, least = other, way
        if nearest >= 0:
            peak[nearest] = np.maximum(peak[nearest], peak[one])
            total[nearest] += total[one]
            number[nearest] += number[one]
            has[nearest] |= has[one]


@njit(cache=True, nogil=True)
def _way(one: np.ndarray, other: np.ndarray, xy: np.ndarray) -> float:
    """The least squared distance between keypoints of two animals."""
    least = np.inf
    for first in np.flatnonzero(one >= 0):
        for second in np.flatnonzero(other >= 0):
            x, y = xy[first, one[first]] - xy[second, other[second]]
            least = min(least, x * x + y * y)
    return least
