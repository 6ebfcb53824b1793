"""A probability over the cells of a map for each keypoint of one animal, and whether it can be seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.grid import steps
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria


class ProbabilityMap(nn.Module):
    """Logits whose softmax says where the keypoint is if it is in the picture, for one animal a picture.

    The keypoint is the centre of the Gaussian in `patch` x `patch` cells around the highest; its confidence
    their mass times the probability that it can be seen. Trained by cross-entropy against a normalised
    Gaussian of `sigma` cells, it learns from the first steps; squared errors are content with empty maps.
    """

    finds = ("xy", "value")
    outputs = ("logits", "visible")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        stride: int,
        sigma: float = 1.5,
        patch: int = 5,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.sigma, self.patch = stride, sigma, patch
        self.grid = Grid(stride, (stride - 1) / 2)
        self.layer = nn.Conv2d(channels[stride], keypoints, 1)
        nn.init.normal_(self.layer.weight, std=0.001)  # every cell is as likely as any other to begin with
        nn.init.zeros_(self.layer.bias)  # type: ignore[arg-type]  # it has one
        self.visible = nn.Conv1d(keypoints, keypoints, channels[stride], groups=keypoints)
        own = {"logits": ("cross_entropy", 1.0), "visible": ("binary_cross_entropy_logits", 0.1)}
        self.losses = Criteria(own, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """logits (batch keypoint height width); visible (batch keypoint), a logit of the features where the
        keypoint is thought to be, so that neither the picture's size nor what else it shows matters."""
        seen = features[self.stride]
        logits = self.layer(seen)
        there = logits.detach().flatten(2).softmax(-1)
        pooled = there.to(seen.dtype) @ seen.flatten(2).transpose(1, 2)
        return {"logits": logits, "visible": self.visible(pooled)[..., 0]}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """The one peak of each map: xy in pixels of the prepared image, value."""
        logits = outputs["logits"]
        mass = logits.flatten(2).softmax(-1).view(logits.shape)
        column, row, _ = peaks.global_peak(mass)
        x, y, inside = peaks.gaussian(mass, column.to(mass.dtype), row.to(mass.dtype), self.patch)
        xy = torch.stack((x, y), -1) * self.stride + (self.stride - 1) / 2
        return {"xy": xy, "value": peaks.finite(inside * outputs["visible"].sigmoid()[..., None])}

    def targets(self, truth: Truth) -> Outputs:
        """Gaussians that sum to 1 around the keypoints of the first animal; without one the map is zero."""
        dx, dy = steps(truth.xy[:, 0], truth.size, self.stride, middle=True)
        width = self.sigma * self.stride
        across, down = -dx.square() / (2 * width**2), -dy.square() / (2 * width**2)
        mass = across.softmax(-1) * down.softmax(-2)
        seen = truth.xy[:, 0].isfinite().all(-1)
        return {"logits": mass.nan_to_num(), "visible": seen.float()}
