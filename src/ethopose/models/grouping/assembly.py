"""Bottom-up grouping over a graph with more edges than a tree: the surest links first, rivals by overlap."""

from __future__ import annotations

import numpy as np

from ethopose.core.assignment import assignment
from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances, strongest

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
        self.reads: tuple[str, ...] = ("xy", "value", *(("line_score",) if edges else ()))

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch; their score is the mean of their links' line scores."""
        pictures, places, confidences, scores = [], [], [], []
        lines = found["line_score"] if self.edges else [None] * len(found["xy"])
        for picture, (xy, value, line_score) in enumerate(
            zip(found["xy"], found["value"], lines, strict=True)
        ):
            peak, score = self._animals(xy, value, line_score, context.threshold)
            rows = np.sort(strongest(score, context.limit))
            peak, score = peak[rows], score[rows]
            pictures.append(np.full(len(peak), picture))
            places.append(_taken(xy, peak))
            confidences.append(_taken(value, peak))
            scores.append(score)
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
        from ethopose.models.grouping.assembling import assemble  # compiled code takes a second to load

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
            row, column = assignment(score, maximize=True)
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
