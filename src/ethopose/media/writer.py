"""Writing a video that is there whole or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from jaxtyping import UInt8

from ethopose.core import VideoError

CODEC = "libx264" if "libx264" in av.codecs_available else "mpeg4"


class VideoWriter:
    """A video under construction, to be used as a context; it takes its name when the context ends well.

    Frames of `shape` (height, width, ...) become H.264 (MPEG-4 where FFmpeg has no x264), yuv420p;
    odd sides are made even by repeating the last row or column. `crf` is x264's: less is better.
    Raises VideoError where the file cannot be written.
    """

    def __init__(self, path: Path | str, fps: float, shape: tuple[int, ...], *, crf: int = 20) -> None:
        self.path, self._shape = Path(path), (*shape[:2], 3)
        self._part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        self._pad = [(0, shape[0] % 2), (0, shape[1] % 2), (0, 0)]
        try:
            self._container = av.open(f"file:{self._part}", "w")
            rate = Fraction(fps).limit_denominator(1001)
            stream = self._container.add_stream(CODEC, rate=rate, options={"crf": str(crf)})
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"the video cannot be written ({error})", where=self.path) from error
        self._stream = cast(av.VideoStream, stream)
        self._stream.height, self._stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
        self._stream.pix_fmt = "yuv420p"

    def write(self, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Append one RGB frame."""
        if image.shape != self._shape or image.dtype != np.uint8:
            raise VideoError(
                f"a frame is {image.dtype}{image.shape}, wanted uint8{self._shape}", where=self.path
            )
        padded = np.pad(image, self._pad, mode="edge")
        self._encode(av.VideoFrame.from_ndarray(padded, format="rgb24"))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._encode(None)
            self._container.close()
            if kind is None:
                self._part.replace(self.path)
        except (av.error.FFmpegError, OSError) as failure:
            raise VideoError(f"the video cannot be written ({failure})", where=self.path) from failure
        finally:
            self._part.unlink(missing_ok=True)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"the video cannot be written ({error})", where=self.path) from error
