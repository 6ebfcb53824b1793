"""Maps that tell which individual is where, read at every peak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ethopose.core import SpecError
from ethopose.models.heads import peaks
from ethopose.models.heads.growth import Growth
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.heads.located_map import map_size, ways_to
from ethopose.models.losses import Criteria


class IdentityMap(nn.Module):
    """How likely each of `classes` individuals is at a peak, between the four cells around it.

    `maps` says how they grow from the features of stride `source` (`Growth`); `sigmoid` makes probabilities
    of what lies between the cells. Taught is 1 within `reach` px of an individual's keypoints. Source:
    DeepLabCut 3.0.1, IdentityPredictor with PredictKeypointIdentities.
    """

    finds = ("probability", "nowhere")
    outputs = ("individuals",)

    def __init__(
        self,
        channels: dict[int, int],
        *,
        classes: int,
        source: int,
        maps: Mapping[str, Any],
        sigmoid: bool = True,
        reach: float = 17.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.source, self.classes, self.sigmoid, self.reach = source, classes, sigmoid, reach
        self.maps = Growth(channels[source], **maps)
        if self.maps.channels != classes:
            raise SpecError(f"maps of {classes} individuals do not have {self.maps.channels} channels")
        self.stride = source / self.maps.times
        self.losses = Criteria({"individuals": ("binary_cross_entropy_logits", 1.0)}, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """individuals (batch class height width): logits."""
        return {"individuals": self.maps(features[self.source])}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """probability (batch keypoint peak class) at the whole pixel nearest to each peak; nowhere (batch
        class): that of the top left pixel, where DeepLabCut looks for animals that are not there."""
        maps = outputs["individuals"]
        xy = found["xy"].flatten(1, 2)
        places = torch.cat((xy, torch.zeros_like(xy[:, :1])), 1)[:, None]
        read = self._between(maps, places.expand(-1, maps.shape[1], -1, -1))
        read = read.sigmoid() if self.sigmoid else read
        read = read.transpose(1, 2)
        probability = read[:, :-1].reshape(*found["xy"].shape[:3], self.classes)
        return {"probability": probability, "nowhere": read[:, -1]}

    def _between(self, maps: Tensor, xy: Tensor) -> Tensor:
        """Bilinear values of maps at whole pixels (batch class place 2)."""
        corner, share = [], []
        for axis, cells in enumerate((maps.shape[-1], maps.shape[-2])):
            pixels = int(cells * self.stride)
            pixel = xy[..., axis].nan_to_num(0.0).round().clamp(0, pixels - 1)
            cell = ((pixel + 0.5) * (cells / pixels) - 0.5).clamp(0, cells - 1)
            corner.append(cell.floor().clamp(max=max(cells - 2, 0)).long())
            share.append(cell - corner[-1])
        (column, row), (right, down) = corner, share
        upper, lower = (
            peaks.at(maps, column, row + step) * (1 - right) + peaks.at(maps, column + 1, row + step) * right
            for step in (0, 1)
        )
        return upper * (1 - down) + lower * down

    def targets(self, truth: Truth) -> Outputs:
        """1 within `reach` px of the individual's keypoints, 0 elsewhere."""
        size = map_size(truth.size, self.source, self.maps.steps)
        classes = torch.zeros((len(truth.xy), self.classes, *size), device=truth.xy.device)
        number = torch.arange(self.classes, device=truth.xy.device)[:, None, None]
        for animal, individual in zip(truth.xy.unbind(1), truth.individual.unbind(1), strict=True):
            near = (ways_to(animal, size, self.stride)[0] <= self.reach**2).any(1, keepdim=True)
            classes = torch.where(near & (individual[:, None, None, None] == number), 1.0, classes)
        return {"individuals": classes}
