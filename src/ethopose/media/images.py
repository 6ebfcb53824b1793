"""A folder of images as a `Video`: one frame a file, in the natural order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from ethopose.core import VideoError
from ethopose.media.video import OK, UNDECODABLE, Block, Caution, make_fingerprint, wanted_frames

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class ImageFolder:
    """Images of a folder as frames, one a second. A file that cannot be read is UNDECODABLE.

    Images may differ in size: a block never mixes sizes, `shape` is the first one's.
    """

    fps = 1.0

    def __init__(self, path: Path, caution: Caution | None = None) -> None:
        self.path, self._caution = path, caution or Caution()
        images = (file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        self.files = sorted((file for file in images if not file.name.startswith(".")), key=_natural)
        if not self.files:
            raise VideoError("the folder holds no images", where=path, fix=f"images end in {IMAGE_SUFFIXES}")
        self.time: Float64[np.ndarray, "frame"] = np.arange(len(self.files), dtype=np.float64)
        first = next((image for image in map(self._read, range(len(self.files))) if image is not None), None)
        if first is None:
            raise VideoError("none of the images can be read", where=path, fix="copy them again")
        self.shape = (first.shape[0], first.shape[1], 3)
        self.gray = bool(np.array_equal(first[..., 0], first[..., 2]))

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> dict[str, str | int | float]:
        """What tells this video from another."""
        return make_fingerprint(self, self.files)

    def _read(self, number: int) -> UInt8[np.ndarray, "height width 3"] | None:
        return read_image(self.files[number]) if self._caution.lets(number) else None

    def blocks(
        self, frames: Int64[np.ndarray, "wanted"] | None, size: int, *, gray: bool = False
    ) -> Iterator[Block]:
        """See `Video.blocks`."""
        return self._blocks(wanted_frames(frames, self), size, 1 if gray else 3)

    def _blocks(self, wanted: Int64[np.ndarray, "wanted"], size: int, channels: int) -> Iterator[Block]:
        rows: list[tuple[int, np.ndarray, int]] = []
        shape = (*self.shape[:2], channels)
        for place, frame in enumerate(wanted):
            image = self._read(int(frame))
            pixels = np.zeros(shape, np.uint8) if image is None else image[..., :channels]
            if rows and (place % size == 0 or pixels.shape != shape):
                yield _block(rows)
                rows = []
            shape = pixels.shape
            rows.append((int(frame), pixels, UNDECODABLE if image is None else OK))
        if rows:
            yield _block(rows)


def read_image(path: Path) -> UInt8[np.ndarray, "height width 3"] | None:
    """An image file as upright RGB, its 16 bits scaled to 8, without alpha; None where it cannot be read."""
    try:
        return decode_image(path.read_bytes())
    except OSError:
        return None


def decode_image(content: bytes) -> UInt8[np.ndarray, "height width 3"] | None:
    """The content of an image file, as `read_image` gives it."""
    import cv2

    try:
        data = np.frombuffer(content, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    except cv2.error:
        return None
    return image


def _block(rows: list[tuple[int, np.ndarray, int]]) -> Block:
    frames, images, status = zip(*rows, strict=True)
    return Block(np.array(frames, np.int64), np.stack(images), np.array(status, np.uint8))


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """frame2 before frame10."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path.name
