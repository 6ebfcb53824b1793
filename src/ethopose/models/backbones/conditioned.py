"""Backbones that see, beside the picture, where a keypoint is thought to be: its conditions.

Each condition is a channel of a picture that is white in one pixel at most (`ethopose.models.conditions`
paints it). What becomes of that pixel, and how the picture meets it, is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ethopose.models.backbones.cspnext import CSPNeXt
from ethopose.models.backbones.hrnet import HRNet
from ethopose.models.backbones.timm import Timm
from ethopose.models.layers import Normalise
from ethopose.models.registry import Registry

WHITE = 255.0
Map = Float[Tensor, "batch channel height width"]

# those that normalise pictures by themselves: here that is done before conditions are added
INNER: Registry[Any] = Registry("backbone", {"hrnet": HRNet, "cspnext": CSPNeXt, "timm": Timm})


class Conditioned(nn.Module):
    """The backbone `inner`, built with `options`, of the sum of the picture and `conditions`, each filtered.

    Both become three channels: the picture by way of `width`, the conditions, spots of `spot` px, at once.
    Source: DeepLabCut 3.0.1, CondPreNet.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        conditions: int,
        inner: str,
        options: Mapping[str, Any] | None = None,
        spot: int = 15,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.in_channels, self.conditions = in_channels, conditions
        self.inner = INNER.build(inner, in_channels=3, **(options or {}))
        self.channels = self.inner.channels
        mean, std = (getattr(self.inner.normalise, name).flatten().tolist() for name in ("mean", "std"))
        self.normalise, self.inner.normalise = Normalise(mean, std, in_channels), nn.Identity()
        self.spots = Spots(spot)
        self.of_picture = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 3, 7, padding=3),
            nn.BatchNorm2d(3),
        )
        self.of_conditions = nn.Sequential(nn.Conv2d(conditions, 3, 7, padding=3), nn.BatchNorm2d(3))

    def forward(self, image: Map) -> dict[int, Tensor]:
        """Feature maps by stride."""
        picture, spots = torch.split(image, [self.in_channels, self.conditions], 1)
        both = self.of_picture(self.normalise(picture)) + self.of_conditions(self.spots(spots))
        features: dict[int, Tensor] = self.inner(both)
        return features


class Spots(nn.Module):
    """White pixels grown to spots of `size` px, so bright that the brightest of a picture's is white, 255.

    As a Gaussian blur of OpenCV, of the deviation that it takes for this size; the picture is mirrored
    beyond its borders. Source: DeepLabCut 3.0.1, StackedKeypointEncoder.
    """

    shape: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        import cv2

        shape = torch.from_numpy(cv2.getGaussianKernel(size, 0)).flatten().float()
        self.register_buffer("shape", shape, persistent=False)

    def forward(self, pixels: Map) -> Map:
        """Of the same shape; nothing where nothing is."""
        half, channels = len(self.shape) // 2, pixels.shape[1]
        grown = functional.pad(pixels, (half,) * 4, mode="reflect")
        row = self.shape.expand(channels, 1, 1, -1)
        blurred = functional.conv2d(grown, row, groups=channels)
        blurred = functional.conv2d(blurred, row.transpose(2, 3), groups=channels)
        brightest = blurred.amax((1, 2, 3), keepdim=True)
        return WHITE * blurred / brightest.clamp(min=torch.finfo(torch.float32).tiny)
