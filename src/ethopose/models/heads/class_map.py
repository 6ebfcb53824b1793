"""A map an individual, bright wherever that individual's keypoints are."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ethopose.models.heads import peaks
from ethopose.models.heads.head import Found


class ClassMap(nn.Module):
    """Probability of each individual at each place, read at the peaks."""

    finds = ("probability",)

    def __init__(self, channels: dict[int, int], *, classes: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.layer = nn.Conv2d(channels[stride], classes, 1)

    def forward(self, features: dict[int, Tensor]) -> Float[Tensor, "batch class height width"]:
        """Class maps, 0 to 1."""
        maps: Tensor = self.layer(features[self.stride]).sigmoid()
        return maps

    def decode(self, maps: Tensor, found: Found) -> Found:
        """probability (batch keypoint peak class): the maps at the cell nearest to each peak."""
        height, width = maps.shape[-2:]
        cells = (found["xy"] / self.stride).round()
        column = cells[:, None, ..., 0].clamp(0, width - 1).long()
        row = cells[:, None, ..., 1].clamp(0, height - 1).long()
        shape = (-1, maps.shape[1], -1, -1)
        read = peaks.at(maps, column.expand(shape), row.expand(shape))
        return {"probability": read.permute(0, 2, 3, 1)}
