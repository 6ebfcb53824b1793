"""The way that each track went in the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ethopose.core import Poses
from ethopose.draw.overlay import FAR, PALETTE, SHIFT, Pen, fixed, places


class Trails:
    """Called with the rows of one frame after another, it draws where their tracks came from."""

    def __init__(self, seconds: float, scale: float = 1.0, tracks: Sequence[str] = ()) -> None:
        self._seconds, self._scale, self._tracks = seconds, scale, tracks
        self._seen: deque[tuple[float, dict[int, Float32[np.ndarray, "2"]]]] = deque()

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], poses: Poses | None, time: float
    ) -> UInt8[np.ndarray, "height width 3"]:
        """A copy of the frame with a line a track through the middles of its poses; it is broken where the
        track was not there. `time` in seconds."""
        self._seen.append((time, _middles(poses, self._tracks) if poses is not None else {}))
        while self._seen[0][0] < time - self._seconds:
            self._seen.popleft()
        canvas = image.copy()
        width = Pen.for_frame(image.shape[0], image.shape[1], self._scale).line
        ways = [middles for _, middles in self._seen]
        for before, after in pairwise(ways):
            for who in before.keys() & after.keys():
                ends = fixed(before[who]), fixed(after[who])
                cv2.line(canvas, *ends, PALETTE[who % len(PALETTE)], width, cv2.LINE_AA, SHIFT)
        return canvas


def _middles(poses: Poses, tracks: Sequence[str]) -> dict[int, Float32[np.ndarray, "2"]]:
    """Of the rows that are somebody."""
    place = places(poses, tracks)
    known = np.flatnonzero((place >= 0) & ((poses.track >= 0) | (poses.individual >= 0)))
    found = {int(row): poses.xy[row][(np.abs(poses.xy[row]) < FAR).all(1)] for row in known}
    return {int(place[row]): points.mean(0) for row, points in found.items() if len(points)}
