"""Where an animal is in a picture and how it is turned, from its pose; learned from the poses of a video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from ethopose.core import UsageError

ROUNDS = 10
ENOUGH = 2048  # poses that it is learned from
AROUND = 1.4  # side of the window, of the longest distance of keypoints
CROWDED = 0.5  # of that distance: nearer animals are in each other's pictures


@dataclass(frozen=True, slots=True)
class Body:
    """The usual pose, its length along x, and the window around it."""

    pose: Float64[np.ndarray, "keypoint 2"]  # px about the window's middle; NaN: hardly ever seen
    length: float  # px

    @property
    def side(self) -> float:
        """Of the window, px."""
        return AROUND * self.length

    def placed(
        self, xy: Float32[np.ndarray, "row keypoint 2"]
    ) -> tuple[Float64[np.ndarray, "row 2"], Float64[np.ndarray, "row"]]:
        """The middle of the window, px, and how it is turned: what lays the usual pose on each pose with the
        least squares, turned and moved. NaN where fewer than two keypoints are known."""
        known = np.isfinite(xy).all(-1) & np.isfinite(self.pose).all(-1)
        count = np.maximum(known.sum(1), 1)[:, None]
        here = np.where(known[..., None], xy, 0).astype(np.float64)
        usual = np.where(known[..., None], self.pose, 0)
        middle, centre = here.sum(1) / count, usual.sum(1) / count
        off = np.where(known[..., None], here - middle[:, None], 0)
        pose = np.where(known[..., None], usual - centre[:, None], 0)
        along = (off * pose).sum((1, 2))
        across = (off[..., 1] * pose[..., 0] - off[..., 0] * pose[..., 1]).sum(1)
        angle = np.where(known.sum(1) >= 2, np.arctan2(across, along), np.nan)
        return middle - _turned(centre[:, None], angle)[:, 0], angle

    def clear(
        self, frame: Int64[np.ndarray, "row"], xy: Float32[np.ndarray, "row keypoint 2"]
    ) -> Bool[np.ndarray, "row"]:
        """Of all rows of some frames, in order: those that can be placed, with no other animal upon them."""
        middle, angle = self.placed(xy)
        clear: np.ndarray = np.isfinite(angle) & ~_crowded(frame, middle, CROWDED * self.length)
        return clear


def learn_body(poses: Iterable[Float32[np.ndarray, "row keypoint 2"]]) -> Body:
    """The usual pose of `ENOUGH` poses at most: each turned and moved onto it, then the median, by turns.

    Raises `UsageError` where poses tell no size.
    """
    placed = [xy[np.isfinite(xy).all(-1).sum(1) >= 2] for xy in poses]
    xy = np.concatenate(placed) if placed else np.empty((0, 1, 2), np.float32)
    if not len(xy):
        what = "no pose has two keypoints: nothing tells how large animals are and how they are turned"
        raise UsageError(what, fix="--appearance keypoints or none")
    xy = xy[:: -(-len(xy) // ENOUGH)]
    seen = np.isfinite(xy).all(-1).sum(1)
    pose = np.asarray(xy[seen.argmax()], np.float64)
    body = Body(pose - np.nanmean(pose, 0), 1.0)
    for _ in range(ROUNDS):
        middle, angle = body.placed(xy)
        laid = _turned(xy - middle[:, None], -angle)
        body = Body(_median(laid), 1.0)
    return _upright(body.pose)


def _crowded(
    frame: Int64[np.ndarray, "row"], middle: Float64[np.ndarray, "row 2"], reach: float
) -> Bool[np.ndarray, "row"]:
    """Rows, in order of their frames, that have another one of their frame within `reach` px."""
    near = np.zeros(len(frame), bool)
    step = 1
    while (same := frame[step:] == frame[:-step]).any():
        close = same & (np.square(middle[step:] - middle[:-step]).sum(-1) < reach**2)
        near[step:] |= close
        near[:-step] |= close
        step += 1
    return near


def _median(laid: Float64[np.ndarray, "row keypoint 2"]) -> Float64[np.ndarray, "keypoint 2"]:
    there = np.isfinite(laid).all((0, 2)) | (np.isfinite(laid).all(-1).mean(0) > 0.02)
    pose = np.full(laid.shape[1:], np.nan)
    pose[there] = np.nanmedian(laid[:, there], axis=0)
    return pose


def _upright(pose: Float64[np.ndarray, "keypoint 2"]) -> Body:
    """Its longest axis along x, the middle of its box at 0."""
    there = np.isfinite(pose).all(-1)
    off = pose - pose[there].mean(0)
    _, axes = np.linalg.eigh(off[there].T @ off[there])
    laid = _turned(off[None], -np.arctan2(*axes[::-1, 1])[None])[0]
    low, high = laid[there].min(0), laid[there].max(0)
    return Body(laid - (low + high) / 2, float(max((high - low).max(), 1.0)))


def _turned(
    xy: Float64[np.ndarray, "row point 2"], angle: Float64[np.ndarray, "row"]
) -> Float64[np.ndarray, "row point 2"]:
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack([cos * xy[..., 0] - sin * xy[..., 1], sin * xy[..., 0] + cos * xy[..., 1]], -1)
