"""Openers that make happen, in a worker, what makes runs fail. A worker imports them by name."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

from ethopose.core import InferenceError, MemoryFullError
from ethopose.media import Caution, JoinedVideo, Video, open_video
from ethopose.predict import video
from ethopose.predict.predictor import Predictor, Runner
from ethopose.run.bench import Opener
from ethopose.store import atomic

PACKET, PART = 37, 16
RUN = Runner._run


def plain(videos: tuple[Path, ...], caution: Caution) -> Video:
    """Parts of sixteen frames, so that small videos have several."""
    video.PART_FRAMES = PART
    return open_video(videos[0], caution=caution)


def at_packet(videos: tuple[Path, ...], caution: Caution, happens) -> Video:
    """Something happens when a packet of a video that is called bad goes to the decoder."""
    video.PART_FRAMES = PART
    if "bad" not in videos[0].name:
        return open_video(videos[0], caution=caution)
    opened = open_video(videos[0])  # what happens to it happens later

    def told(packet: int) -> None:
        if caution.told is not None:
            caution.told(packet)
        if packet == PACKET:
            happens()

    return open_video(opened.path, caution=Caution(caution.avoid, told))


def once(videos: tuple[Path, ...]) -> bool:
    """Whether this is the first time."""
    mark = videos[0].with_suffix(".happened")
    first = not mark.exists()
    mark.touch()
    return first


def crash() -> None:
    """A fault stops the thread that makes it; a signal alone would let it go on a little."""
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(1000)


def crashing(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A packet that no decoder survives."""
    return at_packet(videos, caution, crash)


def crashing_segment(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A recording with such a packet in its second segment."""
    parts = [at_packet((path,), caution.within(number), crash) for number, path in enumerate(videos)]
    return JoinedVideo(parts)


def crashing_first(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A recording that no decoder gets to open, as long as it is given its first packet."""
    video.PART_FRAMES = PART

    def told(packet: int) -> None:
        if caution.told is not None:
            caution.told(packet)
        if packet == 0 and "bad" in videos[0].name:
            crash()

    return open_video(videos[0], caution=Caution(caution.avoid, told))


def crashing_once(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A decoder that fell over its own feet."""
    return at_packet(videos, caution, lambda: crash() if once(videos) else None)


def hanging_once(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A disk that does not answer."""
    return at_packet(videos, caution, lambda: time.sleep(1000) if once(videos) else None)


def hanging_at_opening_once(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A disk that does not answer at all."""
    if "bad" in videos[0].name and once(videos):
        time.sleep(1000)
    return plain(videos, caution)


def poisonous(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A file that cannot even be opened."""
    if "bad" in videos[0].name:
        crash()
    return plain(videos, caution)


class FullDisk(atomic.Disk):
    """No room is left after some files."""

    def __init__(self, files: int) -> None:
        self.left = files

    def create(self, path: Path):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().create(path)


def filling(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A disk that is full after the first parts."""
    if not isinstance(atomic.disk, FullDisk):
        atomic.disk = FullDisk(5)
    return plain(videos, caution)


def small_gpu(videos: tuple[Path, ...], caution: Caution) -> Video:
    """Where the environment says that this is a GPU, it has no memory for anything called bad."""
    return _fails_on_gpu(videos, caution, MemoryFullError("the device is out of memory"))


def broken_gpu(videos: tuple[Path, ...], caution: Caution) -> Video:
    """The same, and what fails there is the device."""
    return _fails_on_gpu(videos, caution, InferenceError("CUDA error: an illegal memory access"))


def _fails_on_gpu(videos: tuple[Path, ...], caution: Caution, error: InferenceError) -> Video:
    if not os.environ.get("FAKE_GPU"):
        return plain(videos, caution)

    def fail(*_: object) -> None:
        raise error

    opened = plain(videos, caution)
    blocks, runs = opened.blocks, fail if "bad" in videos[0].name else RUN

    def late(*told: object, **more: object):
        Runner._run = runs
        return blocks(*told, **more)

    opened.blocks = late
    return opened


def no_operation(videos: tuple[Path, ...], caution: Caution) -> Video:
    """A model that this machine cannot run."""

    def fail(*_: object) -> None:
        raise InferenceError("no such operation")

    Predictor.__call__ = fail
    return plain(videos, caution)


def slow(videos: tuple[Path, ...], caution: Caution) -> Video:
    """Time to be killed in."""
    video.PART_FRAMES = PART

    def told(packet: int) -> None:
        if caution.told is not None:
            caution.told(packet)
        time.sleep(0.02)

    return open_video(videos[0], caution=Caution(caution.avoid, told))


def counted(videos: tuple[Path, ...], caution: Caution, opener: Opener) -> Video:
    """What an opener gives, with every packet that goes to the decoder noted in a file beside the video."""
    opened = False

    def told(packet: int) -> None:
        if caution.told is not None:
            caution.told(packet)
        if opened:
            with videos[0].with_suffix(".decoded").open("a") as log:
                log.write(f"{packet}\n")

    made = opener(videos, Caution(caution.avoid, told))
    opened = True
    return made
