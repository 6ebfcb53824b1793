"""What a stage is trained on: pictures at its scale, decoded once, and where people placed the keypoints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8

from ethopose.core import DataError, Labels
from ethopose.formats.label_checks import Progress
from ethopose.media import read_pictures
from ethopose.models.preparation import fit, to_pictures
from ethopose.models.spec import Conditioning, Preparation
from ethopose.store.atomic import disk_errors


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples are pictures, or animals in them that a window is centred on.

    Coordinates are pixels of the scaled pictures; what is not there is NaN.
    """

    pictures: UInt8[np.ndarray, "picture height width channel"]  # larger than some: zeros beyond `size`
    size: Int64[np.ndarray, "picture 2"]  # height, width
    picture: Int64[np.ndarray, "example"]
    xy: Float32[np.ndarray, "example animal keypoint 2"]
    individual: Int64[np.ndarray, "example animal"]
    centre: Float32[np.ndarray, "example 2"]  # of the window; NaN: the whole picture is shown
    scale: float
    centroid: bool = False  # whether only the middle of each animal is asked for
    conditions: Conditioning | None = None  # how crops are cut around them, of an animal and those beside it

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, rows: Int64[np.ndarray, "chosen"]) -> Examples:
        chosen = {name: getattr(self, name)[rows] for name in ("picture", "xy", "individual", "centre")}
        return replace(self, **chosen)


@dataclass(frozen=True, slots=True)
class Placed:
    """Labels by picture: (picture, animal, ...), filled up with NaN to the largest number of animals."""

    xy: Float32[np.ndarray, "picture animal keypoint 2"]
    individual: Int64[np.ndarray, "picture animal"]


def placed(labels: Labels) -> Placed:
    """Labels as arrays; pixels of the frames."""
    poses, pictures = labels.poses, len(labels.images)
    counts = np.bincount(poses.frame, minlength=pictures)
    animal = np.arange(len(poses)) - np.repeat(np.cumsum(counts) - counts, counts)
    animals, keypoints = max(int(counts.max(initial=0)), 1), len(poses.skeleton.keypoints)
    xy = np.full((pictures, animals, keypoints, 2), np.nan, np.float32)
    individual = np.full((pictures, animals), -1, np.int64)
    xy[poses.frame, animal] = poses.xy
    individual[poses.frame, animal] = poses.individual
    return Placed(xy, individual)


def centroids(xy: Float32[np.ndarray, "*any keypoint 2"]) -> Float32[np.ndarray, "*any 2"]:
    """The middle of the box around an animal's keypoints; NaN without any."""
    seen = np.isfinite(xy)
    low, high = np.where(seen, xy, np.inf).min(-2), np.where(seen, xy, -np.inf).max(-2)
    there = np.isfinite(low)
    middle: Float32[np.ndarray, "*any 2"] = np.full(low.shape, np.nan, np.float32)
    middle[there] = (low[there] + high[there]) / 2
    return middle


def load_pictures(
    labels: Labels,
    sizes: Int64[np.ndarray, "picture 2"],
    preparation: Preparation,
    path: Path,
    progress: Progress,
) -> None:
    """Write all pictures of frames of `sizes`, prepared but not padded, into an array file at `path`.

    Raises:
        DataError: a picture can be read no more, or has another size.
    """
    tall, wide = (int(side) for side in scaled_size(sizes, preparation).max(0))
    channels = 1 if preparation.color == "gray" else 3
    with disk_errors(path):
        mapped = np.lib.format.open_memmap(path, "w+", np.uint8, (len(sizes), tall, wide, channels))
        _allocate(path)
    bare = preparation.model_copy(update={"pad_to": 1})
    for number, picture in enumerate(read_pictures(labels.images)):
        if picture is None or picture.shape[:2] != tuple(sizes[number]):
            raise DataError("a labelled image has changed", where=labels.images[number].path)
        ready = to_pictures(fit(picture[None], bare).images, bare)[0]
        mapped[number, : ready.shape[0], : ready.shape[1]] = ready
        progress("reading labelled images", number + 1, len(sizes))
    mapped.flush()


def _allocate(path: Path) -> None:
    """Give a file all of its bytes now: a disk that is full later would end the process without a word."""
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def scaled_size(sizes: Int64[np.ndarray, "*any 2"], preparation: Preparation) -> Int64[np.ndarray, "*any 2"]:
    """Heights and widths of what `to_pictures` makes of frames, before padding."""
    return np.ceil(sizes * preparation.scale).astype(np.int64)


def order(n: int, batch: int, step: int, seed: int) -> Int64[np.ndarray, "batch"]:
    """Which examples a step sees: the next of one permutation after another, known from `step` alone."""
    place = step * batch + np.arange(batch)
    epochs = place // n
    rows = np.empty(batch, np.int64)
    for epoch in np.unique(epochs):
        permutation = np.random.Generator(
            np.random.Philox(key=np.array((seed, epoch), np.uint64))
        ).permutation(n)
        rows[epochs == epoch] = permutation[place[epochs == epoch] % n]
    return rows


def cut(
    pictures: torch.Tensor, picture: torch.Tensor, corner: torch.Tensor, side: Sequence[int]
) -> torch.Tensor:
    """Pieces (batch, height, width, channel) of pictures, by one gathering."""
    if tuple(side) == tuple(pictures.shape[1:3]):
        return pictures[picture]
    rows = corner[:, :1] + torch.arange(side[0], device=corner.device)
    columns = corner[:, 1:] + torch.arange(side[1], device=corner.device)
    return pictures[picture[:, None, None], rows[:, :, None], columns[:, None]]
