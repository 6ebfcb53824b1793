"""Kalman filters of boxes that keep their velocity, as SORT, ByteTrack and BoT-SORT parametrise them.

Source: sleap-nn 0.3.5 (Bewley et al. 2016, Zhang et al. 2022, Aharon et al. 2022); the virtual path
of `replayed` is OC-SORT's (Cao et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

Box = Float64[np.ndarray, "4"]  # xmin, ymin, xmax, ymax, px
Means = Float64[np.ndarray, "*track state"]
Covariances = Float64[np.ndarray, "*track state state"]
PLACE, SPEED = 1 / 20, 1 / 160  # of the box: standard deviations of place and velocity
SEEN = 4  # the first entries of a state are observed


@dataclass(frozen=True, slots=True)
class BoxFilter:
    """One parametrisation: what is observed of a box, and its noise."""

    of_box: Callable[[Float64[np.ndarray, "*box 4"]], Float64[np.ndarray, "*box 4"]]
    to_box: Callable[[Means], Float64[np.ndarray, "*box 4"]]
    begin: Callable[[Float64[np.ndarray, "4"]], Float64[np.ndarray, "state"]]  # variances
    moving: Callable[[Means], Float64[np.ndarray, "*track state"]]
    seeing: Callable[[Float64[np.ndarray, "state"]], Float64[np.ndarray, "4"]]
    sizes: tuple[int, ...]  # entries that stay above 0; four on are their velocities
    growth: int  # the velocity that ByteTrack stops while a track is lost

    def first(self, box: Box) -> tuple[Means, Covariances]:
        """The state of a new track."""
        seen = self.of_box(box)
        variances = self.begin(seen)
        return np.concatenate((seen, np.zeros(len(variances) - SEEN))), np.diag(variances)

    def predicted(self, means: Means, covariances: Covariances) -> tuple[Means, Covariances]:
        """The states a step later."""
        means = means.copy()
        for size in self.sizes:
            speed = means[..., size + SEEN]
            speed[means[..., size] + speed <= 0] = 0
        step = np.eye(means.shape[-1]) + np.eye(means.shape[-1], k=SEEN)
        noise = self.moving(means)[..., None] * np.eye(means.shape[-1])
        covariances = step @ covariances @ step.T + noise
        return means @ step.T, 0.5 * (covariances + covariances.swapaxes(-1, -2))

    def corrected(self, mean: Means, covariance: Covariances, box: Box) -> tuple[Means, Covariances]:
        """The state after a box was seen; the covariance in Joseph's form."""
        noise = self.seeing(mean)
        spread = covariance[:SEEN, :SEEN] + np.diag(noise)
        gain = np.linalg.solve(0.5 * (spread + spread.T), covariance[:SEEN]).T
        left = np.eye(len(mean))
        left[:, :SEEN] -= gain
        covariance = left @ covariance @ left.T + (gain * noise) @ gain.T
        return mean + gain @ (self.of_box(box) - mean[:SEEN]), 0.5 * (covariance + covariance.T)


def centred(box: Float64[np.ndarray, "*box 4"]) -> Float64[np.ndarray, "*box 4"]:
    """Boxes as centre, width and height, no smaller than a pixel."""
    sides = np.maximum(box[..., 2:] - box[..., :2], 1)
    return np.concatenate((0.5 * (box[..., :2] + box[..., 2:]), sides), axis=-1)


def cornered(box: Float64[np.ndarray, "*box 4"]) -> Float64[np.ndarray, "*box 4"]:
    """The way back."""
    half = 0.5 * box[..., 2:]
    return np.concatenate((box[..., :2] - half, box[..., :2] + half), axis=-1)


