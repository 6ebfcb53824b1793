"""Videos for whole runs: many frames, small, quickly written."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from ethopose.testing import World

SIZE = (48, 64)
BATCH = 8  # one size and batch everywhere: networks are converted for each
WORLD = World(animals=2, keypoints=3, size=SIZE, frames=64, seed=3, alike=False)


def write_clip(path: Path, frames: int = 64, *, size: tuple[int, int] = SIZE) -> Path:
    """A clip of as many frames as asked for: a world that runs forth and forth again, as Motion JPEG."""
    world = World(animals=2, keypoints=3, size=size, frames=min(frames, 64), seed=3, alike=False)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, "yuvj420p"
        pictures = []
        for image in world.images(0, world.frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
            pictures += [bytes(packet) for packet in stream.encode(frame)]
        pictures += [bytes(packet) for packet in stream.encode(None)]
        for number in range(frames):
            packet = av.Packet(pictures[number % len(pictures)])
            packet.stream, packet.time_base = stream, stream.codec_context.time_base
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return path


def write_images(folder: Path, sizes: Sequence[tuple[int, int]], broken: Sequence[int] = ()) -> Path:
    """A folder of images of these sizes (height, width); the broken ones are empty files."""
    folder.mkdir()
    pictures = {
        size: [
            cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()
            for image in World(animals=2, keypoints=3, size=size, frames=16, seed=3).images(0, 16)
        ]
        for size in dict.fromkeys(sizes)
    }
    for number, size in enumerate(sizes):
        content = b"" if number in broken else pictures[size][number % 16]
        (folder / f"frame{number}.png").write_bytes(content)
    return folder
