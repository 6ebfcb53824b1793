"""A map a keypoint, bright where the keypoint is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ethopose.core import SpecError
from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.grid import steps
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria

REFINEMENTS = ("integral", "gaussian", "offset", "none")

EMPTY = -4.6  # a logit: maps begin as nearly empty as they are, at 0.01 (Lin et al. 2017, focal loss)


class ConfidenceMap(nn.Module):
    """Gaussian peaks of `sigma` cells at the keypoints; the decode finds all of them, or the highest.

    `peaks_kept` is how many local maxima are kept a keypoint; `single` takes each map's maximum instead.
    `sigmoid` keeps maps between 0 and 1. `refinement` places a peak between cells, by the `patch` x `patch`
    of them around it: integral (their centre of mass), gaussian (that of the Gaussian that fits them), none;
    or by offset, a second output: how far the keypoint is from each cell, in strides.
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
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        if refinement not in REFINEMENTS:
            what = f"no refinement is named {refinement!r}"
            raise SpecError(what, fix=f"choose {', '.join(REFINEMENTS)}")
        self.stride, self.sigma, self.single = stride, sigma, single
        self.grid = Grid(stride)
        self.peaks_kept, self.refinement, self.patch = peaks_kept, refinement, patch
        self.layer = nn.Conv2d(channels[stride], keypoints, 1)
        self.activation: nn.Module = nn.Identity()
        if sigmoid:
            self.activation = nn.Sigmoid()
            nn.init.normal_(self.layer.weight, std=0.001)
            nn.init.constant_(self.layer.bias, EMPTY)  # type: ignore[arg-type]  # it has one
        own = {"maps": ("focal" if sigmoid else "mse", 1.0)}
        self.offsets = None
        if refinement == "offset":
            self.offsets = nn.Conv2d(channels[stride], 2 * keypoints, 1)
            own["offsets"] = "huber", 0.05
        self.outputs = tuple(own)
        self.losses = Criteria(own, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """maps (batch keypoint height width); offsets (batch 2*keypoint height width), x before y."""
        outputs = {"maps": self.activation(self.layer(features[self.stride]).float())}
        if self.offsets is not None:
            outputs["offsets"] = self.offsets(features[self.stride])
        return outputs

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """Peaks: xy in pixels of the prepared image, value, next_value."""
        maps = outputs["maps"]
        if self.single:
            column, row, value = peaks.global_peak(maps)
            x, y = column.to(maps.dtype), row.to(maps.dtype)
            next_value = torch.full_like(value[..., 0], peaks.LOWEST)
        else:
            x, y, value, next_value = peaks.local_peaks(maps, self.peaks_kept)
        if self.refinement == "integral":
            x, y = peaks.integral(maps, x, y, self.patch)
        if self.refinement == "gaussian":
            x, y, _ = peaks.gaussian(maps, x, y, self.patch)
        if self.refinement == "offset":
            column, row = x.floor().long(), y.floor().long()
            x = column + peaks.at(outputs["offsets"][:, ::2], column, row)
            y = row + peaks.at(outputs["offsets"][:, 1::2], column, row)
        return {"xy": torch.stack((x, y), -1) * self.stride, "value": value, "next_value": next_value}

    def targets(self, truth: Truth) -> Outputs:
        """Gaussians of sigma * stride px around each keypoint; of several animals the nearest counts.

        Offsets lead to the nearest animal's keypoint, within 2 sigma of it; NaN elsewhere.
        """
        sigma = self.sigma * self.stride
        dx, dy = steps(truth.xy, truth.size, self.stride)
        distance = (dx.square() + dy.square()).nan_to_num(torch.inf)
        nearest = distance.min(1, keepdim=True)
        targets = {"maps": torch.exp(-nearest.values[:, 0] / (2 * sigma**2))}
        if self.refinement == "offset":
            near = nearest.values[:, 0] <= (2 * sigma) ** 2
            both = [d.expand_as(distance).gather(1, nearest.indices)[:, 0] / -self.stride for d in (dx, dy)]
            offsets = torch.where(near[:, :, None], torch.stack(both, 2), torch.nan)
            targets["offsets"] = offsets.flatten(1, 2)
        return targets
