"""An encoder and decoder with skip connections (Ronneberger et al. 2015), as SLEAP lays it out."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ethopose.core import SpecError


class UNet(nn.Module):
    """Features at every stride of the decoder down from `max_stride` to `output_stride`.

    A level k has int(`filters` * `filters_rate`**k) channels and `convs_per_block` convolutions with kernels
    of `kernel_size`. A stem halves the picture with wide kernels down to `stem_stride` before the encoder
    starts. The decoder grows by bilinear interpolation with `up_interpolate`, else by transposed
    convolutions. `channels` maps each stride that `forward` returns to its
    number of channels; `middle_stride` is the deepest of them.

    Source of the layout: sleap-nn 0.3.5, the `unet` backbone.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        filters: int = 32,
        filters_rate: float = 1.5,
        max_stride: int = 16,
        output_stride: int = 1,
        stem_stride: int | None = None,
        kernel_size: int = 3,
        convs_per_block: int = 2,
        up_interpolate: bool = True,
    ) -> None:
        super().__init__()
        if convs_per_block < 2:
            raise SpecError("a UNet needs convs_per_block of at least 2")
        self.in_channels = in_channels
        stem = _log2(stem_stride or 1, "stem_stride")
        down = _log2(max_stride, "max_stride") - stem
        up = _log2(max_stride, "max_stride") - _log2(output_stride, "output_stride") + stem
        depth = down + stem
        if down < 1 or not 0 <= up <= down + bool(stem):
            strides = f"max_stride {max_stride}, output_stride {output_stride}, stem_stride {stem_stride}"
            raise SpecError(f"no UNet has {strides}")

        def width(level: int) -> int:
            return int(filters * filters_rate**level)

        def convs(source: int, target: int, count: int, kernel: int = kernel_size) -> nn.Sequential:
            pairs = [(source, target)] + [(target, target)] * (count - 1)
            return nn.Sequential(*(ConvRelu(a, b, kernel) for a, b in pairs))

        stem_inputs = [in_channels, *(width(k) for k in range(stem))]
        self.stem = nn.ModuleList(convs(stem_inputs[k], width(k), convs_per_block, 7) for k in range(stem))
        inputs = [stem_inputs[-1], *(width(k + stem) for k in range(down))]
        self.encoder = nn.ModuleList(convs(inputs[k], width(k + stem), convs_per_block) for k in range(down))
        self.middle = nn.Sequential(
            convs(width(depth - 1), width(depth), convs_per_block - 1), convs(width(depth), width(depth), 1)
        )
        # with a stem, one more pool stands between the two: its strides run twice as deep
        self.middle_stride = max_stride * (2 if stem else 1)
        self.channels = {self.middle_stride: width(depth)}
        self.decoder = nn.ModuleList()
        source, stride = width(depth), self.middle_stride
        skips = [width(k + stem) for k in reversed(range(down))] + ([width(stem - 1)] if stem else [])
        for j in range(up):
            target = width(max(0, depth - 1 - j))
            self.decoder.append(
                UpBlock(source, skips[j], target, convs_per_block, kernel_size, up_interpolate)
            )
            source, stride = target, stride // 2
            self.channels[stride] = target

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        skips: list[Tensor] = []
        x = image
        for k, block in enumerate(self.stem):
            x = block(_halve(x) if k else x)
        if len(self.stem):
            x = _halve(x)
            skips.append(x)
        for k, block in enumerate(self.encoder):
            x = block(_halve(x) if k or len(self.stem) else x)
            skips.append(x)
        x = self.middle(_halve(x))
        features, stride = {self.middle_stride: x}, self.middle_stride
        for j, block in enumerate(self.decoder):
            x = block(x, skips[-1 - j])
            stride //= 2
            features[stride] = x
        return features


class ConvRelu(nn.Sequential):
    """A convolution that keeps the size, and a rectifier."""

    def __init__(self, source: int, target: int, kernel: int) -> None:
        super().__init__(nn.Conv2d(source, target, kernel, padding="same"), nn.ReLU())


class UpBlock(nn.Module):
    """Doubles the size, joins the encoder's features of that size, and refines both."""

    def __init__(
        self, source: int, skip: int, target: int, count: int, kernel: int, interpolate: bool
    ) -> None:
        super().__init__()
        self.up: nn.Module
        if interpolate:
            self.up, upped = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), source
        else:
            transposed = nn.ConvTranspose2d(source, target, 3, stride=2, padding=1, output_padding=1)
            self.up, upped = nn.Sequential(transposed, nn.ReLU()), target
        pairs = [(upped + skip, target)] + [(target, target)] * (count - 1)
        self.refine = nn.Sequential(*(ConvRelu(a, b, kernel) for a, b in pairs))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Features at twice the size of `x`."""
        x = self.up(x)
        if x.shape[-2:] != skip.shape[-2:]:
            x = functional.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False)
        refined: Tensor = self.refine(torch.cat((skip, x), dim=1))
        return refined


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, ceil_mode=True)


def _log2(value: int, name: str) -> int:
    exponent = round(math.log2(value))
    if 2**exponent != value:
        raise SpecError(f"{name} is {value}, which is no power of two")
    return exponent
