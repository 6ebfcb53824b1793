"""A feature pyramid for detectors: deep features told to shallow ones (Lin et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v3_large, resnet50
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.misc import FrozenBatchNorm2d

from ethopose.core import SpecError
from ethopose.models.layers import IMAGENET, Normalise, reading

WIDTH = 256
Norm = Callable[[int], nn.Module]  # of so many channels


@dataclass(frozen=True, slots=True)
class Body:
    """An encoder of torchvision, the layers whose features are taken, and their strides and channels."""

    build: Callable[[Norm, int], nn.Module]  # with a normalisation, for so many channels
    taken: Mapping[str, str]
    strides: tuple[int, ...]
    channels: tuple[int, ...]


def _resnet(norm: Norm, in_channels: int) -> nn.Module:
    made: Any = resnet50(norm_layer=norm)
    made.conv1 = reading(in_channels, made.conv1)
    encoder: nn.Module = made
    return encoder


def _mobilenet(norm: Norm, in_channels: int) -> nn.Module:
    made: Any = mobilenet_v3_large(norm_layer=norm).features
    made[0][0] = reading(in_channels, made[0][0])
    encoder: nn.Module = made
    return encoder


BODIES = {
    "resnet50": Body(
        _resnet, {f"layer{n}": str(n - 1) for n in range(1, 5)}, (4, 8, 16, 32), (256, 512, 1024, 2048)
    ),
    "mobilenet_v3_large": Body(_mobilenet, {"13": "0", "16": "1"}, (32, 32), (160, 960)),
}
NORMS = {"frozen": FrozenBatchNorm2d, "batch": nn.BatchNorm2d}


class Pyramid(nn.Module):
    """The features of `body` (resnet50, mobilenet_v3_large), brought to 256 channels, each told what those
    below it see; one level more, of twice the deepest stride; and at stride 1 the picture itself.

    Levels of one stride lie one over the other. Its batch normalisation keeps what it is given with `norm`
    frozen, or learns with batch, and adds `eps` to variances; `even` normalises the pyramid too. Pictures
    from 0 to 1 are normalised here by ImageNet's mean and deviation: `times` 2, as those who trained such
    detectors did (DeepLabCut 3.0.1 hands torchvision what is normalised already), or 1; then, with
    `shortest`, their short side is brought to that many px, bilinearly and without antialiasing, unless the
    other would exceed `longest`; then grown by zeros to multiples of `multiple` px. Strides are those of that
    picture.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        body: str = "resnet50",
        norm: str = "frozen",
        even: bool = False,
        eps: float = 1e-5,
        times: int = 2,
        shortest: int | None = None,
        longest: int = 1333,
        multiple: int = 1,
    ) -> None:
        super().__init__()
        if body not in BODIES:
            raise SpecError(f"no pyramid has a body named {body!r}", fix=f"choose {', '.join(BODIES)}")
        self.in_channels, self.multiple = in_channels, multiple
        self.shortest, self.longest = shortest, longest
        self.normalise = nn.Sequential(*(Normalise(*IMAGENET, in_channels) for _ in range(times)))
        told = BODIES[body]
        encoder = told.build(partial(NORMS[norm], eps=eps), in_channels)
        norm_layer = nn.BatchNorm2d if even else None
        self.encoder = BackboneWithFPN(
            encoder, dict(told.taken), list(told.channels), WIDTH, norm_layer=norm_layer
        )
        self.levels = (*told.strides, 2 * told.strides[-1])
        self.channels = {1: in_channels} | {
            stride: WIDTH * self.levels.count(stride) for stride in self.levels
        }

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        image = self.normalise(image)
        if self.shortest is not None:
            height, width = image.shape[-2:]
            ratio = min(self.shortest / min(height, width), self.longest / max(height, width))
            size = math.floor(height * ratio), math.floor(width * ratio)
            image = functional.interpolate(image, size, mode="bilinear")
        height, width = image.shape[-2:]
        grown = functional.pad(image, (0, -width % self.multiple, 0, -height % self.multiple))
        maps = list(self.encoder(grown).values())
        joined = {
            stride: torch.cat([map_ for map_, own in zip(maps, self.levels, strict=True) if own == stride], 1)
            for stride in dict.fromkeys(self.levels)
        }
        return {1: image} | joined
