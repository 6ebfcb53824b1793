"""Decoding forward through a container, each frame with its index."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
from jaxtyping import Int64

from ethopose.media.packets import PacketIndex, open_stream, packets
from ethopose.media.video import Caution

NEAR = 64  # packets that are cheaper to read past than to seek over


class Decoder:
    """Where reading stands in a container: the packet that comes next, and frames that came out early."""

    def __init__(self, path: Path, index: PacketIndex, threads: int, caution: Caution) -> None:
        self._path, self._index, self._threads, self._caution = path, index, threads, caution
        self._count = 0  # frames that came out, where the index must be counted
        self._ready: deque[tuple[int, av.VideoFrame]] = deque()
        self._open()

    def _open(self) -> None:
        self._container, self._stream = open_stream(self._path)
        # frame threads were 1.35 times as fast on two cores, slice threads not faster than one
        self._stream.thread_type = "FRAME" if self._threads > 1 else "NONE"
        self._stream.codec_context.thread_count = self._threads
        self._packets = packets(self._container, self._stream)
        self._next, self._ended = 0, False

    def close(self) -> None:
        """Give the file back."""
        self._container.close()

    def pick(self, wanted: Int64[np.ndarray, "wanted"]) -> Iterator[av.VideoFrame | None]:
        """The wanted frames, which must ascend; None for one that cannot be decoded."""
        for frame in wanted:
            key = self._index.key_before(frame)
            if key > self._next:
                self._go_to(key)
            yield self._find(frame)

    def _find(self, wanted: int) -> av.VideoFrame | None:
        while True:
            while self._ready:
                if self._ready[0][0] > wanted:
                    return None
                index, image = self._ready.popleft()
                if index == wanted:
                    return image
            if self._ended:
                return None
            self._ready.extend((self._index_of(image), image) for image in self._feed())

    def _feed(self) -> list[av.VideoFrame]:
        """Give the decoder the next packet; the frames that come out carry its index as their time."""
        packet = next(self._packets, None)
        self._ended = packet is None
        if packet is not None:
            packet.pts = int(self._index.rank[self._next])
            self._next += 1
            if not self._caution.lets(self._next - 1):
                return []
        try:
            return self._stream.codec_context.decode(packet)
        except av.error.FFmpegError:  # this packet's frame will not come; its status tells
            return []

    def _index_of(self, image: av.VideoFrame) -> int:
        if image.pts is None:
            return -1
        if not self._index.counted:
            return image.pts
        # frames lost before a key packet must not shift those after it
        keys = self._index.rank[self._index.keys]
        passed = np.searchsorted(keys, image.pts, side="right")
        self._count = max(self._count, int(keys[passed - 1]) if passed else 0) + 1
        return self._count - 1

    def _go_to(self, packet: int) -> None:
        """Let the key packet `packet`, further on, be the next."""
        self._ready.clear()
        if packet > self._next + NEAR:
            self._seek(packet)
        while self._next < packet and next(self._packets, None) is not None:
            self._next += 1
        self._stream.codec_context.flush_buffers()

    def _seek(self, packet: int) -> None:
        try:
            self._container.seek(int(self._index.seek[packet]), stream=self._stream)
            landed = next(packets(self._container, self._stream), None)
        except av.error.FFmpegError:
            landed = None
        found = np.flatnonzero(self._index.stamp == (landed.pts if landed is not None else None))
        if landed is not None and len(found) == 1 and found[0] <= packet:
            self._packets = chain([landed], packets(self._container, self._stream))
            self._next = int(found[0])
        else:  # the container sought past it, or nobody can say where it landed
            self.close()
            self._open()
