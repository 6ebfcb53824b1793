"""Augmentation: a batch at a time, on the device that trains.

All chance of a batch is drawn on the host from (seed, step) alone, so that neither the number of
processes nor the size of micro-batches changes what a step sees.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from ethopose.train.config import Augmentation

NODES = 5  # of the net that bends a picture, along each side
TILE = 512  # px: side of the noise that all pictures take pieces of
BENT = 24  # iterations that find where a keypoint was moved to
RECTANGLES = 3  # at most, of what is hidden of a picture


@dataclass(frozen=True, slots=True)
class Chance:
    """What was drawn for each picture of a batch."""

    angle: Float32[np.ndarray, "batch"]  # radians, clockwise as seen
    zoom: Float32[np.ndarray, "batch"]  # more than 1: animals appear larger
    shift: Float32[np.ndarray, "batch 2"]  # of the window's sides
    place: Float32[
        np.ndarray, "batch 3"
    ]  # where a small window looks: which animal, x and y beside it, 0 to 1
    bend: Float32[np.ndarray, "batch 2 node node"]  # of the window's shorter side: x, y at the net's nodes
    flip: Bool[np.ndarray, "batch"]
    black: Bool[np.ndarray, "batch"]  # outside of the frame: zeros instead of the nearest pixel
    light: Float32[np.ndarray, "batch 3"]  # brightness added, contrast, gamma
    blur: Float32[np.ndarray, "batch"]  # sigma, px; 0: none
    noise: Float32[np.ndarray, "batch 3"]  # standard deviation, and where in the tile
    hidden: Float32[np.ndarray, "batch rectangle 5"]  # centre and half sides as shares, gray value; NaN: none

    def __getitem__(self, rows: slice) -> Chance:
        return Chance(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw(how: Augmentation, batch: int, key: tuple[int, int], strength: float = 1.0) -> Chance:
    """Chance of a batch from its key, (seed, step); `strength` 0 leaves pictures as they are."""
    rng = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))

    def within(limit: float, *shape: int) -> np.ndarray:
        return (rng.uniform(-limit, limit, (batch, *shape)) * strength).astype(np.float32)

    def some(share: float) -> np.ndarray:
        return rng.random(batch) < share * strength

    rectangles = rng.random((batch, RECTANGLES, 5)).astype(np.float32)
    rectangles[..., 2:4] = 0.5 * (0.05 + 0.15 * rectangles[..., 2:4])
    rectangles[rng.random((batch, RECTANGLES)) > how.erase * strength] = np.nan
    low, high = np.log(how.zoom[0]), np.log(how.zoom[1])
    return Chance(
        angle=np.deg2rad(within(how.rotation)) if how.rotation < 180 else _any_angle(rng, batch, strength),
        zoom=np.exp(rng.uniform(low, high, batch) * strength).astype(np.float32),
        shift=within(how.shift, 2),
        place=rng.random((batch, 3)).astype(np.float32),
        bend=within(1.0, 2, NODES, NODES) * rng.uniform(0, how.bend, (batch, 1, 1, 1)).astype(np.float32),
        flip=some(0.5 if how.flip else 0.0),
        black=rng.random(batch) < 0.5,
        light=np.stack((within(how.brightness), 1 + within(how.contrast), np.exp(within(how.gamma))), 1),
        blur=np.where(some(how.blur), rng.uniform(0.5, 1.5, batch), 0).astype(np.float32),
        noise=np.stack(
            (rng.uniform(0, how.noise, batch) * strength, *rng.integers(0, TILE, (2, batch))), 1
        ).astype(np.float32),
        hidden=rectangles,
    )


def _any_angle(rng: np.random.Generator, batch: int, strength: float) -> np.ndarray:
    """All directions, also late in a training when other ranges shrink: the animal still turns."""
    return (rng.uniform(-np.pi, np.pi, batch) * (strength > 0)).astype(np.float32)


def affine(
    chance: Chance, window: tuple[int, int], centre: Float32[np.ndarray, "batch 2"], middle: np.ndarray
) -> Float32[np.ndarray, "batch 2 3"]:
    """From a pixel of the window (height, width) to the pixel of the picture that it shows.

    `middle` (batch 2) of the window shows `centre` of the picture, apart from the shift.
    """
    cos, sin = np.cos(chance.angle) / chance.zoom, np.sin(chance.angle) / chance.zoom
    mirror = np.where(chance.flip, -1, 1)
    linear = np.stack((np.stack((mirror * cos, sin), 1), np.stack((-mirror * sin, cos), 1)), 1)
    moved = centre + chance.shift * np.array((window[1], window[0]), np.float32)
    offset = moved - np.einsum("bij,bj->bi", linear, middle)
    return np.concatenate((linear, offset[..., None]), 2).astype(np.float32)


def warp(
    pictures: UInt8[Tensor, "batch tall wide channel"],
    matrix: Float[Tensor, "batch 2 3"],
    inside: Float[Tensor, "batch 4"],
    bend: Float[Tensor, "batch 2 height width"],
    black: Bool[Tensor, "batch"],
) -> Float[Tensor, "batch channel height width"]:
    """What the window shows of each picture, 0 to 1, bilinear: at a pixel what is at the pixel plus `bend`,
    by `matrix`. `inside`: left, top, right, bottom pixel of what is frame; beyond it is black, or as the
    nearest pixel of it. Pictures are black beyond their frames."""
    height, width = bend.shape[2:]
    columns = torch.arange(width, device=matrix.device) + bend[:, 0]
    rows = torch.arange(height, device=matrix.device)[:, None] + bend[:, 1]
    limits = torch.where(black[:, None], matrix.new_tensor((-1, -1, 1, 1)) * torch.inf, inside)
    axes = []
    for axis, side in enumerate((pictures.shape[2], pictures.shape[1])):
        a, b, c = (matrix[:, axis, part, None, None] for part in range(3))
        place = torch.addcmul(torch.addcmul(c, a, columns), b, rows)
        low, high = limits[:, axis, None, None], limits[:, axis + 2, None, None]
        axes.append(place.clamp_(low, high).mul_(2 / side).sub_(1 - 1 / side))
    images = pictures.permute(0, 3, 1, 2).float() / 255
    return functional.grid_sample(images, torch.stack(axes, -1), padding_mode="zeros", align_corners=False)


def move(
    xy: Float[Tensor, "batch animal keypoint 2"],
    matrix: Float[Tensor, "batch 2 3"],
    flip: Bool[Tensor, "batch"],
    swap: Int64[Tensor, "keypoint"],
    bend: Float[Tensor, "batch 2 height width"],
) -> Float[Tensor, "batch animal keypoint 2"]:
    """Keypoints of pictures as pixels of the window, where `warp` shows what was under them; NaN outside.
    Mirrored ones change sides (`swap`)."""
    turned = torch.where(flip[:, None, None, None], xy[:, :, swap], xy)
    back = torch.linalg.inv(matrix[:, :, :2])
    straight = torch.einsum("bij,bakj->baki", back, turned - matrix[:, None, None, :, 2])
    side = torch.tensor((bend.shape[3], bend.shape[2]), device=xy.device) - 0.5
    seen = straight
    for _ in range(BENT):  # what is at u + bend(u): nearer by a factor of the bend's slope each time
        grid = (seen.nan_to_num() + 0.5) / (side + 0.5) * 2 - 1
        moved = functional.grid_sample(bend, grid, padding_mode="border", align_corners=False)
        seen = straight - moved.permute(0, 2, 3, 1)
    inside = ((seen >= -0.5) & (seen <= side)).all(-1, keepdim=True)
    return torch.where(inside, seen, torch.nan)


def bending(nodes: Float[Tensor, "batch 2 node node"], window: tuple[int, int]) -> Tensor:
    """How far each pixel of the window is moved, px (batch, 2, height, width): smooth between the nodes."""
    down, across = (_between(nodes.shape[-1], side).to(nodes.device) for side in window)
    return down @ (nodes * min(window)) @ across.T  # by the longer side it would fold narrow pictures


@lru_cache(maxsize=8)
def _between(nodes: int, side: int) -> Float[Tensor, "side node"]:
    """Weights of each node at each of `side` places from the first to the last: bicubic."""
    each = torch.eye(nodes)[None, None]
    return functional.interpolate(each, size=(side, nodes), mode="bicubic", align_corners=True)[0, 0]


def paint(
    images: Float[Tensor, "batch channel height width"], chance: dict[str, Any], tile: Tensor
) -> Float[Tensor, "batch channel height width"]:
    """Light, blur, noise and hidden rectangles."""
    brightness, contrast, gamma = (column[:, None, None, None] for column in chance["light"].T)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = ((images - mean) * contrast + mean + brightness).clamp(0, 1).pow(gamma)
    images = _blurred(images, chance["blur"], chance["blurred"])
    images = images + _noise(chance["noise"], tile, (images.shape[2], images.shape[3]))
    return _with_rectangles(images, chance["hidden"]).clamp(0, 1)


def noise_tile(device: torch.device) -> Float[Tensor, "side side"]:
    """Normal noise, the same everywhere and always."""
    noise = np.random.default_rng(0).standard_normal((TILE, TILE), np.float32)
    return torch.from_numpy(noise).to(device)


def _noise(noise: Float[Tensor, "batch 3"], tile: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (torch.arange(side, device=tile.device) for side in size)
    down, across = noise[:, 1].long(), noise[:, 2].long()
    piece = tile[((down[:, None] + rows) % TILE)[:, :, None], ((across[:, None] + columns) % TILE)[:, None]]
    return (piece * noise[:, :1, None])[:, None]


def _blurred(images: Tensor, sigma: Float[Tensor, "batch"], which: Int64[Tensor, "chosen"]) -> Tensor:
    """Gaussian, by axis, over 5 pixels; each of the chosen pictures with its own sigma."""
    if not len(which):
        return images
    chosen = images[which]
    steps = torch.arange(-2, 3, device=images.device)
    kernel = torch.softmax(-(steps**2) / (2 * sigma[which, None] ** 2), -1).repeat_interleave(
        chosen.shape[1], 0
    )
    flat = functional.pad(chosen.flatten(0, 1)[None], (2, 2, 2, 2), mode="replicate")
    flat = functional.conv2d(flat, kernel[:, None, None], groups=len(kernel))
    flat = functional.conv2d(flat, kernel[:, None, :, None], groups=len(kernel))
    return images.index_copy(0, which, flat[0].view_as(chosen))


def _with_rectangles(images: Tensor, hidden: Float32[np.ndarray, "batch rectangle 5"]) -> Tensor:
    size = np.array((images.shape[3], images.shape[2]))
    for picture, rectangle in np.argwhere(~np.isnan(hidden[..., 0])):
        place, gray = (
            hidden[picture, rectangle, :4].reshape(2, 2) * size,
            float(hidden[picture, rectangle, 4]),
        )
        left, top = np.maximum(place[0] - place[1], 0).astype(int)
        right, bottom = (place[0] + place[1]).astype(int)
        images[picture, :, top:bottom, left:right] = gray
    return images


def on_device(chance: Chance, device: torch.device) -> dict[str, Any]:
    """The arrays of `chance` as tensors; what is hidden, and what is blurred at all, the host decides: it
    would have to wait for the device to tell."""
    arrays = {field.name: getattr(chance, field.name) for field in fields(chance) if field.name != "hidden"}
    tensors = {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in arrays.items()}
    blurred = torch.from_numpy(np.flatnonzero(chance.blur > 0)).to(device, non_blocking=True)
    return {**tensors, "hidden": chance.hidden, "blurred": blurred}
