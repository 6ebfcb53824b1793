"""A map a keypoint, and the way from each of its cells to the keypoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ethopose.core import SpecError
from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.growth import Growth
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria

UNIT = 7.2801  # px, that offsets are counted in (Insafutdinov et al. 2016)


class LocatedMap(nn.Module):
    """One animal a picture: the highest cell of a keypoint's map, and with `offsets` the way from its middle.

    `maps` and `offsets` say how each grows from the features of stride `source` (`Growth`). Values are
    brought between 0 and 1 by `sigmoid`, or cut off there by `clip`. Offsets count in `unit` px. Taught are
    Gaussians, and offsets to what lies within `reach` px. Source: DeepLabCut 3.0.1, HeatmapHead with
    HeatmapPredictor.
    """

    finds = ("xy", "value")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        source: int,
        maps: Mapping[str, Any],
        offsets: Mapping[str, Any] | None = None,
        sigmoid: bool = False,
        clip: bool = True,
        unit: float = UNIT,
        reach: float = 17.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.source, self.sigmoid, self.clip = source, sigmoid, clip
        self.unit, self.reach, self.keypoints = unit, reach, keypoints
        self.maps = Growth(channels[source], **maps)
        self.offsets = None if offsets is None else Growth(channels[source], **offsets)
        _check(self.maps, self.offsets, keypoints)
        self.stride = source / self.maps.times
        self.grid = Grid(source, source / 2)
        own = {"maps": ("binary_cross_entropy_logits" if sigmoid else "mse", 1.0)}
        own |= {} if offsets is None else {"offsets": ("huber", 0.05)}
        self.outputs = tuple(own)
        self.losses = Criteria(own, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """maps (batch keypoint height width); offsets (batch 2*keypoint height width), x before y."""
        outputs = {"maps": self.maps(features[self.source])}
        if self.offsets is not None:
            outputs["offsets"] = self.offsets(features[self.source])
        return outputs

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """The one peak of each map: xy in pixels of the prepared image, value."""
        maps = outputs["maps"].sigmoid() if self.sigmoid else outputs["maps"]
        column, row, value = peaks.first_peak(maps)
        xy = torch.stack((column, row), -1) * self.stride + self.stride / 2
        if "offsets" in outputs:
            both = (peaks.at(outputs["offsets"][:, axis::2], column, row) for axis in (0, 1))
            xy = xy + self.unit * torch.stack(tuple(both), -1)
        return {"xy": xy, "value": peaks.clipped(value) if self.clip else value}

    def targets(self, truth: Truth) -> Outputs:
        """Gaussians of 2/3 `reach` px around the keypoints of the one animal, and in reach of them the way
        there; NaN elsewhere. The middle of cell k is at (k + 0.5) * stride."""
        size = map_size(truth.size, self.source, self.maps.steps)
        distance, ways = ways_to(truth.of(slice(self.keypoints)).first, size, self.stride)
        sigma = 2 * self.reach / 3
        targets = {"maps": torch.exp(-distance / (2 * sigma**2)).nan_to_num(0.0)}
        if self.offsets is not None:
            near = (distance <= self.reach**2)[:, :, None]
            targets["offsets"] = torch.where(near, ways / self.unit, torch.nan).flatten(1, 2)
        return targets


def ways_to(xy: Tensor, size: tuple[int, int], stride: float) -> tuple[Tensor, Tensor]:
    """The squared distance of each cell of maps of `size` (height, width) from each keypoint (batch keypoint
    2), px², and the way there, px (batch keypoint 2 height width); NaN where xy is."""
    rows, columns = ((torch.arange(cells, device=xy.device) + 0.5) * stride for cells in size)
    dx, dy = xy[..., 0, None, None] - columns, xy[..., 1, None, None] - rows[:, None]
    ways = torch.stack([way.expand(*xy.shape[:2], *size) for way in (dx, dy)], 2)
    return ways.square().sum(2), ways


def located_targets(
    xy: Tensor, size: tuple[int, int], stride: float, reach: float, unit: float
) -> dict[str, Tensor]:
    """1 within `reach` px of any animal's keypoint, and the way there; of several animals the last counts."""
    maps = torch.zeros((len(xy), xy.shape[2], *size), device=xy.device)
    offsets = torch.full((len(xy), xy.shape[2], 2, *size), torch.nan, device=xy.device)
    for animal in xy.unbind(1):
        distance, ways = ways_to(animal, size, stride)
        near = distance <= reach**2
        maps = torch.where(near, 1.0, maps)
        offsets = torch.where(near[:, :, None], ways / unit, offsets)
    return {"maps": maps, "offsets": offsets.flatten(1, 2)}


def map_size(size: tuple[int, int], source: int, steps: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width of maps that grow from features of stride `source` by kernels and strides."""
    height, width = (-(-side // source) for side in size)
    for kernel, stride in steps:
        height, width = (height - 1) * stride + kernel, (width - 1) * stride + kernel
    return height, width


def _check(maps: Growth, offsets: Growth | None, keypoints: int) -> None:
    wide = maps.channels, None if offsets is None else offsets.channels
    if wide not in ((keypoints, None), (keypoints, 2 * keypoints)):
        raise SpecError(f"maps and offsets of {keypoints} keypoints do not have {wide} channels")
    if offsets is not None and offsets.steps != maps.steps:
        raise SpecError("maps and offsets grow in different steps")
