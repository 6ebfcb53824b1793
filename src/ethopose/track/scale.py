"""What the video itself tells of its animals' size and motion, learned as it goes; no option in pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

SLOW = 0.005  # weight of one more pose in a running mean
LEAST = 1e-5  # of the square of a body's length: variances do not fall below
NARROW = 0.02  # of the diagonal of where animals were seen: the least length of a body


class Scale(NamedTuple):
    """Running means, arrays of one number each; lengths in px, times in frames."""

    length: np.ndarray  # square of a body's
    noise: np.ndarray  # variance of a keypoint
    wander: np.ndarray  # variance of the change of velocity
    start: np.ndarray  # variance of the velocity of an animal that was seen once
    speed: np.ndarray  # mean square of a step
    turning: np.ndarray  # mean square of a turn, radians²
    heading: np.ndarray  # share of the steps that turn with the body
    box: np.ndarray  # left, right, top, bottom of where animals were seen


def new_scale() -> Scale:
    """Of a video of which nothing is known."""
    length, noise, wander, start, speed = (np.zeros(1) for _ in range(5))
    box = np.array([np.inf, -np.inf, np.inf, -np.inf])
    return Scale(length, noise, wander, start, speed, np.full(1, 0.05), np.full(1, 0.5), box)


@njit(cache=True, nogil=True)
def look(scale: Scale, xy: np.ndarray) -> None:
    """Learn of size from the poses (animal, keypoint, 2) of a frame."""
    box = scale.box
    for pose in xy:
        left, right, top, bottom = np.inf, -np.inf, np.inf, -np.inf
        for x, y in pose:
            if not math.isnan(x):
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
        box[0], box[1] = min(box[0], left), max(box[1], right)
        box[2], box[3] = min(box[2], top), max(box[3], bottom)
        if right > left or bottom > top:
            _mean(scale.length, (right - left) ** 2 + (bottom - top) ** 2, 4)
    across = (box[1] - box[0]) ** 2 + (box[3] - box[2]) ** 2
    least = max(NARROW**2 * across, 1.0) if across < np.inf else 1.0
    if scale.noise[0] == 0 and len(xy):
        length = max(scale.length[0], least)
        scale.noise[0], scale.start[0], scale.wander[0] = 0.0016 * length, 0.25 * length, 0.0025 * length
    scale.length[0] = max(scale.length[0], least)


@njit(cache=True, nogil=True)
def _mean(mean: np.ndarray, value: float, most: float) -> None:
    """Into a running mean; what is more than so many times the mean counts as so much."""
    if mean[0] == 0:
        mean[0] = value
    mean[0] += SLOW * (min(value, most * mean[0]) - mean[0])


@njit(cache=True, nogil=True)
def area(scale: Scale) -> float:
    """Of where animals may be, px²."""
    box = scale.box
    space: float = max((box[1] - box[0]) * (box[3] - box[2]), 9 * scale.length[0])
    return space


@njit(cache=True, nogil=True)
def learn_step(scale: Scale, off: float, variance: float, turned: float) -> None:
    """From an animal that was seen in the frame before: how far (px²) it was from where it was expected to
    within a variance, and whether it turned with its body (0 to 1)."""
    length, wander = scale.length[0], scale.wander[0]
    surprise = min(off / variance / 2, 4.0) - 1
    scale.wander[0] = min(max(wander * math.exp(0.02 * surprise), 0.1 * LEAST * length), length)
    scale.heading[0] = min(max(scale.heading[0] + 0.01 * (turned - scale.heading[0]), 0.05), 0.95)


@njit(cache=True, nogil=True)
def learn_pose(scale: Scale, error: float, turn: float) -> None:
    """From a pose laid on the one before: mean square error of a keypoint (px²), turn (radians)."""
    noise, turning = scale.noise[0], scale.turning[0]
    noise += SLOW * (min(error / 2, 4 * noise) - noise)
    scale.noise[0] = max(noise, LEAST * scale.length[0])
    scale.turning[0] = max(turning + 0.01 * (min(turn * turn, 9 * turning) - turning), 1e-4)


@njit(cache=True, nogil=True)
def learn_speed(scale: Scale, step: float) -> None:
    """From the square of a step, px²."""
    scale.speed[0] += 0.01 * (min(step, 4 * scale.length[0]) - scale.speed[0])


@njit(cache=True, nogil=True)
def learn_start(scale: Scale, off: float) -> None:
    """From the second time that an animal is seen: the square of its first step, px²."""
    scale.start[0] += 0.05 * (min(off, 9 * scale.start[0]) / 2 - scale.start[0])
