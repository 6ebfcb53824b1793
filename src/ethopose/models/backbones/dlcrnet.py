"""DLCRNet: a ResNet whose shallow features are brought down beside its deepest (Lauer et al. 2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ethopose.models.backbones.timm import create_model
from ethopose.models.layers import IMAGENET, Normalise, resized

TAPPED = 2  # the third block of the first and of the second layer


class DLCRNet(nn.Module):
    """Features at `output_stride` of a ResNet, `model` by its name in timm.

    Pictures from 0 to 1 are normalised here by ImageNet's mean and deviation. Source of the layout:
    DeepLabCut 3.0.1.
    """

    def __init__(self, *, in_channels: int = 3, model: str = "resnet50", output_stride: int = 32) -> None:
        super().__init__()
        self.in_channels, self.output_stride = in_channels, output_stride
        self.normalise = Normalise(*IMAGENET, in_channels)
        self.encoder = create_model(model, in_channels, num_classes=0, output_stride=output_stride)
        self.deep = nn.Sequential(_mixed(512, 512, 3, 2), _mixed(512, 128, 1, 1))
        self.shallow = nn.Sequential(_mixed(256, 256, 3, 2), _mixed(256, 256, 3, 2), _mixed(256, 128, 1, 1))
        self.channels = {output_stride: self.encoder.num_features + 256}

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        encoder = self.encoder
        x = encoder.maxpool(encoder.act1(encoder.bn1(encoder.conv1(self.normalise(image)))))
        taps = []
        for layer in (encoder.layer1, encoder.layer2):
            for number, block in enumerate(layer):
                x = block(x)
                if number == TAPPED:
                    taps.append(x.detach())
        x = encoder.layer4(encoder.layer3(x))
        beside = (self.shallow(taps[0]), self.deep(taps[1]))
        fitted = [resized(features, *x.shape[-2:]) for features in beside]
        return {self.output_stride: torch.cat([*fitted, x], 1)}


def _mixed(source: int, target: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(source, target, kernel, stride), nn.BatchNorm2d(target, momentum=0.001), nn.ReLU()
    )
