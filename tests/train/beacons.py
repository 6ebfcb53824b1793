"""Pictures that show where their keypoints are, and a network that sees it: red, green and blue spots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from ethopose.core import Image, Labels, Poses, Skeleton
from ethopose.models.backbones import BACKBONES
from ethopose.models.heads import HEADS
from own_parts import forgotten

SIGMA = 2.0
SKELETON = Skeleton(("left", "right", "nose"), symmetries=((0, 1),))


def spots(xy: np.ndarray, size: tuple[int, int], sigma: float = SIGMA) -> np.ndarray:
    """Black, uint8 RGB; a spot at keypoint k (x, y) in colour k."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    away = (columns - xy[:, 0, None, None]) ** 2 + (rows - xy[:, 1, None, None]) ** 2
    return np.round(255 * np.exp(-away / (2 * sigma**2))).astype(np.uint8).transpose(1, 2, 0)


def centres(images: torch.Tensor) -> torch.Tensor:
    """Centre of mass of each channel of pictures (batch channel height width), px."""
    rows, columns = (torch.arange(side, dtype=images.dtype) for side in images.shape[2:])
    mass = images.sum((2, 3)).clamp_min(1e-6)
    x, y = (images.sum(2) * columns).sum(-1), (images.sum(3) * rows).sum(-1)
    return torch.stack((x / mass, y / mass), -1)


def labelled_spots(folder: Path, xy: np.ndarray, sizes: list[tuple[int, int]]) -> Labels:
    """Images of spots (image keypoint xy), and labels that say where they are."""
    folder.mkdir(parents=True)
    images = tuple(Image(folder / f"img{number:03d}.png") for number in range(len(xy)))
    for image, points, size in zip(images, xy, sizes, strict=True):
        image.path.write_bytes(cv2.imencode(".png", spots(points, size)[..., ::-1])[1].tobytes())
    known = np.ones(xy.shape[:2], np.float32)
    poses = Poses(SKELETON, np.arange(len(xy)), xy.astype(np.float32), known, known[:, 0].copy())
    return Labels(images, poses, np.full(xy.shape[:2], 2, np.uint8))


class Glass(nn.Module):
    """Features that are the picture."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.channels = {1: in_channels}
        self.still = nn.Parameter(torch.zeros(1))

    def forward(self, image: torch.Tensor) -> dict[int, torch.Tensor]:
        return {1: image + 0 * self.still}


class Beacon(nn.Module):
    """Sees each keypoint at the middle of its colour; `together`: one keypoint amid all of them."""

    stride, outputs, finds = 1, ("maps",), ("xy", "value", "next_value")

    def __init__(self, channels: dict[int, int], *, together: bool = False) -> None:
        super().__init__()
        self.together = together

    def forward(self, features: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        maps = features[1]
        return {"maps": maps.sum(1, keepdim=True) if self.together else maps}

    def decode(self, outputs: dict[str, torch.Tensor], found: dict) -> dict[str, torch.Tensor]:
        xy = centres(outputs["maps"])[:, :, None]
        value = outputs["maps"].amax((2, 3))[:, :, None].clamp(0, 1)
        return {"xy": xy, "value": value, "next_value": value[..., 0] - torch.inf}


@contextmanager
def beacons() -> Iterator[None]:
    """A block in which both parts can be named."""
    with forgotten():
        BACKBONES.add("glass")(Glass)
        HEADS.add("beacon")(Beacon)
        yield
