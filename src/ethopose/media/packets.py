"""What a container tells of its frames before any is decoded: how many, when, and where to start.

A frame's index is the rank of its packet's timestamp. The decoder carries the timestamp of a packet to
the frame that it becomes, so the reader writes the index itself into the packet (`PacketIndex.rank`):
a frame says which one it is, whatever went missing before it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import Bool, Float64, Int64

from ethopose.core import VideoError

logger = logging.getLogger(__name__)

TRANSCODE = "write it anew: ffmpeg -i IN -c:v libx264 -crf 17 -pix_fmt yuv420p OUT.mp4"
LONGEST = 100_000_000  # frames that a head is believed, a month at 40 a second


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """The packets of a video stream, in the order in which they are stored (and decoded)."""

    stamp: Int64[np.ndarray, "packet"]  # presentation time in units of the stream's time base
    seek: Int64[np.ndarray, "packet"]  # where to seek to find it: the earlier of its two times
    rank: Int64[
        np.ndarray, "packet"
    ]  # index of its frame (if `counted`: place in decoding order); -1: not shown
    keys: Int64[np.ndarray, "key"]  # key packets; their ranks ascend
    time: Float64[np.ndarray, "frame"]  # seconds since the first frame
    counted: bool  # the container has no usable order: indices are counted while decoding from the start

    def key_before(self, frame: int) -> int:
        """The last packet from where decoding surely gives `frame`."""
        if self.counted:
            return 0
        before = np.searchsorted(self.rank[self.keys], frame, side="right")
        return int(self.keys[before - 1]) if before else 0


def open_stream(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    """The container and its video stream. Raises VideoError for what is no video or has no decoder."""
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"not a video that can be read ({_reason(error)})", where=path, fix=TRANSCODE
        ) from error
    pictures = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    problem = None
    if not pictures:
        problem = "it holds no video stream"
    elif pictures[0].codec_context is None:
        problem = "its codec has no decoder here"
    if problem:
        container.close()
        raise VideoError(problem, where=path, fix=TRANSCODE)
    return container, pictures[0]


def packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet[Any]]:
    """The stream's packets with content. Goes on after damaged stretches; ends where nothing more comes."""
    moved = True
    while moved:
        moved = False
        try:
            for packet in container.demux(stream):
                if packet.size:
                    moved = True
                    yield packet
            return
        except av.error.FFmpegError:
            continue


def announced_frames(path: Path) -> int:
    """How many frames a container tells of. Raises VideoError where nothing of its beginning decodes."""
    container, stream = open_stream(path)
    with container:
        try:
            first = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise VideoError(
                f"its first frames do not decode ({_reason(error)})", where=path, fix=TRANSCODE
            ) from error
        if first is None:
            raise VideoError("it holds no frames", where=path, fix="record or copy it again")
        seconds = (container.duration or 0) / 1e6
        return stream.frames or round(seconds * float(stream.average_rate or 25))


def index_packets(path: Path) -> PacketIndex:
    """Read every packet of a video, decoding none. Raises VideoError where there are no frames."""
    container, stream = open_stream(path)
    with container:
        rows = [(p.pts, p.dts, p.pos, p.is_keyframe, p.is_discard) for p in packets(container, stream)]
        if all(discard for *_, discard in rows):
            raise VideoError("it holds no frames", where=path, fix="record or copy it again")
        index = _index(rows, stream)
        announced = (container.duration or 0) / 1e6
        if announced > 1.05 * index.time[-1] + 1:
            logger.warning("%s: frames for %.1f s of %.1f s", path, index.time[-1], announced)
        return index


