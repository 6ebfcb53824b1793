"""The filter behind DeepLabCut's trackers: constant velocity, one frame a step.

The arithmetic is that of FilterPy 1.4.5 (`KalmanFilter`), the last version that DeepLabCut's trackers work
with: from 2.0 on its `kinematic_kf` measures the sum of all coordinates instead of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64


@dataclass(frozen=True, slots=True)
class Motion:
    """What a filter believes of the world. The first entries of the state are measured."""

    transition: Float64[np.ndarray, "state state"]
    covariance: Float64[np.ndarray, "state state"]  # at the start
    process_noise: Float64[np.ndarray, "state state"]
    measurement_noise: Float64[np.ndarray, "measured measured"]


def motion(
    n_measured: int,
    n_velocities: int,
    *,
    covariance: tuple[float, float],
    process: float,
    noise: tuple[int, float] = (0, 1.0),
) -> Motion:
    """Measured numbers, the first of which change by a velocity each.

    Args:
        n_measured: numbers that are measured.
        n_velocities: how many of them have a velocity.
        covariance: at the start, of what is measured and of velocities.
        process: noise of velocities; that of what is measured is 1.
        noise: from which of the measured numbers on the measurement noise is how much; 1 before.
    """
    n = n_measured + n_velocities
    moving = np.arange(n) >= n_measured
    return Motion(
        np.eye(n) + np.eye(n, k=n_measured),
        np.diag(np.where(moving, covariance[1], covariance[0])),
        np.diag(np.where(moving, process, 1.0)),
        np.diag(np.where(np.arange(n_measured) >= noise[0], noise[1], 1.0)),
    )


class Kalman:
    """An animal's state, frame by frame."""

    def __init__(self, motion: Motion, measured: Float64[np.ndarray, "measured"]) -> None:
        self._motion = motion
        self._covariance = motion.covariance
        self.state = np.zeros(len(motion.transition))
        self.state[: len(measured)] = measured

    @property
    def measured(self) -> Float64[np.ndarray, "measured"]:
        """The part of the state that is measured."""
        return self.state[: len(self._motion.measurement_noise)]

    def predict(self) -> None:
        """Go on by a frame."""
        move = self._motion.transition
        self.state = move @ self.state
        self._covariance = move @ self._covariance @ move.T + self._motion.process_noise

    def update(
        self, measured: Float64[np.ndarray, "measured"], seen: Bool[np.ndarray, "measured"] | None = None
    ) -> None:
        """Take in what was measured in this frame, of which only what was `seen` counts."""
        noise = self._motion.measurement_noise
        observe = np.eye(len(noise), len(self.state))
        if seen is not None:
            observe[~seen], measured = 0.0, np.where(seen, measured, 0.0)
        spread = self._covariance @ observe.T
        gain = spread @ np.linalg.inv(observe @ spread + noise)
        self.state = self.state + gain @ (measured - observe @ self.state)
        rest = np.eye(len(self.state)) - gain @ observe
        self._covariance = rest @ self._covariance @ rest.T + gain @ noise @ gain.T
