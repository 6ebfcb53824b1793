"""A small encoder that learns quickly from nothing: it never works at full resolution."""

from __future__ import annotations

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from ethopose.models.layers import conv_norm_act


class Nano(nn.Module):
    """A stem of `width` channels at stride 2, then stages of 2, 4, 6, 8 times that down to `max_stride`.

    `deeper` is how many wide blocks follow the last stage: each sees six times its stride farther. `norm` is
    batch or group. `channels` maps strides to numbers of channels.
    """

    WIDER = (1, 2, 4, 6, 8)

    def __init__(
        self,
        *,
        in_channels: int = 1,
        width: int = 24,
        max_stride: int = 32,
        deeper: int = 0,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        depth = max_stride.bit_length() - 1
        if not 1 <= depth <= len(self.WIDER) or 2**depth != max_stride:
            raise ValueError(f"max_stride is {max_stride}, not one of 2, 4, 8, 16, 32")
        widths = [width * wider for wider in self.WIDER[:depth]]
        self.in_channels = in_channels
        self.channels = {2 ** (level + 1): channels for level, channels in enumerate(widths)}
        self.stem = conv_norm_act(in_channels, width, 5, stride=2, norm=norm)
        self.stages = nn.ModuleList(
            nn.Sequential(conv_norm_act(a, b, stride=2, norm=norm), conv_norm_act(b, b, norm=norm))
            for a, b in itertools.pairwise(widths)
        )

        if deeper:
            wide = (Wide(widths[-1], norm) for _ in range(deeper))
            self.stages[-1] = nn.Sequential(self.stages[-1], *wide)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        x = self.stem(image)
        features = {2: x}
        for level, stage in enumerate(self.stages):
            x = stage(x)
            features[4 << level] = x
        return features


class Wide(nn.Module):
    """Adds what 7 x 7 features around each one tell: channel by channel, then mixed, which costs little."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.around = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.mixed = conv_norm_act(channels, channels, 1, norm=norm)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Tensor:
        """Features of the same shape."""
        added: Tensor = x + self.mixed(self.around(x))
        return added


def receptive_field(max_stride: int, deeper: int = 0) -> int:
    """Side in px of what one of `Nano`'s deepest features sees: the stem's 5, two 3 x 3 a stage, 7 x 7 a
    wide block."""
    return 5 + sum(6 << level for level in range(1, max_stride.bit_length() - 1)) + 6 * max_stride * deeper
