"""Layers that several parts are made of."""

from __future__ import annotations

from torch import nn

from ethopose.core import SpecError

GROUP = 8  # channels that group normalisation takes together


def conv_norm_act(
    source: int, target: int, kernel: int = 3, *, stride: int = 1, norm: str = "batch"
) -> nn.Sequential:
    """A convolution that keeps the size (or divides it by `stride`), normalisation, SiLU."""
    convolution = nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=False)
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
