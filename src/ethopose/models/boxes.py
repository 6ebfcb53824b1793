"""What a network of one animal sees of a frame: a window around a centroid, or a box brought to one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from ethopose.models.preparation import Fitted, crop
from ethopose.models.spec import Preparation


@dataclass(frozen=True, slots=True)
class BoxCrop:
    """How boxes become crops of `size` (height, width) px.

    `margin` px are added on every side. With `context` the shorter side grows until the box has the crop's
    shape; without, zeros fill what lacks. Source: DeepLabCut 3.0.1, `top_down_crop`.
    """

    size: tuple[int, int]
    margin: int = 0
    context: bool = True


@dataclass(frozen=True, slots=True)
class Crops:
    """Crops, and the way back: a place p of a crop is at p * scale + corner of its frame."""

    images: UInt8[np.ndarray, "crop height width channel"]
    corner: Float32[np.ndarray, "crop 2"]  # px of the frame, x before y
    scale: Float32[np.ndarray, "crop 2"]


def cut(
    fitted: Fitted,
    frame: Int64[np.ndarray, "crop"],
    xy: Float32[np.ndarray, "crop keypoint 2"],
    preparation: Preparation,
) -> Crops:
    """Crops of fitted frames as a second stage wants them. `xy` is what the first stage found, in pixels of
    the frames before they were fitted: a centroid, or a box's left top and right bottom."""
    places = xy * fitted.ratio
    if preparation.boxed is None or preparation.crop is None:
        windows, corner = crop(fitted.images, frame, places[:, 0], preparation)
        return Crops(windows, corner, np.ones_like(corner))
    boxes = np.concatenate((places[:, 0], places[:, 1] - places[:, 0]), 1)
    how = BoxCrop(preparation.crop, preparation.boxed.margin, preparation.boxed.context)
    return crop_boxes(fitted.images, frame, boxes, how)


def crop_boxes(
    images: UInt8[np.ndarray, "frame height width channel"],
    frame: Int64[np.ndarray, "crop"],
    boxes: Float[np.ndarray, "crop 4"],
    how: BoxCrop,
) -> Crops:
    """Crops around boxes (left, top, width, height) of frames, zero outside them."""
    import cv2  # which only models of boxes need

    height, width = how.size
    crops = np.empty((len(boxes), height, width, images.shape[-1]), np.uint8)
    corner, scale = np.empty((2, len(boxes), 2), np.float32)
    for number, (source, box) in enumerate(zip(frame, boxes, strict=True)):
        low, high, filling = window_of(box, images.shape[1:3], how)
        cut = _cut(images[source], low, high, filling)
        resized = cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR)
        crops[number] = resized.reshape(height, width, -1)
        corner[number] = low - filling
        scale[number] = np.array(cut.shape[1::-1]) / (width, height)
    return Crops(crops, corner, scale)


def window_of(
    box: np.ndarray, size: tuple[int, int], how: BoxCrop
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of what is cut out, which may lie outside, and how much is filled in on both sides; x before
    y."""
    ratio = how.size[1] / how.size[0]
    wide, tall = np.maximum(box[2:] + 2 * how.margin, 1e-9)
    if how.context:
        wide, tall = max(wide, tall * ratio), max(tall, wide / ratio)
    half = np.array((wide, tall)) / 2
    centre = box[:2] + box[2:] / 2
    low, high = np.rint(centre - half).astype(int), np.rint(centre + half).astype(int)
    high = np.maximum(high, low + 1)  # a box without extent
    wide, tall = np.maximum(np.minimum(high, size[::-1]) - np.maximum(low, 0), 0)
    lacking = np.zeros(2)
    if not how.context and wide and tall:
        lacking = np.maximum((tall - wide / ratio, wide - tall * ratio), 0)
    return low, high, lacking.astype(int) // 2


def _cut(image: np.ndarray, low: np.ndarray, high: np.ndarray, filling: np.ndarray) -> np.ndarray:
    """What lies between two corners; zeros outside the image, and where it is filled."""
    cut = np.zeros((*(high - low + 2 * filling)[::-1], image.shape[-1]), np.uint8)
    first, last = (np.clip(corner, 0, image.shape[1::-1]) for corner in (low, high))
    into, end = first - low + filling, last - low + filling
    cut[into[1] : end[1], into[0] : end[0]] = image[first[1] : last[1], first[0] : last[0]]
    return cut
