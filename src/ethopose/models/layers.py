"""Layers that several parts are made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ethopose.core import SpecError

GROUP = 8  # channels that group normalisation takes together
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of its pictures, 0 to 1


class Normalise(nn.Module):
    """Pictures from 0 to 1 less a mean, over a deviation; of gray ones over their mean."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], in_channels: int = 3) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            told = torch.tensor(values).view(-1, 1, 1)
            told = told if in_channels == len(told) else told.mean(0, keepdim=True)
            self.register_buffer(name, told, persistent=False)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> Tensor:
        """Of the same shape."""
        return (image - self.mean) / self.std


def resized(
    features: Float[Tensor, "batch channel height width"], height: int, width: int
) -> Float[Tensor, "batch channel new_height new_width"]:
    """Bilinear with antialiasing, in plain products that every runtime has; as torchvision's
    `resize(antialias=True)` of floats."""
    rows, columns = (
        _shares(old, new).to(features) for old, new in zip(features.shape[-2:], (height, width), strict=True)
    )
    return rows @ features @ columns.T


def _shares(size: int, new_size: int) -> Tensor:
    """How much of each of `size` cells goes into each of `new_size`."""
    step = size / new_size
    centre = step * (torch.arange(new_size) + 0.5)
    distance = (torch.arange(size) + 0.5 - centre[:, None]).abs() / max(step, 1.0)
    shares = (1 - distance).clamp(min=0)
    return shares / shares.sum(1, keepdim=True)


def reading(in_channels: int, convolution: nn.Conv2d) -> nn.Conv2d:
    """The convolution itself if it reads so many channels, else a new one of its layout that does."""
    if convolution.in_channels == in_channels:
        return convolution
    told = {name: getattr(convolution, name) for name in ("kernel_size", "stride", "padding")}
    return nn.Conv2d(in_channels, convolution.out_channels, bias=convolution.bias is not None, **told)


def conv_norm_act(
    source: int, target: int, kernel: int = 3, *, stride: int = 1, norm: str = "batch", groups: int = 1
) -> nn.Sequential:
    """A convolution that keeps the size (or divides it by `stride`), normalisation, SiLU."""
    convolution = nn.Conv2d(source, target, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, normalisation(norm, target), nn.SiLU(inplace=True))


def normalisation(name: str, channels: int) -> nn.Module:
    """`batch` normalisation, or `group`, whose pictures do not see each other.

    Raises:
        SpecError: there is no other.
    """
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "group":
        return nn.GroupNorm(max(channels // GROUP, 1), channels)
    raise SpecError(f"no normalisation is named {name!r}", fix="choose batch or group")
