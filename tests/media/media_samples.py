"""Small videos of a moving pattern, written by FFmpeg's own encoders."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

N = 48


def scene(n: int = N, height: int = 64, width: int = 96, *, colour: bool = True) -> np.ndarray:
    """Frames that all differ: a smooth pattern that moves, brightness that steps."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for i in range(n):
        waves = [100 + 60 * np.sin((x + 4 * i) / 9 + c) * np.cos(y / 7) + i for c in range(3)]
        frames.append(np.stack(waves if colour else waves[:1] * 3, axis=-1))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def encode(
    path: Path, codec: str, frames: np.ndarray, *, times_ms=None, rotation=None, fmt="yuv420p", **options
):
    muxer = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(str(path), "w", options=muxer) as container:
        stream = container.add_stream(codec, rate=25, options={k: str(v) for k, v in options.items()})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], fmt
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_images(folder: Path, frames: np.ndarray) -> Path:
    import cv2

    folder.mkdir()
    for i, pixels in enumerate(frames):
        assert cv2.imwrite(str(folder / f"frame{i}.png"), pixels[..., ::-1])
    return folder


X264 = {"codec": "libx264", "g": 12, "bf": 3, "preset": "veryfast"}
MAKERS: dict[str, Callable[[Path], Path]] = {
    "mp4": lambda d: encode(d / "v.mp4", frames=scene(), **X264),
    "fragmented mp4": lambda d: encode(
        d / "v.mp4", frames=scene(), movflags="frag_keyframe+empty_moov", **X264
    ),
    "mkv": lambda d: encode(d / "v.mkv", frames=scene(), **X264),
    "ts": lambda d: encode(d / "v.ts", frames=scene(), **X264),
    "mov, gray": lambda d: encode(d / "v.mov", frames=scene(colour=False), **X264),
    "mp4, one key frame": lambda d: encode(d / "v.mp4", frames=scene(), **X264 | {"g": 1000}),
    "mp4, open groups": lambda d: encode(d / "v.mp4", frames=scene(), **X264 | {"x264-params": "open-gop=1"}),
    "avi, mjpeg": lambda d: encode(d / "v.avi", "mjpeg", scene(), fmt="yuvj420p"),
    "avi, mpeg4": lambda d: encode(d / "v.avi", "mpeg4", scene(), g=12, bf=2),
    "avi, h264 with B-frames": lambda d: encode(d / "v.avi", frames=scene(), **X264),
    "webm, vp9": lambda d: encode(d / "v.webm", "libvpx-vp9", scene(), deadline="realtime", g=12),
    "one frame": lambda d: encode(d / "v.mp4", frames=scene(1), **X264),
    "images": lambda d: write_images(d / "images", scene()),
}


def read_all(video, frames=None, size=16, **options) -> tuple[np.ndarray, np.ndarray]:
    """Frames and their status, in one piece."""
    blocks = list(video.blocks(frames, size, **options))
    return np.concatenate([b.image for b in blocks]), np.concatenate([b.status for b in blocks])
