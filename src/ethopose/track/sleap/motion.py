"""Candidates moved to where a Kalman filter a track expects them (sleap-nn 0.3.5, `use_kalman`)."""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from ethopose.track.sleap.memory import NOBODY, Memory, Seen
from ethopose.track.sleap.options import ClassicOptions
from ethopose.track.sleap.velocity import Model, State, learned

Points = Float64[np.ndarray, "point 2"]
BLEND = 0.5  # how much of the expected way a candidate goes
GATE, STEPS_TO_GATE = 40.0, 8.0  # px, steps: what is seen farther from the forecast is not believed
SPEED, STEPS_OF_SPEED = 15.0, 3.0  # px/frame, steps: no faster
FEWEST = 3  # frames that a filter can be fitted to


@dataclass(slots=True)
class _Filter:
    """What is known of one track's motion."""

    model: Model
    state: State
    step: float  # px/frame, the drift over the frames it was fitted to
    corrected: int  # the frame of `state`
    believed: int  # the last frame whose observation was taken

    @property
    def speed(self) -> float:
        return max(SPEED, STEPS_OF_SPEED * self.step)

    def forecast(self, state: State, frames: int) -> State:
        """So many frames on."""
        for _ in range(frames):
            state = self.model.predicted(state).capped(self.speed)
        return state


@dataclass(slots=True)
class _History:
    """The last instances of one track, and the motion fitted to them."""

    seen: deque[Seen]
    filter: _Filter | None = None
    reset: int = field(default=-1)  # frame: what was seen until then is not fitted to


