"""Poses that are known already, as what a second network is told to look for: its conditions.

A crop is cut around each, in which its keypoints are painted as white pixels, a channel each, beside the
picture; the network makes spots of them (`ethopose.models.backbones.conditioned`). Only poses of confidence
are conditions, and what is found is only as sure as they are. Source: DeepLabCut 3.0.1, whose arithmetic
this is, after BUCTD (Zhou et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8

from ethopose.models.boxes import BoxCrop, Crops, crop_boxes
from ethopose.models.grouping.instances import Instances
from ethopose.models.preparation import Images
from ethopose.models.spec import Conditioning

LEAST = 0.05  # confidence of a pose's surest keypoint
SURE = 0.2  # keypoints below it say nothing about how sure a pose is
SMALLEST = 1.0  # px² of a box


@dataclass(frozen=True, slots=True)
class Conditions:
    """Poses, one row each, in pixels of the frame. NaN is unknown; so is what has no confidence."""

    frame: Int64[np.ndarray, "condition"]
    xy: Float[np.ndarray, "condition keypoint 2"]
    confidence: Float[np.ndarray, "condition keypoint"]
    track: Int64[np.ndarray, "condition"] | None = None

    def __getitem__(self, rows: np.ndarray) -> Conditions:
        track = None if self.track is None else self.track[rows]
        return Conditions(self.frame[rows], self.xy[rows], self.confidence[rows], track)


def conditions_of(instances: Instances) -> Conditions:
    """Animals that were found as conditions: those that have a keypoint of some confidence in the frame."""
    with np.errstate(invalid="ignore"):
        inside = np.any((instances.xy > 0).all(-1) & (instances.confidence > 0), axis=1)
    rows = np.flatnonzero(inside)
    return Conditions(instances.frame[rows], instances.xy[rows], instances.confidence[rows])


def condition_crops(
    images: Images, conditions: Conditions, size: tuple[int, int], how: Conditioning
) -> tuple[Conditions, Crops, Images]:
    """Those conditions that can be looked for in frames; a crop of `size` (height, width) around each; and
    the pictures for the network, which are the crops with a channel a keypoint beside their colours."""
    conditions = conditions[_sure(conditions)]
    boxes = boxes_around(conditions, images.shape[1:3], how.margin)
    large = boxes[:, 2] * boxes[:, 3] >= SMALLEST
    conditions = conditions[large]
    crops = crop_boxes(images, conditions.frame, boxes[large], BoxCrop(size, how.grown, how.context))
    pixels = painted(_in_crop(conditions, crops), conditions.confidence, size, how.bounds or size)
    return conditions, crops, np.concatenate((crops.images, pixels), -1)


def boxes_around(
    conditions: Conditions, size: tuple[int, ...], margin: int
) -> Float64[np.ndarray, "condition 4"]:
    """Boxes (left, top, width, height) around keypoints, within a frame of `size` (height, width); all zeros
    where there are none. Left out are those whose confidence is 0 or less."""
    known = ~(conditions.confidence <= 0)[..., None] & ~np.isnan(conditions.xy)
    low = np.where(known, conditions.xy, np.inf).min(1, initial=np.inf)
    high = np.where(known, conditions.xy, -np.inf).max(1, initial=-np.inf)
    corners = np.concatenate((low - margin, high + margin), 1).astype(np.float64)
    corners[np.isinf(corners)] = 0
    corners = np.clip(corners, 0, (*size[::-1], *size[::-1]))
    corners[:, 2:] -= corners[:, :2]
    return corners


def painted(
    xy: Float[np.ndarray, "condition keypoint 2"],
    confidence: Float[np.ndarray, "condition keypoint"],
    size: tuple[int, int],
    bounds: tuple[int, int],
) -> UInt8[np.ndarray, "condition height width keypoint"]:
    """A white pixel a keypoint in crops of `size` (height, width), one to the left and above where it is;
    counted from the other side where that is outside, as DeepLabCut does, and so the far corner's where a
    place is NaN. What lies outside of `bounds` (height, width) is left out."""
    with np.errstate(invalid="ignore"):
        outside = (xy < 0).any(-1) | (xy > bounds[::-1]).any(-1)
        number, keypoint = np.nonzero((confidence > 0) & ~outside)
    columns, rows = np.nan_to_num(xy[number, keypoint]).astype(np.int64).T - 1
    pixels = np.zeros((len(xy), *size, xy.shape[1]), np.uint8)
    pixels[number, rows, columns, keypoint] = 255
    return pixels


def rescored(
    confidence: Float32[np.ndarray, "condition keypoint"], conditions: Conditions
) -> Float32[np.ndarray, "condition keypoint"]:
    """Confidence of what was found where conditions were: the mean of those keypoints that are sure, times
    the mean of the conditions' own; the same for all keypoints of an animal. A keypoint that a condition
    lacks counts as 0 (in DeepLabCut it makes the whole animal's NaN)."""
    sure = confidence >= SURE
    own = np.where(sure, confidence, 0).sum(1) / np.maximum(sure.sum(1), 1)
    told = np.nan_to_num(conditions.confidence).mean(1)
    return np.broadcast_to((told * own)[:, None], confidence.shape).astype(np.float32)


def _sure(conditions: Conditions) -> Bool[np.ndarray, "condition"]:
    highest = np.where(np.isnan(conditions.confidence), -np.inf, conditions.confidence).max(
        1, initial=-np.inf
    )
    sure: np.ndarray = highest >= LEAST
    return sure


def _in_crop(conditions: Conditions, crops: Crops) -> np.ndarray:
    """Their pixels in crops, to the last digit: which pixel is painted hangs on it."""
    size = np.array(crops.images.shape[2:0:-1])
    scale = np.rint(crops.scale.astype(np.float64) * size) / size
    inside: np.ndarray = (conditions.xy - crops.corner[:, None].astype(np.float64)) / scale[:, None]
    return inside.astype(conditions.xy.dtype, copy=False)
