"""A map an individual, bright wherever that individual's keypoints are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ethopose.models.heads import peaks
from ethopose.models.heads.grid import steps
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria


class ClassMap(nn.Module):
    """Probability of each individual at each place, read at the peaks, taught `sigma` cells around them."""

    finds = ("probability",)
    outputs = ("classes",)

    def __init__(
        self,
        channels: dict[int, int],
        *,
        classes: int,
        stride: int,
        sigma: float = 4.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.sigma, self.classes = stride, sigma, classes
        self.layer = nn.Conv2d(channels[stride], classes, 1)
        self.losses = Criteria({"classes": ("binary_cross_entropy", 1.0)}, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """classes (batch class height width), 0 to 1."""
        return {"classes": self.layer(features[self.stride]).float().sigmoid()}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """probability (batch keypoint peak class): the maps at the cell nearest to each peak."""
        maps = outputs["classes"]
        height, width = maps.shape[-2:]
        cells = (found["xy"] / self.stride).round()
        column = cells[:, None, ..., 0].clamp(0, width - 1).long()
        row = cells[:, None, ..., 1].clamp(0, height - 1).long()
        shape = (-1, maps.shape[1], -1, -1)
        read = peaks.at(maps, column.expand(shape), row.expand(shape))
        return {"probability": read.permute(0, 2, 3, 1)}

    def targets(self, truth: Truth) -> Outputs:
        """1 for the individual whose keypoint is nearest, 0 for the others, within sigma * stride px of it;
        NaN elsewhere: only places where peaks may lie are told apart."""
        dx, dy = steps(truth.xy, truth.size, self.stride)
        distance = (dx.square() + dy.square()).nan_to_num(torch.inf).amin(2)
        nearest = distance.min(1)
        owner = truth.individual[:, :, None, None].expand_as(distance).gather(1, nearest.indices[:, None])
        near = (nearest.values <= (self.sigma * self.stride) ** 2)[:, None] & (owner >= 0)
        classes = torch.arange(self.classes, device=owner.device)[:, None, None]
        return {"classes": torch.where(near, (owner == classes).float(), torch.nan)}
