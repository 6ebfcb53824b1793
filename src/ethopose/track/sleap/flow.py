"""Candidates moved to where the picture moved: pyramidal Lucas-Kanade (sleap-nn 0.3.5, `use_flow`)."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
from jaxtyping import Float64, UInt8

from ethopose.core.errors import DataError
from ethopose.track.sleap.memory import Memory, Seen
from ethopose.track.sleap.options import ClassicOptions

Poses = Float64[np.ndarray, "candidate keypoint 2"]
Image = UInt8[np.ndarray, "height width channel"]
ITERATIONS, STEP = 30, 0.01  # where the search for a point ends


class Flow:
    """Shifts poses from their own images to another."""

    def __init__(self, options: ClassicOptions) -> None:
        self._options = options

    def candidates(self, memory: Memory, frame: int, image: Image | None) -> list[Seen]:
        """The remembered instances where they should be in this frame's image; NaN: lost."""
        seen = memory.candidates()
        moved = []
        for _, group in groupby(sorted(seen, key=lambda one: one.frame), key=lambda one: one.frame):
            some = list(group)
            xy = self._search(some[0].image, image, np.array([one.xy for one in some]))
            moved += [replace(one, xy=place) for one, place in zip(some, xy, strict=True)]
        return moved

    def _search(self, before: Image | None, image: Image | None, xy: Poses) -> Poses:
        import cv2

        options = self._options
        if before is None or image is None or before.shape != image.shape:
            raise DataError("the images of the video are not all there, or not of one size")
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            self._prepared(before),
            self._prepared(image),
            xy.reshape(-1, 2).astype(np.float32) * np.float32(options.of_img_scale),
            None,  # type: ignore[call-overload]  # no guess of where they are; the stubs want one
            winSize=(options.of_window_size, options.of_window_size),
            maxLevel=options.of_max_levels,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, STEP),
        )
        found = found / np.float32(options.of_img_scale)
        found[status[:, 0] == 0] = np.nan
        return np.asarray(found.reshape(xy.shape))

    def _prepared(self, image: Image) -> Image:
        import cv2

        scale = self._options.of_img_scale
        return image if scale == 1 else np.asarray(cv2.resize(image, None, None, scale, scale))
