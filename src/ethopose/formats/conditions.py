"""Poses from a file that a conditional model is told: of any format, or DeepLabCut's `.json` of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from ethopose.core import DataError, FormatError, Poses
from ethopose.formats.format import reading
from ethopose.formats.table import read_poses
from ethopose.store import is_result, read


@dataclass(frozen=True, slots=True)
class ToldPoses:
    """Animals by frame. A keypoint that is not known has confidence 0."""

    keypoints: tuple[str, ...] | None  # None: the file names none
    frame: Int64[np.ndarray, "instance"]
    xy: Float32[np.ndarray, "instance keypoint 2"]  # px of the frame
    confidence: Float32[np.ndarray, "instance keypoint"]


def read_conditions(path: Path) -> ToldPoses:
    """The animals of an ethopose result, of a file of poses, or of a `.json` that holds a list a frame of
    animals, each a list of (x, y, confidence) a keypoint.

    Raises:
        FormatError: it is none of these, or unfinished.
    """
    if is_result(path):
        result = read(path)
        if not result.finished:
            raise FormatError("the result is unfinished", where=path, fix="finish it first")
        return _told(result.poses)
    if not path.is_file():
        raise FormatError("no such file", where=path, fix="name a result, a .h5 of DeepLabCut or a .json")
    if path.suffix == ".json":
        return _of_json(path)
    return _told(read_poses(path)[1].poses)


def _told(poses: Poses) -> ToldPoses:
    """Rows and columns of animals, without unique keypoints."""
    skeleton = poses.skeleton
    own = [index for index, name in enumerate(skeleton.keypoints) if name not in skeleton.unique]
    points = np.concatenate([poses.xy, poses.confidence[..., None]], -1)[:, own]
    return _known(tuple(skeleton.keypoints[index] for index in own), poses.frame, points)


def _of_json(path: Path) -> ToldPoses:
    with reading(path, "conditions"):
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, list):
            raise DataError("conditions of a video are a list of frames; this is of pictures by their names")
        frames = [np.asarray(animals, np.float32) for animals in told]
        filled = [array for array in frames if len(array)]
        shapes = {array.shape[1:] for array in filled}
        if len(shapes) > 1 or any(len(shape) != 2 or shape[1] != 3 for shape in shapes):
            raise DataError(
                "a frame is a list of animals, an animal one of keypoints, a keypoint x, y, score"
            )
        shape = next(iter(shapes), (0, 3))
        frame = np.repeat(np.arange(len(frames)), [len(array) for array in frames])
        return _known(None, frame, np.concatenate([np.empty((0, *shape), np.float32), *filled]))


def _known(keypoints: tuple[str, ...] | None, frame: np.ndarray, points: np.ndarray) -> ToldPoses:
    """Those who have a keypoint: what is NaN or negative is not known (DeepLabCut 3.0.1)."""
    with np.errstate(invalid="ignore"):
        points = np.where((points >= 0).all(-1, keepdims=True), points, 0).astype(np.float32)
    rows = np.flatnonzero((points[..., 2] > 0).any(1)) if points.size else np.empty(0, np.int64)
    return ToldPoses(keypoints, frame[rows].astype(np.int64), points[rows, :, :2], points[rows, :, 2])
