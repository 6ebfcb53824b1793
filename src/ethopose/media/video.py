"""What every video offers, whatever it is stored in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from ethopose.core import VideoError

OK, UNDECODABLE = 0, 1
MOST_PACKETS = 1 << 32  # of a file; tells those of a recording's segments apart
EDGE_BYTES = 1 << 20  # enough to tell recordings apart without reading them whole


@dataclass(frozen=True, slots=True)
class Caution:
    """How to read a video that ended the process before: what not to give to the decoder, and who is told
    of each packet (or image file) before the decoder gets it, by its place in the file."""

    avoid: frozenset[int] = frozenset()  # their frames are UNDECODABLE
    told: Callable[[int], None] | None = None

    def within(self, segment: int) -> Caution:
        """The same for a segment of a recording, whose packets count from here on in the recording's."""
        begin, told = segment * MOST_PACKETS, self.told
        avoid = frozenset(packet - begin for packet in self.avoid if 0 <= packet - begin < MOST_PACKETS)
        return Caution(avoid, None if told is None else lambda packet: told(begin + packet))

    def lets(self, packet: int) -> bool:
        """Tell of a packet; whether it may be decoded."""
        if packet in self.avoid:
            return False
        if self.told is not None:
            self.told(packet)
        return True


@dataclass(frozen=True, slots=True)
class Block:
    """Some frames of a video, in order. All are of one size; C is 3 (RGB) or 1 (its first channel)."""

    frame: Int64[np.ndarray, "frame"]
    image: UInt8[np.ndarray, "frame height width channel"]
    status: UInt8[np.ndarray, "frame"]  # OK, or UNDECODABLE: the pixels are zeros

    def __len__(self) -> int:
        return len(self.frame)


class Video(Protocol):
    """Frames in display order, counted from 0, exactly one for each that the container tells of."""

    @property
    def path(self) -> Path:
        """The file, or the folder of images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3) in pixels, upright: the container's rotation is applied."""

    @property
    def fps(self) -> float:
        """Frames a second on average; 1.0 for a folder of images."""

    @property
    def time(self) -> Float64[np.ndarray, "frame"]:
        """Seconds since the first frame, from the container's timestamps."""

    @property
    def gray(self) -> bool:
        """Whether the first frame that decodes has equal first and last channels everywhere."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> dict[str, str | int | float]:
        """What tells it from another: path, bytes, sha256 (of its edges), frames, fps, height, width."""

    def blocks(
        self, frames: Int64[np.ndarray, "wanted"] | None, size: int, *, gray: bool = False
    ) -> Iterator[Block]:
        """The frames asked for (ascending; None: all), `size` a block, the last one shorter.

        Where images change size a block ends early and the next goes on to where it would have ended, so
        that blocks begin at every `size` frames, wherever one starts.

        Raises VideoError where `frames` leave the video or do not ascend. A frame that cannot be decoded
        never raises: its status says so. One iterator serves one thread; several may read at once.
        """


def wanted_frames(frames: Int64[np.ndarray, "wanted"] | None, video: Video) -> Int64[np.ndarray, "wanted"]:
    """The frames asked for, checked."""
    if frames is None:
        return np.arange(len(video))
    wanted = np.asarray(frames, np.int64)
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(video):
        asked = f"frames {wanted[0]} to {wanted[-1]} asked for, it has {len(video)}"
        raise VideoError(asked, where=video.path, fix=f"choose from 0 to {len(video) - 1}")
    if np.any(np.diff(wanted) <= 0):
        raise VideoError("frames must be asked for in ascending order, each once", where=video.path)
    return wanted


def make_fingerprint(video: Video, files: Sequence[Path]) -> dict[str, str | int | float]:
    """The fingerprint of a video that lies in `files`; renamed or rewritten images change it."""
    digest, total = hashlib.sha256(), 0
    for file in files:
        size = file.stat().st_size
        total += size
        digest.update(f"{file.name if len(files) > 1 else ''}:{size}\n".encode())
    for file in dict.fromkeys((files[0], files[-1])):
        _digest_edges(file, digest)
    height, width, _ = video.shape
    return {
        "path": str(video.path.absolute()),
        "bytes": total,
        "sha256": digest.hexdigest(),
        "frames": len(video),
        "fps": video.fps,
        "height": height,
        "width": width,
    }


def _digest_edges(file: Path, digest: hashlib._Hash) -> None:
    with file.open("rb") as stream:
        digest.update(stream.read(EDGE_BYTES))
        stream.seek(max(EDGE_BYTES, file.stat().st_size - EDGE_BYTES))
        digest.update(stream.read(EDGE_BYTES))
