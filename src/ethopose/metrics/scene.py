"""One image as the tools' evaluators see it: who is to be found, and who was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ethopose.core import Poses


@dataclass(frozen=True, slots=True)
class Scene:
    """An image's animals in px, labelled and found, with the same keypoints. NaN: not there."""

    truth: Float64[np.ndarray, "animal keypoint 2"]
    found: Float64[np.ndarray, "instance keypoint 2"]
    confidence: Float64[np.ndarray, "instance keypoint"]
    score: Float64[np.ndarray, "instance"]  # of the whole animal; the mean confidence where none was told


def scenes(truth: Poses, found: Poses, images: Iterable[int]) -> list[Scene]:
    """The scene of each image; `frame` of both counts in images. Animals of no keypoint are left out."""
    truth, found = _with_keypoints(truth), _with_keypoints(found)
    return [_scene(_at(truth, image), _at(found, image)) for image in images]


def mean_confidence(
    confidence: Float64[np.ndarray, "instance keypoint"],
) -> Float64[np.ndarray, "instance"]:
    """Of the keypoints that have one; 0 where none has."""
    told = ~np.isnan(confidence)
    return np.asarray(np.where(told, confidence, 0).sum(axis=1) / np.maximum(told.sum(axis=1), 1))


def _with_keypoints(poses: Poses) -> Poses:
    return poses[~np.isnan(poses.xy).any(axis=-1).all(axis=-1)]


def _at(poses: Poses, image: int) -> Poses:
    start, stop = np.searchsorted(poses.frame, [image, image + 1])
    return poses[start:stop]


def _scene(truth: Poses, found: Poses) -> Scene:
    confidence = found.confidence.astype(np.float64)
    score = np.where(np.isnan(found.score), mean_confidence(confidence), found.score).astype(np.float64)
    return Scene(truth.xy.astype(np.float64), found.xy.astype(np.float64), confidence, score)
