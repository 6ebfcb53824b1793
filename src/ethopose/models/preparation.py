"""From frames to the pictures that a network sees, and the way back for coordinates.

All steps work on uint8 and round after each, as the peers' do; so they run on the host, in compiled
integer arithmetic, the same for every runtime. Normalisation is part of graph 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ethopose.models.spec import Preparation, Resized

Images = UInt8[np.ndarray, "batch height width channel"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Frames in the model's colours and size; `ratio` is their size over the original's, x before y where the
    sides differ in it."""

    images: Images
    ratio: np.float32 | Float32[np.ndarray, "2"]


def fit(images: Images, preparation: Preparation) -> Fitted:
    """Colour and size matcher: the first steps, which both stages of a pair share."""
    images = _in_color(images, preparation.color)
    if preparation.resized is not None:
        return _resized(images, preparation.resized)
    height, width = images.shape[1:3]
    target = preparation.fit or (None, None)
    target_height, target_width = target[0] or height, target[1] or width
    if (height, width) == (target_height, target_width):
        return Fitted(images, np.float32(1))
    ratio = min(target_height / height, target_width / width)
    images = resize(images, round(height * ratio), round(width * ratio))
    return Fitted(pad(images, target_height, target_width), np.float32(ratio))


def _resized(images: Images, how: Resized) -> Fitted:
    """Places scale by the whole sizes that result, from edge to edge of the picture."""
    sizes = [images.shape[2:0:-1]]
    if how.size is not None:
        height, width = how.size
        if how.keep:
            scale = min(height / images.shape[1], width / images.shape[2])
            images = _by_opencv(images, int(images.shape[1] * scale), int(images.shape[2] * scale))
            sizes.append(images.shape[2:0:-1])
            images = pad(images, height, width)
        else:
            images = _by_opencv(images, height, width)
            sizes.append((width, height))
    ratio = np.divide(sizes[-1], sizes[0])
    if how.longest is not None:
        before, scale = images.shape[2:0:-1], how.longest / max(images.shape[1:3])
        images = _by_opencv(images, *(round(side * scale) for side in images.shape[1:3]))
        ratio = ratio * np.divide(images.shape[2:0:-1], before)
    return Fitted(images, ratio.astype(np.float32))


def _by_opencv(images: Images, height: int, width: int) -> Images:
    import cv2  # which only models of sizes need

    if (height, width) == images.shape[1:3]:
        return images
    size = max(width, 1), max(height, 1)
    resized = [cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in images]
    return np.stack([image.reshape(*size[::-1], -1) for image in resized])


def to_pictures(images: Images, preparation: Preparation) -> Images:
    """Scale and padding: the last steps, for fitted frames or for crops of them."""
    if preparation.scale != 1:
        height, width = images.shape[1:3]
        if preparation.exact:
            scale = preparation.scale
            images = resize(images, math.ceil(height * scale), math.ceil(width * scale), scale)
        else:
            images = resize(images, int(height * preparation.scale), int(width * preparation.scale))
    multiple = preparation.pad_to
    height, width = (math.ceil(size / multiple) * multiple for size in images.shape[1:3])
    return pad(images, height, width, preparation.pad_with)


def unscaled(xy: Float32[np.ndarray, "*any 2"], preparation: Preparation) -> Float32[np.ndarray, "*any 2"]:
    """Pixels of pictures as pixels of the fitted frames, or crops, that they were scaled from."""
    scale, half = np.float32(preparation.scale), np.float32(0.5 if preparation.exact else 0)
    return (xy + half) / scale - half


def scaled(xy: Float32[np.ndarray, "*any 2"], preparation: Preparation) -> Float32[np.ndarray, "*any 2"]:
    """The way back: pixels of fitted frames as pixels of the pictures scaled from them."""
    scale, half = np.float32(preparation.scale), np.float32(0.5 if preparation.exact else 0)
    return (xy + half) * scale - half


