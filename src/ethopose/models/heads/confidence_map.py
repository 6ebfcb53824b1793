"""A map a keypoint, bright where the keypoint is."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ethopose.core import SpecError
from ethopose.models.heads import peaks
from ethopose.models.heads.head import Found


class ConfidenceMap(nn.Module):
    """Gaussian peaks at the keypoints; the decode finds the highest or all of them.

    `peaks_kept` is how many local maxima are kept a keypoint; 1 with `single` takes each map's
    maximum instead. Refinement is `integral` or `none`.
    """

    finds = ("xy", "value", "next_value")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        stride: int,
        sigma: float = 5.0,
        sigmoid: bool = False,
        single: bool = False,
        peaks_kept: int = 32,
        refinement: str = "integral",
        patch: int = 5,
    ) -> None:
        super().__init__()
        if refinement not in ("integral", "none"):
            raise SpecError(f"no refinement is named {refinement!r}", fix="choose integral or none")
        self.stride, self.sigma, self.single = stride, sigma, single
        self.peaks_kept, self.refinement, self.patch = peaks_kept, refinement, patch
        self.layer = nn.Conv2d(channels[stride], keypoints, 1)
        self.activation = nn.Sigmoid() if sigmoid else nn.Identity()

    def forward(self, features: dict[int, Tensor]) -> Float[Tensor, "batch keypoint height width"]:
        """Confidence maps."""
        maps: Tensor = self.activation(self.layer(features[self.stride]))
        return maps

    def decode(self, maps: Tensor, found: Found) -> Found:
        """Peaks: xy in pixels of the prepared image, value, next_value."""
        if self.single:
            column, row, value = peaks.global_peak(maps)
            x, y = column.to(maps.dtype), row.to(maps.dtype)
            next_value = torch.full_like(value[..., 0], peaks.LOWEST)
        else:
            x, y, value, next_value = peaks.local_peaks(maps, self.peaks_kept)
        if self.refinement == "integral":
            x, y = peaks.integral(maps, x, y, self.patch)
        return {"xy": torch.stack((x, y), -1) * self.stride, "value": value, "next_value": next_value}

    def targets(
        self, xy: Float[Tensor, "batch animal keypoint 2"], size: tuple[int, int]
    ) -> Float[Tensor, "batch keypoint height width"]:
        """Gaussians of sigma * stride px around each keypoint; of several animals the nearest counts."""
        return animal_gaussians(xy, size, self.stride, self.sigma * self.stride).amax(1)

    def loss(self, maps: Tensor, target: Tensor) -> Tensor:
        """Mean squared error."""
        return nn.functional.mse_loss(maps, target)


def animal_gaussians(
    xy: Float[Tensor, "batch animal keypoint 2"], size: tuple[int, int], stride: int, sigma: float
) -> Float[Tensor, "batch animal keypoint height width"]:
    """exp(-d² / 2 sigma²) on the grid 0, stride, 2 stride ...; zero for a keypoint that is NaN."""
    rows = torch.arange(0, size[0], stride, device=xy.device, dtype=xy.dtype)
    columns = torch.arange(0, size[1], stride, device=xy.device, dtype=xy.dtype)
    dx = columns - xy[..., 0, None, None]
    dy = rows[:, None] - xy[..., 1, None, None]
    return torch.exp(-(dx**2 + dy**2) / (2 * sigma**2)).nan_to_num(0.0)
