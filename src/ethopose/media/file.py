"""A video file as a `Video`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, Int64, UInt8

from ethopose.core import VideoError
from ethopose.media.decoder import Decoder
from ethopose.media.packets import TRANSCODE, index_packets, open_stream
from ethopose.media.video import OK, UNDECODABLE, Block, Caution, make_fingerprint, wanted_frames


class VideoFile:
    """Frames of a container, as many as it has packets to show.

    A frame made from damaged data is delivered as the decoder mended it; one that the decoder gave up,
    or that a file cut short only announces, is UNDECODABLE. No frame moves to another's index.
    """

    gray: bool
    shape: tuple[int, int, int]

    def __init__(self, path: Path, threads: int = 1, caution: Caution | None = None) -> None:
        self.path, self._threads, self._caution = path, threads, caution or Caution()
        self._index = index_packets(path)
        self.time: Float64[np.ndarray, "frame"] = self._index.time
        first = self._first_image()
        self._turns = round(first.rotation / 90) % 4  # anticlockwise
        self._size = (first.width, first.height)
        image = self._upright(VideoReformatter(), first)
        self.shape = (image.shape[0], image.shape[1], 3)
        self.gray = bool(np.array_equal(image[..., 0], image[..., 2]))
        self.fps = self._average_rate()

    def __len__(self) -> int:
        return len(self.time)

    def fingerprint(self) -> dict[str, str | int | float]:
        """What tells this video from another."""
        return make_fingerprint(self, [self.path])

    def blocks(
        self, frames: Int64[np.ndarray, "wanted"] | None, size: int, *, gray: bool = False
    ) -> Iterator[Block]:
        """See `Video.blocks`."""
        wanted = wanted_frames(frames, self)
        return self._blocks(wanted, size, 1 if gray else 3)

    def _blocks(self, wanted: Int64[np.ndarray, "wanted"], size: int, channels: int) -> Iterator[Block]:
        reformatter = VideoReformatter()  # keeps swscale's tables from frame to frame
        with closing(Decoder(self.path, self._index, self._threads, self._caution)) as decoder:
            images = decoder.pick(wanted)
            for start in range(0, len(wanted), size):
                part = wanted[start : start + size]
                pixels = np.zeros((len(part), *self.shape[:2], channels), np.uint8)
                status = np.full(len(part), OK, np.uint8)
                for row, image in zip(range(len(part)), images, strict=False):
                    if image is None:
                        status[row] = UNDECODABLE
                    else:
                        pixels[row] = self._upright(reformatter, image)[..., :channels]
                yield Block(part, pixels, status)

    def _first_image(self) -> av.VideoFrame:
        with closing(Decoder(self.path, self._index, 1, self._caution)) as decoder:
            for image in decoder.pick(np.arange(len(self))):
                if image is not None:
                    return image
        raise VideoError("none of its frames can be decoded", where=self.path, fix=TRANSCODE)

    def _average_rate(self) -> float:
        container, stream = open_stream(self.path)
        with container:
            if stream.average_rate:
                return float(stream.average_rate)
        return float((len(self) - 1) / self.time[-1]) if self.time[-1] > 0 else 1.0

    def _upright(
        self, reformatter: VideoReformatter, image: av.VideoFrame
    ) -> UInt8[np.ndarray, "height width 3"]:
        """A view of the frame's pixels as swscale converts them by default, which is what OpenCV gives too.

        A frame of another size (recordings may change it midway) is brought to the first one's.
        """
        width, height = self._size
        converted = reformatter.reformat(image, width, height, "rgb24", threads=self._threads)
        plane = converted.planes[0]
        strides = (plane.line_size, 3, 1)
        pixels = np.ndarray((height, width, 3), np.uint8, buffer=memoryview(plane), strides=strides)
        return np.rot90(pixels, self._turns)
