"""The contact sheet: frames spread over a video, with their poses, in one picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ethopose.core import Poses
from ethopose.draw.labelled import note_undecodable
from ethopose.draw.overlay import Style, overlay, rescaled, resized, write_text
from ethopose.media import Video
from ethopose.store.atomic import replacing

TILE = 150_000  # pixels of a tile: small frames are enlarged to it, large ones shrunk
GAP, HEAD, CAPTION = 12, 66, 26
MIN_WIDTH = 420  # the head line needs it
PAGE, FAINT = (32, 32, 36), (170, 170, 175)


def contact_sheet(
    poses: Poses | Iterable[Poses],
    video: Video,
    path: Path | str,
    *,
    n: int = 12,
    title: str = "",
    style: Style | None = None,
    names: Sequence[str] = (),
) -> Path:
    """Write a PNG of `n` frames spread over the video, with poses, frame number and time.

    Frames with animals come first; others fill the sheet where these are too few. `poses` are all at once
    or parts in frame order (one is held at a time); `names` are the tracks' names.
    Raises VideoError, or ResultError where the picture cannot be written.
    """
    chosen = _choose([poses] if isinstance(poses, Poses) else poses, len(video), n)
    wanted = np.array(sorted(chosen), np.int64)
    tiles = []
    for block in video.blocks(wanted, 1):
        frame = int(block.frame[0])
        tile = _tile(block.image[0], chosen[frame], style, names)
        caption = f"frame {frame:,}   {video.time[frame]:.2f} s"
        tiles.append(_captioned(note_undecodable(tile, int(block.status[0])), caption))
    height, width, _ = video.shape
    facts = f"{len(tiles)} of {len(video):,} frames   {width} x {height} px   {video.fps:g} frames/s"
    return write_png(page(tiles, title or video.path.name, facts), Path(path))


def _choose(parts: Iterable[Poses], length: int, n: int) -> dict[int, Poses | None]:
    """Frames to show and their poses, spread evenly over the frames with animals, then over the others.

    One pass in constant memory: of the frames with animals every `stride`-th is kept, and whenever too
    many are, every second of those goes.
    """
    kept: list[tuple[int, Poses]] = []
    stride, seen = 1, 0
    for part in parts:
        frames = np.unique(part.frame[np.isfinite(part.xy).all(axis=2).any(axis=1)])
        for frame in frames:
            if seen % stride == 0:
                kept.append((int(frame), part[part.frame == frame]))
            seen += 1
            if len(kept) > 8 * n:
                kept, stride = kept[::2], 2 * stride
    picks = np.linspace(0, len(kept) - 1, min(n, len(kept))).round().astype(int)
    chosen: dict[int, Poses | None] = dict(kept[pick] for pick in picks)
    for middle in ((np.arange(n) + 0.5) * length / n).astype(int):
        if len(chosen) < min(n, length):
            chosen.setdefault(int(middle), None)
    return chosen


def _tile(
    image: UInt8[np.ndarray, "height width 3"], poses: Poses | None, style: Style | None, names: Sequence[str]
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The frame at the sheet's size; poses are drawn on it afterwards, so that lines stay crisp."""
    factor = math.sqrt(TILE / (image.shape[0] * image.shape[1]))
    size = max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor))
    tile = resized(image, size)
    return (
        tile if poses is None else overlay(tile, rescaled(poses, image.shape, size), style=style, names=names)
    )


def _captioned(tile: UInt8[np.ndarray, "height width 3"], caption: str) -> UInt8[np.ndarray, "tall width 3"]:
    strip = np.full((CAPTION, tile.shape[1], 3), PAGE, np.uint8)
    write_text(strip, caption, (2, CAPTION - 8), 10, FAINT)
    return np.concatenate([tile, strip])


def page(tiles: Sequence[np.ndarray], title: str, facts: str) -> UInt8[np.ndarray, "height width 3"]:
    """Tiles in rows under a head line; the page is about as wide as 3 to 2."""
    tall, wide = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    columns = min(len(tiles), max(1, round(math.sqrt(len(tiles) * 1.5 * tall / wide))))
    rows = math.ceil(len(tiles) / columns)
    width = max(columns * (wide + GAP) + GAP, MIN_WIDTH)
    page = np.full((HEAD + rows * (tall + GAP), width, 3), PAGE, np.uint8)
    write_text(page, title, (GAP, 30), 15)
    write_text(page, facts, (GAP, 53), 10, FAINT)
    for place, tile in enumerate(tiles):
        y, x = HEAD + (place // columns) * (tall + GAP), GAP + (place % columns) * (wide + GAP)
        page[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return page


def write_png(image: UInt8[np.ndarray, "height width 3"], path: Path) -> Path:
    """Write a picture whole or not at all. Raises `ResultError`."""
    with replacing(path) as file:
        file.write(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    return path