def _index(rows: list[tuple[Any, ...]], stream: av.VideoStream) -> PacketIndex:
    pts, dts, pos, key, discard = (np.array(column) for column in zip(*rows, strict=True))
    unit = float(stream.time_base or 1)
    step = 1 / (float(stream.average_rate or 25) * unit)
    stamp, counted = _stamps(pts, dts, step)
    stamp, missing = _undelivered(stream, stamp, dts, pos, step)
    missing = np.append(missing, _cut_off(stream, np.append(stamp, missing), step))
    seek = np.minimum(stamp, np.where(_known(dts), dts, stamp).astype(np.int64))
    stamp = np.append(stamp, missing)
    shown = np.append(~discard, np.ones(len(missing), bool))
    times = stamp[shown]
    rank = np.full(len(stamp), -1)
    rank[np.flatnonzero(shown)[np.argsort(times, kind="stable")]] = np.arange(len(times))
    keys = np.flatnonzero(key & ~discard)
    keys = keys[rank[keys] == np.maximum.accumulate(rank[keys])]
    return PacketIndex(stamp, seek, rank, keys, np.sort(times - times.min()) * unit, counted)


def _known(times: np.ndarray) -> Bool[np.ndarray, "packet"]:
    return np.array([time is not None for time in times])


def _stamps(pts: np.ndarray, dts: np.ndarray, step: float) -> tuple[Int64[np.ndarray, "packet"], bool]:
    """When each packet is shown, and whether that order is a guess, to be replaced by counting.

    AVI and bare streams store no presentation times. FFmpeg then guesses; where it could not tell the
    frames' order apart, it only shifts the decoding times, all by the same.
    """
    if _known(pts).all():
        shift = (pts - dts).astype(np.int64) if _known(dts).all() else np.zeros(1)
        return pts.astype(np.int64), bool(shift[0] and np.ptp(shift) == 0)
    if _known(dts).all():
        return dts.astype(np.int64), True
    return np.round(np.arange(len(pts)) * step).astype(np.int64), True


def _undelivered(
    stream: av.VideoStream, stamp: Int64[np.ndarray, "packet"], dts: np.ndarray, pos: np.ndarray, step: float
) -> tuple[Int64[np.ndarray, "packet"], Int64[np.ndarray, "missing"]]:
    """Packets' times set right, and those of packets that the container's index announces but does not give.

    A file is cut short, or a damaged packet's head hides it from FFmpeg, which in AVI then counts on as if
    it had never been: the place in the file tells which packets came. The index knows decoding times; shown
    times are the same set, shifted, wherever the rate is constant.
    """
    if len(stream.index_entries) <= len(stamp):
        return stamp, np.empty(0, np.int64)
    entries = sorted((entry.pos, entry.timestamp) for entry in stream.index_entries if entry.size)
    places, announced = np.array(entries, np.int64).reshape(-1, 2).T
    n = max(0, len(announced) - len(stamp))
    if n and _known(pos).all() and _known(dts).all():
        came = announced[np.searchsorted(places, pos.astype(np.int64), side="right") - 1]
        stamp = stamp + came - dts.astype(np.int64)
    free = np.setdiff1d(announced - announced.min(initial=0) + stamp.min(), stamp)
    late = stamp.max() + np.round(step * np.arange(1, n + 1)).astype(np.int64)
    return stamp, free[len(free) - n :] if len(free) >= n else late


def _cut_off(
    stream: av.VideoStream, stamp: Int64[np.ndarray, "packet"], step: float
) -> Int64[np.ndarray, "missing"]:
    """Times of the frames that a file's head tells of and that lie beyond its end, since it was cut short."""
    kind = stream.container.format.name
    if kind == "avi":
        told = float(stream.frames)
    elif "matroska" in kind and "DURATION" in stream.metadata:
        hours, minutes, seconds = map(float, stream.metadata["DURATION"].split(":"))
        told = (3600 * hours + 60 * minutes + seconds) / (step * float(stream.time_base or 1))
    else:
        return np.empty(0, np.int64)
    there = np.ptp(stamp) / step + 1
    rate = 1 / (step * float(stream.time_base or 1))
    if not 1.05 * there + rate < told < LONGEST:
        return np.empty(0, np.int64)
    beyond = step * np.arange(1, round(told - there) + 1)
    times: Int64[np.ndarray, "missing"] = stamp.max() + np.round(beyond).astype(np.int64)
    return times


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
