"""Where to look for one animal: a box around where it was, or patches that cover the frame.

Source: DeepLabCut 3.0.1, TopDownDynamicCropper, whose arithmetic this is. It cuts pictures that are
normalised already: what lies outside of the frame is of the mean colour, and nothing is rounded.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, UInt8

from ethopose.models.preparation import resize_floats

Box = tuple[int, int, int, int]  # left, top, width, height, px
Pair = tuple[int, int]  # width, height, or along these
OUTSIDE = 255 * np.array((0.485, 0.456, 0.406), np.float32)  # ImageNet's mean


def patches(size: Pair, counts: Pair, overlap: int, margin: int, shape: tuple[Pair, Pair]) -> list[Box]:
    """Boxes that cover a frame of `size`, row by row: `counts` of them along width and height, which overlap
    by at least `overlap` px; `shape` is that of `box_of`."""
    across, down = (_segments(side, count, overlap) for side, count in zip(size, counts, strict=True))
    return [
        box_of((left, top, right, bottom), margin, shape) for top, bottom in down for left, right in across
    ]


def box_of(corners: tuple[int, int, int, int], margin: int, shape: tuple[Pair, Pair]) -> Box:
    """A box around corners (left, top, right, bottom) with a `margin`: it has the ratio of the first pair of
    `shape`, and at least the size of the second, to which it grows on the right and at the bottom."""
    left, top, right, bottom = corners
    wide, tall = float(right - left + 2 * margin), float(bottom - top + 2 * margin)
    middle = left - margin + wide / 2, top - margin + tall / 2
    crop, least = shape
    ratio = crop[0] / crop[1]
    if wide / tall > ratio:
        tall = wide / ratio
    elif wide / tall < ratio:
        wide = tall * ratio
    corner = round(middle[0] - wide / 2), round(middle[1] - tall / 2)
    return *corner, max(int(wide), least[0]), max(int(tall), least[1])


def cut_floats(
    image: UInt8[np.ndarray, "height width channel"], box: Box, size: Pair
) -> Float32[np.ndarray, "crop_height crop_width channel"]:
    """What lies in a box of a picture, brought to `size`; beyond the picture it is of the mean colour."""
    left, top, wide, tall = box
    crop = np.empty((tall, wide, image.shape[-1]), np.float32)
    crop[:] = OUTSIDE
    low, high = np.clip(((left, top), (left + wide, top + tall)), 0, image.shape[1::-1])
    part = image[low[1] : high[1], low[0] : high[0]]
    crop[low[1] - top :, low[0] - left :][: part.shape[0], : part.shape[1]] = part
    return resize_floats(crop, size[1], size[0])


def reach(at: Float32[np.ndarray, "place"], margin: int, size: int) -> tuple[int, int]:
    """From and to on an axis of `size` px, `margin` px beyond the outermost of some places."""
    low, high = math.floor(float(at.min()) - margin), math.ceil(float(at.max()) + margin)
    return min(max(low, 0), size), min(max(high, 0), size)


def _segments(size: int, count: int, overlap: int) -> list[tuple[int, int]]:
    """Equal stretches of an axis; the last one begins earlier where it would reach beyond the end."""
    length = -(-(size + (count - 1) * overlap) // count)
    segments, end = [], overlap
    for _ in range(count):
        start, end = end - overlap, end - overlap + length
        if end > size:
            start, end = size - length, size
        segments.append((start, end))
    return segments
