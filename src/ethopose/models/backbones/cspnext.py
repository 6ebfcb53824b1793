"""CSPNeXt: stages that send half of the channels through large kernels (Lyu et al. 2022, RTMDet)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ethopose.models.layers import IMAGENET, Normalise, conv_norm_act

WIDTHS = (64, 128, 256, 512, 1024)  # of the stem and of the four stages
BLOCKS = (3, 6, 6, 3)
POOLS = (5, 9, 13)


class CSPNeXt(nn.Module):
    """Features at strides 4 to 32. `width` and `depth` are shares of l's channels and blocks.

    s is 0.5 and 0.33, m 0.75 and 0.67, l 1 and 1, x 1.25 and 1.33. Pictures from 0 to 1 are normalised here
    by ImageNet's mean and deviation.
    """

    def __init__(self, *, in_channels: int = 3, width: float = 0.5, depth: float = 0.33) -> None:
        super().__init__()
        self.in_channels = in_channels
        widths = [int(channels * width) for channels in WIDTHS]
        half = int(WIDTHS[0] * width // 2)
        self.normalise = Normalise(*IMAGENET, in_channels)
        self.stem = nn.Sequential(
            conv_norm_act(in_channels, half, stride=2),
            conv_norm_act(half, half),
            conv_norm_act(half, widths[0]),
        )
        self.stages = nn.ModuleList(
            _stage(source, target, max(round(blocks * depth), 1), last=number == len(BLOCKS) - 1)
            for number, (source, target, blocks) in enumerate(
                zip(widths[:-1], widths[1:], BLOCKS, strict=True)
            )
        )
        self.channels = {4 * 2**number: channels for number, channels in enumerate(widths[1:])}

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        x = self.stem(self.normalise(image))
        features = {}
        for stride, stage in zip(self.channels, self.stages, strict=True):
            x = stage(x)
            features[stride] = x
        return features


def _stage(source: int, target: int, blocks: int, *, last: bool) -> nn.Sequential:
    """The last stage pools over several widths, and its blocks pass nothing by."""
    pools = [Pools(target)] if last else []
    return nn.Sequential(
        conv_norm_act(source, target, stride=2), *pools, Split(target, blocks, passing=not last)
    )


class Pools(nn.Module):
    """What is highest around each cell, over several widths (He et al. 2015)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm_act(channels, channels // 2, 1)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in POOLS)
        self.last = conv_norm_act(channels // 2 * (1 + len(POOLS)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        x = self.first(x)
        mended: Tensor = self.last(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return mended


class Split(nn.Module):
    """Half of the channels go through blocks; both halves are weighed channel by channel, and joined."""

    def __init__(self, channels: int, blocks: int, *, passing: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main, self.short = (conv_norm_act(channels, half, 1) for _ in range(2))
        self.blocks = nn.Sequential(*(Block(half, passing=passing) for _ in range(blocks)))
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * half, 2 * half, 1), nn.Hardsigmoid()
        )
        self.join = conv_norm_act(2 * half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        both = torch.cat([self.blocks(self.main(x)), self.short(x)], 1)
        joined: Tensor = self.join(both * self.attention(both))
        return joined


class Block(nn.Module):
    """A small kernel, then a large one channel by channel; `passing` adds what came in."""

    def __init__(self, channels: int, *, passing: bool) -> None:
        super().__init__()
        self.first = conv_norm_act(channels, channels)
        self.depthwise = conv_norm_act(channels, channels, 5, groups=channels)
        self.pointwise = conv_norm_act(channels, channels, 1)
        self.passing = passing

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        changed: Tensor = self.pointwise(self.depthwise(self.first(x)))
        return x + changed if self.passing else changed
