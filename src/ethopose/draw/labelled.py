"""The labelled video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from ethopose.core import Poses
from ethopose.draw.overlay import Style, overlay, resized, write_text
from ethopose.draw.trails import Trails
from ethopose.media import Video, VideoWriter

BLOCK = 16  # frames in memory at once


class PosesByFrame:
    """Rows of one frame after another, from parts in frame order; holds one part at a time."""

    def __init__(self, parts: Iterable[Poses]) -> None:
        self._parts = iter(parts)
        self._part: Poses | None = next(self._parts, None)

    def at(self, frame: int) -> Poses | None:
        """The rows of `frame`, which must not lie before the last one asked for; None after the last part."""
        while self._part is not None and (not len(self._part) or self._part.frame[-1] < frame):
            self._part = next(self._parts, None)
        if self._part is None:
            return None
        first, last = np.searchsorted(self._part.frame, [frame, frame + 1])
        return self._part[first:last]


def render_video(
    poses: Iterable[Poses],
    video: Video,
    path: Path | str,
    *,
    frames: Int64[np.ndarray, "wanted"] | None = None,
    style: Style | None = None,
    names: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write the video with its poses drawn, every frame (or those asked for, ascending) at the mean rate.

    `poses` are parts in frame order; `progress` is told how many frames were written since it was last
    called. A frame that cannot be decoded stays in its place, black and with a note. Raises VideoError.
    """
    rows = PosesByFrame(poses)
    trails = Trails(style.trail, style.scale, names) if style is not None and style.trail else None
    with VideoWriter(path, video.fps, video.shape) as writer:
        for block in video.blocks(frames, BLOCK):
            for frame, image, status in zip(block.frame, block.image, block.status, strict=True):
                found = rows.at(int(frame))
                below = image if trails is None else trails(image, found, float(video.time[frame]))
                drawn = overlay(below, found, style=style, names=names) if found is not None else below
                noted = note_undecodable(drawn, int(status))
                # images of a folder may differ in size, frames of a video may not
                writer.write(noted if noted.shape == video.shape else resized(noted, video.shape[:2]))
            if progress is not None:
                progress(len(block))
    return Path(path)


def note_undecodable(
    image: UInt8[np.ndarray, "height width 3"], status: int
) -> UInt8[np.ndarray, "height width 3"]:
    """The frame, with a note where its status says that it could not be decoded."""
    if status:
        middle = (image.shape[1] / 2, image.shape[0] / 2)
        write_text(image, "undecodable", middle, max(7, image.shape[0] / 20), centred=True)
    return image
