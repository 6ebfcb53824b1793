"""Poses, a part of a video at a time, become tracklets; what is known between parts is small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ethopose.track.association import GAP, Doubts, Found, associate, no_tracks
from ethopose.track.scale import new_scale

DOUBT = 5.0  # nats: another matching that is less likely by more is no doubt


ROOM = 4096  # doubts at a time


@dataclass(frozen=True, slots=True)
class Tracklets:
    """Which tracklet each pose of some frames is."""

    name: Int64[np.ndarray, "instance"]  # counted from 0 in order of appearance; -1: no keypoint is known
    place: Float32[np.ndarray, "instance 2"]  # px, of the body, also where keypoints are missing
    doubt: Float64[np.ndarray, "doubt 4"]  # frame, two tracklets, nats by which their exchange is less likely


class Associator:
    """Follows animals through a video, called with its poses in order, any number of frames at a time."""

    def __init__(self, keypoints: int) -> None:
        self.scale = new_scale()
        self._tracks = no_tracks(0, keypoints)
        self._begun = False

    def __call__(
        self,
        frame: Int64[np.ndarray, "instance"],
        xy: Float32[np.ndarray, "instance keypoint 2"],
        confidence: Float32[np.ndarray, "instance keypoint"],
    ) -> Tracklets:
        """The tracklets of the next frames' poses."""
        name, place = np.full(len(frame), -1), np.full((len(frame), 2), np.nan)
        there = np.flatnonzero(np.isfinite(xy).all(-1).any(-1))
        if not len(there):
            return Tracklets(name, place.astype(np.float32), np.empty((0, 4)))
        frames, start = np.unique(frame[there], return_index=True)
        start = np.append(start, len(there))
        known = np.isfinite(xy[there]).all(-1, keepdims=True)
        placed = np.where(known, xy[there], np.nan).astype(np.float64)
        sure = np.nan_to_num(confidence[there]).astype(np.float64)
        found = Found(frames, start, placed, sure, name[there], place[there])
        if not self._begun:
            self._tracks.clock[0], self._begun = frames[0] - 1, True
        self._make_room(int(np.diff(start).max()))
        doubt, index = [], 0
        while index < len(frames):
            room = max(ROOM, 4 * len(self._tracks.name) ** 2)
            doubts = Doubts(np.zeros(1, np.int64), np.empty((room, 4)), DOUBT)
            index = associate(found, index, self._tracks, self.scale, doubts)
            doubt.append(doubts.row[: doubts.number[0]])
        name[there], place[there] = found.name, found.place
        return Tracklets(name, place.astype(np.float32), np.concatenate(doubt))

    @property
    def number(self) -> int:
        """Of tracklets so far."""
        return int(self._tracks.clock[1])

    def _make_room(self, most: int) -> None:
        """For so many animals in each of the next frames, and those that were lost a short while ago."""
        old = self._tracks
        wanted = int(old.number[0]) + (GAP + 2) * most
        if wanted > len(old.name):
            new = no_tracks(2 * wanted, old.pose.shape[1])
            for before, after in zip(old, new, strict=True):
                after[: len(before)] = before
            self._tracks = new
