"""What makes a vector of an animal's looks: of its picture, of what was seen at its keypoints, or both."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ethopose.models.layers import GROUP
from ethopose.reid.spec import Spec

WIDTHS = (24, 48, 96, 128)  # channels, halving the picture each
TRUNK = 128  # numbers before the last layer
TOKEN, HEADS, LAYERS = 64, 4, 2

Seen = Mapping[str, Tensor]  # `crop` and `keypoints`, a row an animal


BODY = 0.4, 0.3  # half axes of the ellipse that is looked at, of a crop's width
EDGE = 0.15  # of the ellipse: it fades


class CropNet(nn.Module):
    """Four convolutions of a picture, all of which counts where it is: bodies lie alike in their crops. What
    is around the body is not looked at: the place tells pieces of tracklets apart as well, but no animals."""

    mask: Tensor

    def __init__(self, channels: int, tall: int, wide: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((channels, *WIDTHS[:-1]), WIDTHS, strict=True):
            kernel = 5 if before == channels else 3
            convolution = nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False)
            layers += [convolution, nn.GroupNorm(after // GROUP, after), nn.ReLU()]
        self.register_buffer("mask", _ellipse(tall, wide), persistent=False)
        shrunk = 2 ** len(WIDTHS)
        cells = -(-tall // shrunk) * -(-wide // shrunk)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * cells, TRUNK), nn.ReLU())

    def forward(
        self, crop: UInt8[Tensor, "row tall wide channel"] | Float[Tensor, "row channel tall wide"]
    ) -> Float[Tensor, "row trunk"]:
        """Of pictures of bytes, or of floats about 0."""
        found: Tensor = self.layers(self.mask * (normalised(crop) if crop.dtype == torch.uint8 else crop))
        return found


def _ellipse(tall: int, wide: int) -> Float[Tensor, "tall wide"]:
    y, x = ((torch.arange(side) + 0.5 - side / 2) / wide for side in (tall, wide))
    away = torch.hypot(x / BODY[0], y[:, None] / BODY[1])
    return ((1 + EDGE - away) / EDGE).clamp(0, 1)


def normalised(crop: UInt8[Tensor, "row tall wide channel"]) -> Float[Tensor, "row channel tall wide"]:
    """-2 to 2."""
    return crop.permute(0, 3, 1, 2).float() / 64 - 2


class KeypointNet(nn.Module):
    """A transformer with a token a keypoint; those that are missing (NaN) are not looked at."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, keypoints: int, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(keypoints, size))
        self.register_buffer("deviation", torch.ones(keypoints, size))
        self.token = nn.Linear(size, TOKEN)
        self.place = nn.Parameter(0.02 * torch.randn(keypoints, TOKEN))
        layer = nn.TransformerEncoderLayer(
            TOKEN, HEADS, 2 * TOKEN, dropout=0.1, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.last = nn.Sequential(nn.LayerNorm(TOKEN), nn.Linear(TOKEN, TRUNK), nn.ReLU())

    def forward(self, features: Float[Tensor, "row keypoint size"]) -> Float[Tensor, "row trunk"]:
        """Of a row without any keypoint: of nothing."""
        there = features.isfinite().all(-1)
        told = torch.where(there[..., None], (features - self.mean) / self.deviation, 0.0)
        tokens = self.token(told) + self.place
        missing = ~there & there.any(1, keepdim=True)  # attention to nothing at all would be NaN
        found = self.layers(tokens, src_key_padding_mask=missing)
        share = (~missing).float()[..., None]
        pooled: Tensor = self.last((found * share).sum(1) / share.sum(1))
        return pooled

    def settle(self, features: Float[Tensor, "row keypoint size"]) -> None:
        """Learn the mean and deviation of what it will be given."""
        there = features.isfinite().all(-1, keepdim=True)
        count = there.sum(0).clamp(min=1)
        mean = torch.where(there, features, 0.0).sum(0) / count
        square = torch.where(there, (features - mean) ** 2, 0.0).sum(0) / count
        self.mean.copy_(mean)
        self.deviation.copy_(square.sqrt().clamp(min=1e-3))


class LooksNet(nn.Module):
    """A vector of length 1 from all that is seen of an animal."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        trunks: dict[str, nn.Module] = {}
        if spec.crop is not None:
            trunks["crop"] = CropNet(spec.crop.channels, spec.crop.tall, spec.crop.wide)
        if spec.keypoints is not None:
            trunks["keypoints"] = KeypointNet(spec.keypoints.number, spec.keypoints.size)
        self.trunks = nn.ModuleDict(trunks)
        self.last = nn.Linear(TRUNK * len(trunks), spec.dimensions)

    def forward(self, seen: Seen) -> Float[Tensor, "row dimension"]:
        """Of rows that are seen each way that the network looks."""
        told = [trunk(seen[name]) for name, trunk in self.trunks.items()]
        return functional.normalize(self.last(torch.cat(told, 1)), dim=1)
