"""A linear filter of points that keep their velocity, its noise learned by expectation maximisation.

Source: sleap-nn 0.3.5 by way of pykalman 0.11 (Shumway and Stoffer 1982). A state is x, vx, y, vy a point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

Vector = Float64[np.ndarray, "state"]
Matrix = Float64[np.ndarray, "row column"]
Observed = Float64[np.ndarray, "frame coordinate"]  # NaN: not seen
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the points in one frame."""

    mean: Vector
    covariance: Matrix

    @property
    def points(self) -> Float64[np.ndarray, "point 2"]:
        """Where they are, px."""
        return self.mean[::2].reshape(-1, 2)

    def capped(self, speed: float) -> State:
        """With no velocity above this, px/frame an axis."""
        mean = self.mean.copy()
        mean[1::2] = np.clip(mean[1::2], -speed, speed)
        return State(mean, self.covariance)


@dataclass(frozen=True, slots=True)
class Model:
    """How points move and are seen."""

    first: State
    moving: Matrix  # covariance of a step
    seeing: Matrix  # covariance of an observation

    @property
    def step(self) -> Matrix:
        """What a frame does to a state."""
        return np.kron(np.eye(len(self.seeing)), [[1.0, 1.0], [0.0, 1.0]])

    @property
    def view(self) -> Matrix:
        """What is seen of a state."""
        return np.kron(np.eye(len(self.seeing)), [[1.0, 0.0]])

    def predicted(self, state: State) -> State:
        """A frame later."""
        step = self.step
        return State(step @ state.mean, step @ (state.covariance @ step.T) + self.moving)

    def corrected(self, state: State, seen: Vector) -> State:
        """By what was seen, if all of it was."""
        if np.isnan(seen).any():
            return state
        from scipy.linalg import pinv

        view = self.view
        spread = view @ (state.covariance @ view.T) + self.seeing
        gain = state.covariance @ (view.T @ pinv(spread))
        covariance = state.covariance - gain @ (view @ state.covariance)
        return State(state.mean + gain @ (seen - view @ state.mean), covariance)


def learned(observed: Observed, start: Vector) -> tuple[Model, State]:
    """The model that fits the frames, its first mean given, and the state after the last of them."""
    size = len(start)
    model = Model(State(start, np.eye(size)), np.eye(size), np.eye(observed.shape[1]))
    for _ in range(ROUNDS):
        model = _improved(model, observed)
    return model, _filtered(model, observed)[1][-1]


def _filtered(model: Model, observed: Observed) -> tuple[list[State], list[State]]:
    """The states before and after each frame was seen."""
    before, after = [model.first], []
    for seen in observed:
        after.append(model.corrected(before[-1], seen))
        before.append(model.predicted(after[-1]))
    return before[:-1], after


def _improved(model: Model, observed: Observed) -> Model:
    """One round: the states by all frames, then the covariances by the states.

    The sums are in pykalman's order: with few frames, the last bit can decide about a track.
    """
    smooth, gains = _smoothed(model, *_filtered(model, observed))
    step, view = model.step, model.view
    moving, seeing = np.zeros_like(model.moving), np.zeros_like(model.seeing)
    for now, then, gain in zip(smooth, smooth[1:], gains, strict=False):
        error = then.mean - step @ now.mean
        spread = np.outer(error, error) + step @ (now.covariance @ step.T)
        shared = then.covariance @ gain.T @ step.T
        moving += spread + then.covariance - shared - shared.T
    seen = np.flatnonzero(~np.isnan(observed).any(axis=1)).tolist()
    for frame in seen:
        error = observed[frame] - view @ smooth[frame].mean
        seeing += np.outer(error, error) + view @ (smooth[frame].covariance @ view.T)
    start, mean = model.first.mean, smooth[0].mean
    first = smooth[0].covariance + np.outer(mean, mean) - np.outer(start, mean)
    first = first - np.outer(mean, start) + np.outer(start, start)
    moving, seeing = 1 / max(1, len(observed) - 1) * moving, 1 / max(1, len(seen)) * seeing
    return replace(model, first=State(start, first), moving=moving, seeing=seeing)


def _smoothed(model: Model, before: list[State], after: list[State]) -> tuple[list[State], list[Matrix]]:
    """Each frame's state by all frames, and the gains that each takes of the next."""
    from scipy.linalg import pinv

    smooth, gains = [after[-1]], []
    for state, forecast in zip(reversed(after[:-1]), reversed(before[1:]), strict=True):
        gain = state.covariance @ (model.step.T @ pinv(forecast.covariance))
        later = smooth[-1]
        mean = state.mean + gain @ (later.mean - forecast.mean)
        covariance = state.covariance + gain @ ((later.covariance - forecast.covariance) @ gain.T)
        smooth.append(State(mean, covariance))
        gains.append(gain)
    return smooth[::-1], gains[::-1]
