"""Batches: examples as a step sees them, windows cut, augmented and drawn on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from ethopose.core import Skeleton
from ethopose.models.heads.head import Truth
from ethopose.train.augment import Chance, affine, bending, draw, move, noise_tile, on_device, paint, warp
from ethopose.train.config import Augmentation
from ethopose.train.examples import Examples, centroids, cut, order

BESIDE = 0.75  # of the small windows are beside an animal, others anywhere
OVERSHOOT = 1.3  # how far beyond its nodes a bend may reach between them
RESIDENT = 0.25  # of a device's free memory that pictures may fill
STILL = Augmentation(rotation=0, zoom=(1, 1), shift=0, bend=0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures from 0 to 1, and what people placed in them."""

    images: Float[Tensor, "batch channel height width"]  # conditions, if there are any, come after colours
    truth: Truth
    scale: Float32[np.ndarray, "batch 2"]  # px of the picture that a px of the frame is, x before y


class Batches:
    """The batches of a training: a pure function of the step.

    Windows show an example's centre, the whole picture, or where they are smaller than it a place near one
    of its animals.
    """

    def __init__(
        self,
        examples: Examples,
        window: tuple[int, int],
        how: Augmentation,
        skeleton: Skeleton,
        *,
        batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.examples, self.window, self.how = examples, window, how
        self.batch, self.seed, self.device = batch, seed, device
        self._pictures = _resident(torch.from_numpy(examples.pictures), device)
        self._swap = torch.from_numpy(sides_changed(skeleton, examples.xy.shape[2])).to(device)
        self._tile, self._skeleton = noise_tile(device), skeleton
        self._piece = piece_of(window, how, examples)

    def __call__(self, step: int, rows: slice, strength: float) -> Batch:
        """Those rows of the step's batch; `strength` of the augmentation from 0 to 1."""
        chosen = order(len(self.examples), self.batch, step, self.seed)
        chance = draw(self.how, self.batch, (self.seed, step), strength)[rows]
        return self._make(chosen[rows], chance)

    def plain(self, rows: Int64[np.ndarray, "chosen"]) -> Batch:
        """Examples as they are: whole pictures from their top left, windows around their centres."""
        chance = draw(STILL, len(rows), (self.seed, 0), 0.0)
        chance.black[:] = True
        return self._make(rows, chance, still=True)

    def _make(self, rows: np.ndarray, chance: Chance, *, still: bool = False) -> Batch:
        data = self.examples
        size = data.size[data.picture[rows]].astype(np.float32)
        given = data.centre[rows]
        whole = np.isnan(given).any(1, keepdims=True)
        middle = np.broadcast_to((np.array(self.window[::-1], np.float32) - 1) / 2, given.shape)
        looked_at = middle if still else self._looked_at(rows, size, chance)
        centre = np.where(whole, looked_at, given)
        matrix = affine(chance, self.window, centre, middle)
        shown = centre + chance.shift * np.array(self.window[::-1], np.float32)
        return self._drawn(rows, data.xy[rows], chance, (matrix, shown, self._piece))

    def _looked_at(self, rows: np.ndarray, size: np.ndarray, chance: Chance) -> np.ndarray:
        """Middle of the picture, along axes where the window shows all of it; else beside an animal."""
        window = np.array(self.window, np.float32)
        animals = centroids(self.examples.xy[rows])
        there = np.isfinite(animals).all(-1)
        picked = (chance.place[:, 0] * there.sum(1) / BESIDE).astype(np.int64)
        each = np.arange(len(rows))
        order = np.argsort(~there, axis=1, kind="stable")[each, np.minimum(picked, there.shape[1] - 1)]
        beside = animals[each, order] + (chance.place[:, 1:] - 0.5) * window[::-1]
        anywhere = chance.place[:, 1:] * size[:, ::-1]
        place = np.where((picked < there.sum(1))[:, None], beside, anywhere)
        low, high = window[::-1] / 2, size[:, ::-1] - window[::-1] / 2
        return np.where(low >= high, (size[:, ::-1] - 1) / 2, np.clip(place, low, np.maximum(high, low)))

    def _drawn(
        self,
        rows: np.ndarray,
        xy: Float32[np.ndarray, "batch animal keypoint 2"],
        chance: Chance,
        view: tuple[Float32[np.ndarray, "batch 2 3"], np.ndarray, tuple[int, int]],
    ) -> Batch:
        """What windows show of the examples and of keypoints. `view`: from the window's pixels to those of
        pictures, around which (batch 2) of these, and a piece of them that holds all that is shown."""
        matrix, shown, piece = view
        data, corner = self.examples, self._corner(shown, piece)
        size = data.size[data.picture[rows]]
        matrix[:, :, 2] -= corner[:, ::-1]
        inside = np.concatenate((-corner[:, ::-1], (size - 1 - corner)[:, ::-1]), 1).astype(np.float32)
        drawn = on_device(chance, self.device)
        turn, edge = (torch.from_numpy(array).to(self.device) for array in (matrix, inside))
        place = self._pictures.device
        picture = torch.from_numpy(data.picture[rows]).to(place)
        pieces = cut(self._pictures, picture, torch.from_numpy(corner).to(place), piece)
        pieces = pieces.to(self.device, non_blocking=True)
        bend = bending(drawn["bend"], self.window)
        images = warp(pieces, turn, edge, bend, drawn["black"])
        told = torch.from_numpy(xy - corner[:, None, None, ::-1].astype(np.float32))
        seen = move(told.to(self.device), turn, drawn["flip"], self._swap, bend)
        if data.centroid:
            seen = box_middles(seen)[:, :, None]
        individual = torch.from_numpy(data.individual[rows]).to(self.device)
        truth = Truth(seen, individual, self.window)
        scale = np.full((len(rows), 2), data.scale, np.float32)
        return Batch(paint(images, drawn, self._tile), truth, scale)

    def _corner(
        self, centre: Float[np.ndarray, "batch 2"], piece: tuple[int, int]
    ) -> Int64[np.ndarray, "batch 2"]:
        """Top left (y, x) of the piece of each picture that its window may show."""
        whole = np.array(self.examples.pictures.shape[1:3])
        corner = np.round(centre[:, ::-1]).astype(np.int64) - np.array(piece) // 2
        clipped: np.ndarray = np.clip(corner, 0, np.maximum(whole - piece, 0))
        return clipped


def box_middles(xy: Float[Tensor, "batch animal keypoint 2"]) -> Float[Tensor, "batch animal 2"]:
    """The middle of the box around what is seen of each animal; NaN without any (as `centroids`)."""
    seen = xy.isfinite()
    low, high = xy.where(seen, torch.inf).amin(2), xy.where(seen, -torch.inf).amax(2)
    return torch.where(low.isfinite(), (low + high) / 2, torch.nan)


def sides_changed(skeleton: Skeleton, keypoints: int) -> Int64[np.ndarray, "keypoint"]:
    """Which keypoint of a mirrored picture each one is; itself where there is no symmetry."""
    swap = np.arange(keypoints)
    if keypoints == len(skeleton.keypoints):
        for left, right in skeleton.symmetries:
            swap[left], swap[right] = right, left
    return swap


def piece_of(window: tuple[float, float], how: Augmentation, examples: Examples) -> tuple[int, int]:
    """Height and width of what a window can show, bent, turned and zoomed; at most the whole pictures."""
    bent = 2 * OVERSHOOT * how.bend * min(window)
    reach = math.ceil((math.hypot(*window) + bent) / min(how.zoom[0], 1.0)) + 2  # some are not zoomed at all
    height, width = examples.pictures.shape[1:3]
    return min(reach, height), min(reach, width)


def _resident(pictures: Tensor, device: torch.device) -> Tensor:
    """On the device where they fit in well."""
    if device.type != "cuda":
        return pictures
    free, _ = torch.cuda.mem_get_info(device)
    return pictures.to(device) if pictures.nbytes < RESIDENT * free else pictures
