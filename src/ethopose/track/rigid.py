"""How one pose lies on another: turned and moved as a whole, whatever single keypoints do."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

FAINTEST = 0.1  # confidence: keypoints of less count as much
ODD = 0.1  # share of keypoints that lie anywhere about the body
ROUNDS = 4


class Fit(NamedTuple):
    """A pose laid on another one."""

    shared: float  # keypoints that both have
    cos: float
    sin: float
    x: float  # where the pose's origin comes to lie
    y: float
    misfit: float  # -log likelihood of the shape, each keypoint relative to one that lies just there
    weight: float  # keypoints that agree, as if each were of full confidence
    error: float  # mean square, px², of a keypoint of full confidence


@njit(cache=True, nogil=True)
def lay(
    pose: np.ndarray, seen: np.ndarray, confidence: np.ndarray, noise: float, size: float, at: np.ndarray
) -> Fit:
    """Lay `pose` (keypoint, 2), around its origin, on the keypoints `seen` (keypoint, 2); NaN is unknown.

    `noise` is the variance of a keypoint and `size` the square of a body's length, px². Begun is with all
    keypoints, and again with the pose as it is `at` a place; keypoints that disagree lose their weight, so
    that a pose of which some keypoints are another animal's lies on the rest. The likelier one counts.
    """
    first = _settled(pose, seen, confidence, (noise, size), Fit(0.0, 1.0, 0.0, np.nan, 0.0, 0.0, 0.0, 0.0))
    if not first.shared or math.isnan(at[0]):
        return first
    again = _settled(pose, seen, confidence, (noise, size), Fit(0.0, 1.0, 0.0, at[0], at[1], 0.0, 0.0, 0.0))
    turned, turned_again = 2 * (1 - first.cos), 2 * (1 - again.cos)
    return again if again.misfit + turned_again < first.misfit + turned else first


@njit(cache=True, nogil=True)
def _settled(
    pose: np.ndarray, seen: np.ndarray, confidence: np.ndarray, scale: tuple[float, float], fit: Fit
) -> Fit:
    noise, size = scale
    for turn in range(ROUNDS):
        reach = 0.09 * size / 4.0**turn + 9 * noise
        fit = _moved(pose, seen, confidence, (noise, reach), fit)
        if not fit.shared:
            return fit
    misfit = error = weight = 0.0
    wide = 0.1 * size
    for k in range(len(pose)):
        if math.isnan(pose[k, 0]) or math.isnan(seen[k, 0]):
            continue
        sure = max(confidence[k], FAINTEST) ** 2
        off = _off(pose[k], seen[k], fit)
        variance = 2 * noise / sure
        near = (1 - ODD) * math.exp(-off / 2 / variance)
        far = ODD * math.exp(-off / 2 / wide) * variance / wide
        misfit -= math.log(near + far + 1e-300)
        error += min(off * sure, 0.25 * size)
        weight += sure / (1 + off / (9 * variance))
    return Fit(fit.shared, fit.cos, fit.sin, fit.x, fit.y, misfit, max(weight, 0.01), error / fit.shared)


@njit(cache=True, nogil=True)
def _moved(
    pose: np.ndarray, seen: np.ndarray, confidence: np.ndarray, scale: tuple[float, float], fit: Fit
) -> Fit:
    """The fit of least squares (Kabsch 1976, in the plane), keypoints weighted by how they fit before.
    `noise` holds it back from turning where the keypoints say little about it."""
    noise, reach = scale
    weight, total, shared = np.zeros(len(pose)), 0.0, 0.0
    ax = ay = bx = by = 0.0
    for k in range(len(pose)):
        if math.isnan(pose[k, 0]) or math.isnan(seen[k, 0]):
            continue
        weight[k] = max(confidence[k], FAINTEST) ** 2
        if not math.isnan(fit.x):
            weight[k] /= (1 + _off(pose[k], seen[k], fit) / reach) ** 2
        total += weight[k]
        shared += 1
        ax, ay = ax + weight[k] * pose[k, 0], ay + weight[k] * pose[k, 1]
        bx, by = bx + weight[k] * seen[k, 0], by + weight[k] * seen[k, 1]
    if not shared:
        return Fit(0.0, 1.0, 0.0, np.nan, 0.0, 0.0, 0.0, 0.0)
    ax, ay, bx, by = ax / total, ay / total, bx / total, by / total
    along, across = total * noise, 0.0
    for k in range(len(pose)):
        if weight[k] > 0:
            px, py, qx, qy = pose[k, 0] - ax, pose[k, 1] - ay, seen[k, 0] - bx, seen[k, 1] - by
            along += weight[k] * (px * qx + py * qy)
            across += weight[k] * (px * qy - py * qx)
    length = math.hypot(along, across)
    cos, sin = (along / length, across / length) if length > 0 else (1.0, 0.0)
    return Fit(shared, cos, sin, bx - cos * ax + sin * ay, by - sin * ax - cos * ay, 0.0, 0.0, 0.0)


@njit(cache=True, nogil=True)
def _off(point: np.ndarray, seen: np.ndarray, fit: Fit) -> float:
    """Square of the distance, px²."""
    dx = seen[0] - (fit.cos * point[0] - fit.sin * point[1]) - fit.x
    dy = seen[1] - (fit.sin * point[0] + fit.cos * point[1]) - fit.y
    off: float = dx * dx + dy * dy
    return off