def replayed(
    kind: BoxFilter, lost: tuple[Means, Covariances, int], last: Box, new: Box, gap: int
) -> tuple[Means, Covariances]:
    """A state as if a box had gone straight from the last to the new one over `gap` steps.

    `lost` is the state at the first miss and how many steps that was after the last box.
    """
    mean, covariance, since = lost
    start, end = centred(last), centred(new)
    begin = min(max(since, 0), max(gap, 1))
    if begin == 0:
        mean, covariance = kind.predicted(mean, covariance)
    for step in range(max(begin, 1), max(gap, 1) + 1):
        if step > max(begin, 1):
            mean, covariance = kind.predicted(mean, covariance)
        share = step / max(gap, 1)
        virtual = new if share == 1 else cornered((1 - share) * start + share * end)
        mean, covariance = kind.corrected(mean, covariance, virtual)
    return mean, covariance


def _of_area(box: Float64[np.ndarray, "*box 4"]) -> Float64[np.ndarray, "*box 4"]:
    seen = centred(box)
    width, height = seen[..., 2].copy(), seen[..., 3].copy()
    seen[..., 2], seen[..., 3] = width * height, width / height
    return seen


def _to_area(mean: Means) -> Float64[np.ndarray, "*box 4"]:
    area, ratio = np.maximum(mean[..., 2], 1), np.maximum(mean[..., 3], 1e-6)
    sides = np.maximum(np.stack((np.sqrt(area * ratio), np.sqrt(area / ratio)), axis=-1), 1)
    return cornered(np.concatenate((mean[..., :2], sides), axis=-1))


def _to_sides(mean: Means) -> Float64[np.ndarray, "*box 4"]:
    return cornered(np.concatenate((mean[..., :2], np.maximum(mean[..., 2:4], 1)), axis=-1))


def _of_aspect(box: Float64[np.ndarray, "*box 4"]) -> Float64[np.ndarray, "*box 4"]:
    seen = centred(box)
    seen[..., 2] /= seen[..., 3]
    return seen


def _to_aspect(mean: Means) -> Float64[np.ndarray, "*box 4"]:
    height = np.maximum(mean[..., 3:4], 1)
    width = np.maximum(mean[..., 2:3] * height, 1)
    return cornered(np.concatenate((mean[..., :2], width, height), axis=-1))


def _sides(mean: Means) -> Float64[np.ndarray, "*track 4"]:
    """Width, height, width, height: what noise is a share of."""
    sides = np.maximum(mean[..., 2:4], 1)
    return np.concatenate((sides, sides), axis=-1)


def _of_height(mean: Means, place: float, ratio: float) -> Float64[np.ndarray, "*track 4"]:
    """Shares of the height, a fixed value for the aspect."""
    height = place * np.maximum(mean[..., 3:4], 1)
    return np.concatenate((height, height, np.full_like(height, ratio), height), axis=-1)


def _joined(place: Float64[np.ndarray, "*track 4"], speed: Float64[np.ndarray, "*track 4"]) -> Means:
    return np.concatenate((place, speed), axis=-1) ** 2


FILTERS = {
    "xysr": BoxFilter(
        _of_area,
        _to_area,
        begin=lambda _: np.array([10, 10, 10, 10, 1e4, 1e4, 1e4]),
        moving=lambda means: np.broadcast_to([1, 1, 1, 1, 0.01, 0.01, 1e-4], means.shape),
        seeing=lambda _: np.array([1.0, 1, 10, 10]),
        sizes=(2,),
        growth=6,
    ),
    "xywh": BoxFilter(
        centred,
        _to_sides,
        begin=lambda seen: _joined(2 * PLACE * _sides(seen), 10 * SPEED * _sides(seen)),
        moving=lambda means: _joined(PLACE * _sides(means), SPEED * _sides(means)),
        seeing=lambda mean: (PLACE * _sides(mean)) ** 2,
        sizes=(2, 3),
        growth=7,
    ),
    "xyah": BoxFilter(
        _of_aspect,
        _to_aspect,
        begin=lambda seen: _joined(_of_height(seen, 2 * PLACE, 1e-2), _of_height(seen, 10 * SPEED, 1e-5)),
        moving=lambda means: _joined(_of_height(means, PLACE, 1e-2), _of_height(means, SPEED, 1e-5)),
        seeing=lambda mean: _of_height(mean, PLACE, 1e-1) ** 2,
        sizes=(2, 3),
        growth=7,
    ),
}
