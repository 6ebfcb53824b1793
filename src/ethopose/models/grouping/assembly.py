"""Bottom-up grouping over a graph with more edges than a tree: the surest links first, rivals by overlap."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances

Links = tuple[np.ndarray, np.ndarray, np.ndarray]  # peaks at both ends, counted over all keypoints; scores
State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # see `_empty`
MIN_CONFIDENCE, MIN_LINKS, MAX_OVERLAP = 0.1, 2, 0.8
MOST = 32  # peaks of a keypoint that links are looked for among, where nobody says how many animals there are


class Assembly:
    """Links peaks along every edge of a graph, and makes animals of the links.

    Each edge's `animals` highest peaks of 0.1 or more are matched by Hungarian on their line scores; matches
    of `min_line_score` or more are links. Links that join just as many peaks as there are keypoints are an
    animal; the others found animals from the surest one down, which take in the peaks that their surest links
    lead to. Where there are more than `animals`, those that a link joins and that share no keypoint become
    one; with `fuse_nearest` the smallest are joined to the nearest that lack their keypoints. Animals of
    fewer than two links fall away, as does one of which a share of 0.8 lies where a surer one is. With
    `hand_out` peaks that no animal has go to the nearest that lacks their keypoint.
    Source: DeepLabCut 3.0.1, Assembler; Lauer et al. 2022.
    """

    reads: tuple[str, ...] = ("xy", "value", "line_score")

    def __init__(
        self,
        *,
        keypoints: int,
        edges: list[tuple[int, int]],
        animals: int = MOST,
        min_line_score: float = 0.05,
        fuse_nearest: bool = False,
        hand_out: bool = False,
    ) -> None:
        self.keypoints, self.edges, self.animals = keypoints, edges, animals
        self.min_line_score = min_line_score
        self.fuse_nearest, self.hand_out = fuse_nearest, hand_out

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch; their score is the mean of their links' line scores."""
        pictures, places, confidences, scores = [], [], [], []
        for picture, (xy, value, line_score) in enumerate(
            zip(found["xy"], found["value"], found["line_score"], strict=True)
        ):
            peak, score = self._animals(xy, value, line_score, context.threshold)
            limit = slice(context.limit)
            pictures.append(np.full(len(peak), picture)[limit])
            places.append(_taken(xy, peak)[limit])
            confidences.append(_taken(value, peak)[limit])
            scores.append(score[limit])
        return make_instances(
            context,
            np.concatenate(pictures),
            np.concatenate(places),
            np.concatenate(confidences),
            np.concatenate(scores),
        )

    def _animals(
        self, xy: np.ndarray, value: np.ndarray, line_score: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The peak of each keypoint of each animal, -1 for none, and the animals' scores."""
        there = value > threshold
        if self.animals == 1:
            return _strongest(there, value)
        if self.keypoints == 1:
            peak = self._candidates(there[0], value[0])
            return peak[:, None], value[0, peak]
        links = self._links(there, value, line_score)
        built, total, number = assemble(*links, xy, self.animals, self.fuse_nearest)
        sound = np.flatnonzero((number >= MIN_LINKS) & (built >= 0).any(1))
        kept = sound[_unrivalled(_taken(xy, built[sound]), total[sound])]
        if len(kept) > self.animals:
            kept = kept[np.argsort(-(built[kept] >= 0).sum(1), kind="stable")]
        kept, cut = kept[: self.animals], kept[self.animals :]
        peak = built[kept]
        if self.hand_out:
            fallen = np.setdiff1d(np.arange(len(built)), sound)
            free = there & ~_had(there.shape, built) | _had(there.shape, built[[*fallen, *cut]])
            _hand_out(peak, free, xy, value)
        return peak, (total / np.maximum(number, 1))[kept]

    def _links(
        self, there: np.ndarray, value: np.ndarray, line_score: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(link, 4) as source keypoint and peak, destination keypoint and peak; and their line scores."""
        ends, scores = [np.empty((0, 4), np.int64)], [np.empty(0)]
        for edge, (source, destination) in enumerate(self.edges):
            first, second = (self._candidates(there[k], value[k]) for k in (source, destination))
            score = np.nan_to_num(line_score[edge][np.ix_(first, second)].astype(np.float64))
            row, column = linear_sum_assignment(score, maximize=True)
            good = score[row, column] >= self.min_line_score
            row, column = row[good], column[good]
            columns = np.full(len(row), source), first[row], np.full(len(row), destination), second[column]
            ends.append(np.stack(columns, 1))
            scores.append(score[row, column])
        return np.concatenate(ends), np.concatenate(scores)

    def _candidates(self, there: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The highest peaks of a keypoint that may be linked, highest first."""
        peak = np.flatnonzero(there)
        peak = peak[np.argsort(-value[peak], kind="stable")][: self.animals]
        return peak[value[peak] >= MIN_CONFIDENCE]


def _strongest(there: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One animal of the highest peak of each keypoint."""
    peak = np.where(there, value, -np.inf).argmax(1)
    peak = np.where(there.any(1), peak, -1)
    if (peak < 0).all():
        return np.empty((0, len(peak)), np.int64), np.empty(0)
    return peak[None], np.nanmean(_taken(value, peak[None]), 1)


def _had(shape: tuple[int, int], peak: np.ndarray) -> np.ndarray:
    """Which of (keypoint, peak) these animals have."""
    had = np.zeros(shape, bool)
    animal, keypoint = np.nonzero(peak >= 0)
    had[keypoint, peak[animal, keypoint]] = True
    return had


def _hand_out(peak: np.ndarray, free: np.ndarray, xy: np.ndarray, value: np.ndarray) -> None:
    """Give the free peaks, the highest first, each to the nearest animal that lacks its keypoint."""
    keypoints, places = np.nonzero(free)
    for number in np.argsort(-value[keypoints, places], kind="stable"):
        keypoint, place = keypoints[number], places[number]
        lacking = np.flatnonzero(peak[:, keypoint] < 0)
        if len(lacking):
            ways = np.linalg.norm(_taken(xy, peak[lacking]) - xy[keypoint, place], axis=-1)
            peak[lacking[np.nanmin(ways, 1).argmin()], keypoint] = place


def _taken(array: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """What belongs to each animal's peaks of (keypoint, peak, ...); NaN where it has none."""
    rows = array[np.arange(peak.shape[1]), np.maximum(peak, 0)]
    missing = peak < 0
    return np.where(missing.reshape(missing.shape + (1,) * (rows.ndim - 2)), np.nan, rows)


def _unrivalled(xy: np.ndarray, total: np.ndarray) -> list[int]:
    """Animals from the surest on, without those that lie where a surer one is."""
    low, high = np.nanmin(xy, 1, initial=np.inf), np.nanmax(xy, 1, initial=-np.inf)
    left = list(np.argsort(-total, kind="stable"))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(int(best))
        left = [other for other in left if _overlap(xy, low, high, best, other) < MAX_OVERLAP]
    return kept


def _overlap(xy: np.ndarray, low: np.ndarray, high: np.ndarray, one: int, other: int) -> float:
    """The smaller of the two shares of keypoints that lie where both animals' boxes overlap."""
    lowest, highest = np.maximum(low[one], low[other]), np.minimum(high[one], high[other])
    if (highest < lowest).any():
        return 0.0
    inside = ((xy[[one, other]] >= lowest) & (xy[[one, other]] <= highest)).all(-1).sum(1)
    return float((inside / np.isfinite(xy[[one, other], :, 0]).sum(1)).min())


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
