"""What two of DeepLabCut's trackers see of an animal: the ellipse, or the box, around its keypoints.

Source: DeepLabCut 3.0.1, `core/trackingutils.py` (`SORTEllipse`, `SORTBox`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ethopose.track.deeplabcut.kalman import Kalman, Motion, motion

Outlines = Float64[np.ndarray, "animal number"]


@dataclass(frozen=True, slots=True)
class Outline:
    """How animals are described, compared and followed."""

    motion: Motion
    # one of each animal that has one, which with a missing keypoint may be fewer than there are animals
    describe: Callable[[Float64[np.ndarray, "animal keypoint 2"]], Outlines]
    similarity: Callable[[Outlines, Outlines], Float64[np.ndarray, "found followed"]]
    measure: Callable[[Float64[np.ndarray, "number"]], Float64[np.ndarray, "measured"]]  # of an outline
    predict: Callable[[Kalman], Float64[np.ndarray, "number"]]  # the next frame's outline; NaN: lost


def ellipses() -> Outline:
    """Centre, two axes and the angle of the longer one, all with a velocity."""
    return Outline(
        motion(5, 5, covariance=(10.0, 10_000.0), process=0.01, noise=(2, 10.0)),
        describe=_ellipses,
        similarity=_alike,
        measure=np.asarray,
        predict=_next_ellipse,
    )


def boxes(margin: float) -> Outline:
    """Left, top, right and bottom of the keypoints, `margin` px further out.

    Followed are centre, area and ratio of the sides, the last without a velocity.
    """
    moving = motion(4, 3, covariance=(10.0, 10_000.0), process=0.01, noise=(2, 10.0))
    moving.process_noise[-1, -1] *= 0.01
    return Outline(
        moving,
        describe=lambda xy: _boxes(xy, margin),
        similarity=_overlaps,
        measure=_centred,
        predict=_next_box,
    )


def _ellipses(xy: Float64[np.ndarray, "animal keypoint 2"]) -> Outlines:
    """Ellipses of two standard deviations, of animals with three keypoints."""
    found = []
    for points in xy:
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) < 3:
            continue
        spread, direction = np.linalg.eigh(np.cov(points.T))
        with np.errstate(invalid="ignore"):
            height, width = 4 * np.sqrt(spread)
        angle = np.arctan2(direction[1, 1], direction[0, 1]) % np.pi
        numbers = np.array([*points.mean(axis=0), width, height, angle])
        if not np.isnan(numbers).any():  # of points on a line, rounding may make the spread negative
            found.append(numbers)
    return np.array(found).reshape(-1, 5)


def _next_ellipse(filtered: Kalman) -> Float64[np.ndarray, "5"]:
    filtered.predict()
    return filtered.measured


def _alike(found: Outlines, followed: Outlines) -> Float64[np.ndarray, "found followed"]:
    """1 for the same ellipse, 0 for one as far away as the longest axis; a fifth of it is the angle's."""
    one, other = found[:, None], followed[None]
    longest = np.maximum(one[..., 2:4].max(axis=-1), other[..., 2:4].max(axis=-1))
    distance = np.sqrt((one[..., 0] - other[..., 0]) ** 2 + (one[..., 1] - other[..., 1]) ** 2)
    near = 1 - np.minimum(distance / np.where(longest == 0, 1.0, longest), 1)
    return np.asarray(0.8 * near + 0.2 * np.abs(np.cos(one[..., 4] - other[..., 4])) * near)


def _boxes(xy: Float64[np.ndarray, "animal keypoint 2"], margin: float) -> Outlines:
    return np.concatenate([np.nanmin(xy, axis=1) - margin, np.nanmax(xy, axis=1) + margin], axis=1)


def _centred(box: Float64[np.ndarray, "4"]) -> Float64[np.ndarray, "4"]:
    width, height = box[2:] - box[:2]
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat box ends its tracklet
        return np.array([box[0] + width / 2, box[1] + height / 2, width * height, width / height])


def _next_box(filtered: Kalman) -> Float64[np.ndarray, "4"]:
    if filtered.state[6] + filtered.state[2] <= 0:  # an area below none
        filtered.state[6] *= 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        filtered.predict()
        x, y, area, ratio = filtered.measured
        width = np.sqrt(area * ratio)
        height = area / width
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def _overlaps(found: Outlines, followed: Outlines) -> Float64[np.ndarray, "found followed"]:
    """Intersection over union, in single precision as the peer compares it."""
    one, other = found[:, None], followed[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    common = np.maximum(sides, 0).prod(axis=-1)
    own, others = ((box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((common / (own + others - common)).astype(np.float32).astype(np.float64))
