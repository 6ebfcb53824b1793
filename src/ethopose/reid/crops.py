"""Pictures of animals, each in its own window: turned with its body, in a size that all share."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numba import njit

from ethopose.media import Block, Video
from ethopose.reid.body import Body
from ethopose.store import OK

WIDE, TALL = 64, 48  # px of a crop: along the body and across it
BLOCK = 16  # frames decoded at a time
AHEAD = 2  # blocks


def crops(
    video: Video,
    body: Body,
    frame: Int64[np.ndarray, "row"],
    xy: Float32[np.ndarray, "row keypoint 2"],
    *,
    gray: bool,
) -> Iterator[tuple[Int64[np.ndarray, "some"], UInt8[np.ndarray, "some tall wide channel"]]]:
    """Crops of rows, which are in order of their frames, a few frames at a time: which rows, and their crops.

    Rows that are not clear, and those of frames that cannot be decoded, are left out.
    """
    middle, angle = body.placed(xy)
    there = np.flatnonzero(body.clear(frame, xy))
    wanted = np.unique(frame[there])
    for block in _ahead(video.blocks(wanted, BLOCK, gray=gray)):
        low, high = np.searchsorted(frame[there], [block.frame[0], block.frame[-1] + 1])
        rows = there[low:high]
        which = np.searchsorted(block.frame, frame[rows])
        whole = block.status[which] == OK
        rows, which = rows[whole], which[whole]
        cut = np.empty((len(rows), TALL, WIDE, block.image.shape[-1]), np.uint8)
        _cut(block.image, which, middle[rows], angle[rows], body.side / WIDE, cut)
        yield rows, cut


@njit(cache=True, nogil=True)
def _cut(
    image: np.ndarray,
    which: np.ndarray,
    middle: Float64[np.ndarray, "row 2"],
    angle: np.ndarray,
    step: float,
    cut: np.ndarray,
) -> None:
    """Each pixel of a crop is the mean of bilinear samples, a pixel of the frame or less apart; beyond the
    frame its edge goes on."""
    _, height, width, channels = image.shape
    _, tall, wide, _ = cut.shape
    fine = max(1, int(np.ceil(step - 0.25)))
    total = np.zeros(channels)
    for row in range(len(which)):
        frame = image[which[row]]
        cos, sin = np.cos(angle[row]) * step, np.sin(angle[row]) * step
        for i in range(tall):
            for j in range(wide):
                total[:] = 0
                for a in range(fine):
                    for b in range(fine):
                        v = i + (a + 0.5) / fine - tall / 2
                        u = j + (b + 0.5) / fine - wide / 2
                        x = min(max(middle[row, 0] + cos * u - sin * v, 0.0), width - 1.001)
                        y = min(max(middle[row, 1] + sin * u + cos * v, 0.0), height - 1.001)
                        left, top = int(x), int(y)
                        p, q = x - left, y - top
                        for c in range(channels):
                            upper = frame[top, left, c] * (1 - p) + frame[top, left + 1, c] * p
                            lower = frame[top + 1, left, c] * (1 - p) + frame[top + 1, left + 1, c] * p
                            total[c] += upper * (1 - q) + lower * q
                for c in range(channels):
                    cut[row, i, j, c] = np.uint8(total[c] / (fine * fine) + 0.5)


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same, decoded in a thread of its own."""
    ready: queue.Queue[Block | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(each: Block | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(each, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for block in blocks:
                put(block)
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # handed on to who reads
            put(error)

    thread = threading.Thread(target=read, name="decode", daemon=True)
    thread.start()
    try:
        while (block := ready.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        stopped.set()
        thread.join()