def crop(
    images: Images,
    image: Int64[np.ndarray, "crop"],
    centroid: Float32[np.ndarray, "crop 2"],
    preparation: Preparation,
) -> tuple[Images, Float32[np.ndarray, "crop 2"]]:
    """Windows of `preparation.crop` (height, width) px around centroids of fitted frames, zero outside.

    Returns the windows and the top left corners that keypoints are counted from. Unless the preparation
    is exact those are not rounded while the windows are, by up to 1 px: sleap-nn 0.3.5 does so and its
    results hold it.
    """
    height, width = preparation.crop or images.shape[1:3]
    corner = centroid - np.array((width, height), np.float32) / 2 + np.float32(0.5)
    half = np.array((width // 2, height // 2), np.float32)
    left_top = np.trunc(corner + half).astype(np.int64) - half.astype(np.int64)
    windows = np.zeros((len(image), height, width, images.shape[-1]), np.uint8)
    for window, source, (left, top) in zip(windows, image, left_top, strict=True):
        rows = slice(max(top, 0), max(min(top + height, images.shape[1]), 0))
        columns = slice(max(left, 0), max(min(left + width, images.shape[2]), 0))
        seen = images[source, rows, columns]
        window[rows.start - top :, columns.start - left :][: seen.shape[0], : seen.shape[1]] = seen
    return windows, left_top.astype(np.float32) if preparation.exact else corner


def pad(images: Images, height: int, width: int, filling: str = "zeros") -> Images:
    """Zeros, or the mirrored picture, at the bottom and the right up to the size wanted."""
    missing = height - images.shape[1], width - images.shape[2]
    if missing == (0, 0):
        return images
    mode: Literal["constant", "reflect"] = "constant" if filling == "zeros" else "reflect"
    return np.pad(images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode)


def resize(images: Images, height: int, width: int, scale: float | None = None) -> Images:
    """Bilinear with antialiasing, by axis in fixed-point arithmetic, width first.

    `scale` is that of the new size over the old, unless given. Without it, equal to the bit to
    torchvision's `resize(antialias=True)` on uint8 on a CPU (2.13), which ports Pillow's resampling.
    """
    step_x, step_y = (
        (images.shape[2] / width, images.shape[1] / height) if scale is None else (1 / scale,) * 2
    )
    if images.shape[1:3] == (height, width) and step_x == step_y == 1:
        return images
    from ethopose.models.resampling import resample_columns, resample_rows  # takes a second to load

    if width != images.shape[2] or step_x != 1:
        images = resample_columns(images, *_taps(images.shape[2], width, step_x))
    if height != images.shape[1] or step_y != 1:
        images = resample_rows(images, *_taps(images.shape[1], height, step_y))
    return images


def resize_floats(
    image: Float32[np.ndarray, "height width channel"], height: int, width: int
) -> Float32[np.ndarray, "new_height new_width channel"]:
    """The same of a picture that is not rounded, as torchvision does it on floats."""
    from ethopose.models.resampling import blended

    across = blended(image, *_weights(image.shape[1], width, image.shape[1] / width))
    down = _weights(image.shape[0], height, image.shape[0] / height)
    return np.ascontiguousarray(blended(across.transpose(1, 0, 2), *down).transpose(1, 0, 2))


@lru_cache(maxsize=64)
def _taps(size: int, new_size: int, step: float) -> tuple[np.ndarray, np.ndarray, int]:
    """For each new cell, `step` old ones wide, the first cell it reads and its integer weights; and their
    binary digits."""
    first, weights = _weights(size, new_size, step)
    digits = next(d for d in range(22) if d == 21 or int(0.5 + weights.max() * 2 ** (d + 1)) >= 2**15)
    return first, (weights * 2**digits + 0.5).astype(np.int32), digits


def _weights(size: int, new_size: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """The same in floats: the first cell that each reads, and the weights of that and of those after it."""
    support = max(step, 1.0)
    centre = step * (np.arange(new_size) + 0.5)
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), size)
    cell = first[:, None] + np.arange((last - first).max())
    distance = np.abs(cell - centre[:, None] + 0.5) / support
    weights = np.where(cell < last[:, None], np.maximum(1 - distance, 0), 0)
    weights /= weights.sum(1, keepdims=True)
    return first, weights


def _in_color(images: Images, color: str) -> Images:
    """Gray is 0.2989 R + 0.587 G + 0.114 B, truncated (sleap-nn 0.3.5)."""
    if color == "gray" and images.shape[-1] == 3:
        red, green, blue = np.moveaxis(images, -1, 0).astype(np.float32)
        weights = np.array((0.2989, 0.587, 0.114), np.float32)
        gray: Images = (weights[0] * red + weights[1] * green + weights[2] * blue).astype(np.uint8)
        return gray[..., None]
    if color == "rgb" and images.shape[-1] == 1:
        return np.broadcast_to(images, (*images.shape[:-1], 3))
    return images
