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
    layers of the classifier. Pictures from 0 to 1 are normalised here by ImageNet's mean and deviation, and
    grown by their mean to multiples of the deepest stride, since the branches have to fit one another.
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
        height, width = image.shape[-2:]
        grown = functional.pad(self.normalise(image), (0, -width % STRIDES[-1], 0, -height % STRIDES[-1]))
        branches = self.encoder(grown)
        if self.joined:
            size = branches[0].shape[-2:]
            rest = (functional.interpolate(branch, size, mode="bilinear") for branch in branches[1:])
            branches = [torch.cat([branches[0], *rest], 1)]
        return {
            stride: branch[..., : -(-height // stride), : -(-width // stride)]
            for stride, branch in zip(self.channels, branches, strict=True)
        }
