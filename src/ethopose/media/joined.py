"""The segments of a camera's recording as one video."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from ethopose.core import VideoError
from ethopose.media.find import open_video
from ethopose.media.video import Block, Caution, Video, wanted_frames


def open_recording(videos: Sequence[Path], caution: Caution | None = None) -> Video:
    """The video of one file or folder of images, or of the segments of a recording in order."""
    caution = caution or Caution()
    if len(videos) == 1:
        return open_video(videos[0], caution=caution)
    return JoinedVideo([open_video(path, caution=caution.within(n)) for n, path in enumerate(videos)])


class JoinedVideo:
    """Videos one after the other, with frames counted on from one to the next, and so is their time.

    Raises VideoError where they differ in size, or in being gray.
    """

    def __init__(self, segments: Sequence[Video]) -> None:
        self.segments = tuple(segments)
        first = self.segments[0]
        for segment in self.segments:
            if segment.shape != first.shape:
                sizes = " and ".join(f"{each.shape[1]} x {each.shape[0]}" for each in (first, segment))
                raise VideoError(f"segments of one video differ in size: {sizes}", where=segment.path)
        self.path, self.shape, self.fps = first.path, first.shape, first.fps
        self.gray = all(segment.gray for segment in self.segments)
        self._starts = np.cumsum([0, *(len(segment) for segment in self.segments)])
        self.time: Float64[np.ndarray, "frame"] = self._times()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _times(self) -> Float64[np.ndarray, "frame"]:
        """Each segment begins one frame after the last of the one before."""
        times, begin = [], 0.0
        for segment in self.segments:
            times.append(begin + segment.time)
            begin = float(times[-1][-1]) + 1 / segment.fps
        return np.concatenate(times)

    def fingerprint(self) -> dict[str, str | int | float]:
        """What tells it from another: that of the first segment, with sums and a digest over all."""
        prints = [segment.fingerprint() for segment in self.segments]
        digest = hashlib.sha256("\n".join(str(each["sha256"]) for each in prints).encode()).hexdigest()
        told = {"bytes": sum(int(each["bytes"]) for each in prints), "frames": len(self)}
        return {**prints[0], **told, "sha256": digest, "segments": len(prints)}

    def blocks(
        self, frames: Int64[np.ndarray, "wanted"] | None, size: int, *, gray: bool = False
    ) -> Iterator[Block]:
        """See `Video.blocks`; a block may hold frames of two segments."""
        return _regular(self._pieces(wanted_frames(frames, self), gray=gray), size)

    def _pieces(self, wanted: Int64[np.ndarray, "wanted"], *, gray: bool) -> Iterator[Block]:
        for segment, start in zip(self.segments, self._starts, strict=False):
            mine = wanted[(wanted >= start) & (wanted < start + len(segment))] - start
            for block in segment.blocks(mine, 1, gray=gray):
                yield Block(block.frame + start, block.image, block.status)


def _regular(pieces: Iterator[Block], size: int) -> Iterator[Block]:
    """Blocks of `size` frames of pieces of one."""
    waiting: list[Block] = []
    for piece in pieces:
        waiting.append(piece)
        if len(waiting) == size:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(pieces: list[Block]) -> Block:
    if len(pieces) == 1:
        return pieces[0]
    image: UInt8[np.ndarray, "frame height width channel"] = np.concatenate([p.image for p in pieces])
    frame, status = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("frame", "status"))
    return Block(frame, image, status)
