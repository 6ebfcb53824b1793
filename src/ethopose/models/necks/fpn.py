"""A light decoder: deep features, brought up step by step and added to shallow ones (Lin et al. 2017)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ethopose.core import SpecError
from ethopose.models.layers import conv_norm_act


class FPN(nn.Module):
    """Features of `width` channels at every stride from the deepest to `stride`. `norm` is batch or group."""

    def __init__(
        self, channels: dict[int, int], *, width: int = 48, stride: int = 4, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.strides = sorted((s for s in channels if s >= stride), reverse=True)
        if not self.strides or self.strides[-1] != stride:
            raise SpecError(f"no features of stride {stride}; the backbone gives {sorted(channels)}")
        self.lateral = nn.ModuleList(nn.Conv2d(channels[s], width, 1) for s in self.strides)
        self.refine = nn.ModuleList(conv_norm_act(width, width, norm=norm) for _ in self.strides)
        self.channels = dict.fromkeys(self.strides, width)

    def forward(
        self, features: dict[int, Float[Tensor, "batch channel height width"]]
    ) -> dict[int, Float[Tensor, "batch channel height width"]]:
        """Feature maps by stride."""
        mended: dict[int, Tensor] = {}
        x: Tensor | None = None
        for stride, lateral, refine in zip(self.strides, self.lateral, self.refine, strict=True):
            skip = lateral(features[stride])
            if x is not None:
                skip = skip + functional.interpolate(x, skip.shape[-2:], mode="nearest")
            x = refine(skip)
            mended[stride] = x
        return mended