class Motion:
    """Follows each track's centroid, or its keypoints, with a filter fitted to its first frames."""

    def __init__(self, options: ClassicOptions) -> None:
        self._options = options
        self._tracks: dict[int, _History] = {}
        self._frames = 0
        self._started = False

    def candidates(self, memory: Memory, frame: int, image: object = None) -> list[Seen]:
        """The instances to compare a frame's with: one a track whose motion is known, else as they were."""
        seen = memory.candidates()
        self._observe({one.track: one for one in seen})
        if not self._started:
            self._frames += 1
            if self._frames < self._options.kf_init_frame_count:
                return seen
            self._started = True
            for history in self._tracks.values():
                self._fit(history, FEWEST)
        self._update(memory, frame)
        moved = [self._moved(self._tracks[track], frame) for track in memory.tracks]
        found = {one.track: one for one in moved if one}
        return [one for one in seen if one.track not in found] + list(found.values())

    def _observe(self, last: dict[int, Seen]) -> None:
        """Each track's last instance; tracks without one do not come back."""
        room = max(FEWEST, self._options.kf_init_frame_count)
        nobody = {NOBODY: self._tracks[NOBODY]} if NOBODY in self._tracks else {}
        known = {track: self._tracks.get(track, _History(deque(maxlen=room))) for track in last}
        self._tracks = nobody | known
        for track, one in last.items():
            history = self._tracks[track].seen
            if not history or history[-1].frame < one.frame:
                history.append(one)

    def _update(self, memory: Memory, frame: int) -> None:
        """Forget what is stale, take in what was seen, fit to what is new."""
        for history in self._tracks.values():
            known = history.filter
            if known and frame - known.believed > self._options.kf_reset_gap_size:
                history.filter, history.reset = None, frame
        for history in self._tracks.values():
            if history.filter and history.seen[-1].frame > history.filter.corrected:
                self._correct(history.filter, history.seen[-1])
        for track in memory.tracks:
            if not self._tracks[track].filter:
                self._fit(self._tracks[track], max(FEWEST, self._options.kf_init_frame_count))

    def _fit(self, history: _History, fewest: int) -> None:
        """A filter for the last frames without a gap, if there are enough."""
        window: list[Seen] = []
        for one in reversed(history.seen):
            if one.frame <= history.reset or (window and window[0].frame - one.frame != 1):
                break
            window.insert(0, one)
        if len(window) < fewest:
            return
        window = window[-self._options.kf_init_frame_count :]
        rows = np.array([self._points(one.xy).ravel() for one in window])
        if (~np.isnan(rows).all(axis=1)).sum() < 2:
            return
        step = self._drift(window)
        speed = max(SPEED, STEPS_OF_SPEED * step)
        model, state = learned(rows, _start(rows, speed))
        last = window[-1].frame
        history.filter = _Filter(model, state.capped(speed), step, last, last)

    def _correct(self, known: _Filter, one: Seen) -> None:
        """Take in an observation, unless it is too far from the forecast."""
        state = known.forecast(known.state, max(0, one.frame - known.corrected - 1))
        forecast = known.model.predicted(state)
        away = np.linalg.norm(_mean(forecast.points) - self._centroid(one.xy))
        if away > max(GATE, STEPS_TO_GATE * known.step):
            state = forecast
        else:
            state = known.model.corrected(forecast, self._points(one.xy).ravel())
            known.believed = one.frame
        known.state, known.corrected = state.capped(known.speed), one.frame

    def _moved(self, history: _History, frame: int) -> Seen | None:
        """The track's last instance, part of the way to where it is expected."""
        if not (known := history.filter):
            return None
        last = history.seen[-1]
        state = known.forecast(known.state, max(1, frame - known.corrected))
        way = _mean(state.points) - self._centroid(last.xy)
        if np.isnan(way).any():
            return last
        if self._options.kf_track_features == "centroid":
            return replace(last, xy=last.xy + BLEND * way)
        return replace(last, xy=self._blended(last.xy, state.points))

    def _blended(self, xy: Points, expected: Points) -> Points:
        """Each followed keypoint part of its own way, the others part of the mean way."""
        rows = self._rows(xy)
        way = expected - xy[rows]
        moved = xy + BLEND * _mean(way)
        if np.isnan(moved).all():
            moved = xy.copy()
        moved[rows] = np.where(np.isnan(way), expected, xy[rows] + BLEND * way)
        return moved

    def _rows(self, xy: Points) -> list[int]:
        indices = self._options.kf_node_indices
        return list(range(len(xy)) if indices is None else indices)

    def _points(self, xy: Points) -> Points:
        """What is followed of a pose."""
        if self._options.kf_track_features == "keypoints":
            return xy[self._rows(xy)]
        return self._centroid(xy)[None]

    def _centroid(self, xy: Points) -> Float64[np.ndarray, "2"]:
        """NaN where fewer than half of the keypoints are known: it would lie with those that are."""
        followed = xy[self._rows(xy)]
        known = int(np.isfinite(followed).all(axis=1).sum())
        return _mean(followed) if known and 2 * known >= len(followed) else np.full(2, np.nan)

    def _drift(self, window: list[Seen]) -> float:
        """Of the centroid from the first to the last of these frames, px/frame."""
        centroid = np.array([self._centroid(one.xy) for one in window])
        known = np.flatnonzero(~np.isnan(centroid).any(axis=1))
        if len(known) < 2:
            return 0.0
        frames = window[known[-1]].frame - window[known[0]].frame
        return float(np.linalg.norm(centroid[known[-1]] - centroid[known[0]]) / frames)


def _mean(points: Points) -> Float64[np.ndarray, "2"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # none is known: NaN
        return np.asarray(np.nanmean(points, axis=0))


def _start(rows: Float64[np.ndarray, "frame coordinate"], speed: float) -> Float64[np.ndarray, "state"]:
    """Each coordinate where it is first known, with its first step; one never known: the mean of its axis."""
    place, step = np.full(rows.shape[1], np.nan), np.zeros(rows.shape[1])
    for column, values in enumerate(rows.T):
        known = np.flatnonzero(~np.isnan(values))
        if len(known):
            place[column] = values[known[0]]
            steps = np.diff(values)
            steps = steps[~np.isnan(steps)]
            step[column] = np.clip(steps[0], -speed, speed) if len(steps) else 0.0
    axes = place.reshape(-1, 2)
    place = np.where(np.isnan(axes), np.nan_to_num(_mean(axes)), axes).ravel()
    return np.stack((place, step), axis=1).ravel()
