"""HRNet: branches of several strides side by side, which tell each other what they see (Wang et al. 2020)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ethopose.models.backbones.timm import create_features
from ethopose.models.layers import IMAGENET, Normalise

STRIDES = (4, 8, 16, 32)


class HRNet(nn.Module):
    """The four branches as they leave the last stage, in timm's layout `model` without its classifier.

    `joined` brings all to stride 4 and lays them one over the other; `widened` sends each through the first
    layers of the classifier. Pictures from 0 to 1 are normalised here by ImageNet's mean and deviation.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        model: str = "hrnet_w32",
        joined: bool = False,
        widened: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.joined = in_channels, joined
        self.normalise = Normalise(*IMAGENET, in_channels)
        self.encoder = create_features(
            model, in_channels, out_indices=(1, 2, 3, 4), feature_location="incre" if widened else ""
        )
        widths = self.encoder.feature_info.channels()
        self.channels = {4: sum(widths)} if joined else dict(zip(STRIDES, widths, strict=True))

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        branches = self.encoder(self.normalise(image))
        if not self.joined:
            return dict(zip(STRIDES, branches, strict=True))
        size = branches[0].shape[-2:]
        grown = (functional.interpolate(branch, size, mode="bilinear") for branch in branches[1:])
        return {4: torch.cat([branches[0], *grown], 1)}
