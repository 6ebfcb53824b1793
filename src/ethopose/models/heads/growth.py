"""Maps that transposed convolutions grow from deep features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ethopose.core import SpecError


class Growth(nn.Module):
    """Transposed convolutions to `channels`, one after the other, with `kernels` and `strides`; then, with
    `last`, a convolution of that kernel to so many channels: (channels, kernel).

    Nothing is cut off: a kernel of 3 and a stride of 2 make 2n + 1 cells of n, which begin where the
    picture does and end beyond it. Source of the layout: DeepLabCut 3.0.1.
    """

    def __init__(
        self,
        source: int,
        *,
        channels: Sequence[int] = (),
        kernels: Sequence[int] = (),
        strides: Sequence[int] = (),
        last: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not len(channels) == len(kernels) == len(strides) or not (channels or last):
            raise SpecError("a map grows by as many channels, kernels and strides, and by one at least")
        widths = [source, *channels]
        layers: list[nn.Module] = []
        for (before, after), kernel, stride in zip(pairwise(widths), kernels, strides, strict=True):
            layers += [nn.ConvTranspose2d(before, after, kernel, stride), nn.ReLU()]
        self.grow = nn.Sequential(*layers[:-1])
        self.last = nn.Conv2d(widths[-1], last[0], last[1]) if last else nn.Identity()
        self.steps = list(zip(kernels, strides, strict=True))
        self.times = math.prod(strides)  # as many cells as before
        self.channels = last[0] if last else widths[-1]

    def forward(self, features: Tensor) -> Tensor:
        """(batch channel height width), larger."""
        maps: Tensor = self.last(self.grow(features))
        return maps
