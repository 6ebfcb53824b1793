"""A keypoint as two classifications, one of its column and one of its row (Li et al. 2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria
from ethopose.models.picture_size import check_size


class SimCC(nn.Module):
    """Logits of each keypoint over `split` bins a pixel, across and down, for one animal a picture.

    A layer reads all cells of the deepest features at once, so that pictures have one `size` (height,
    width) px. The keypoint is the centre of the Gaussian around the highest bin; its confidence is the
    product of the two masses there, within 2 `sigma` px. Layout: RTMPose (Jiang et al. 2023), without its
    attention.
    """

    finds = ("xy", "value")
    outputs = ("x", "y")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        size: tuple[int, int],
        split: int = 2,
        sigma: float = 3.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.size, self.split, self.sigma = max(channels), tuple(size), split, sigma
        self.grid = Grid(self.stride, (self.stride - 1) / 2)
        self.cells = tuple(-(-side // self.stride) for side in size)
        self.layer = nn.Conv2d(channels[self.stride], keypoints, 1)
        rows, columns = (nn.Linear(self.cells[0] * self.cells[1], side * split) for side in size)
        self.across, self.down = columns, rows
        self.losses = Criteria(dict.fromkeys(self.outputs, ("cross_entropy", 1.0)), loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """x (batch keypoint bin), y (batch keypoint bin): logits.

        Raises:
            SpecError: pictures of another size.
        """
        maps = self.layer(features[self.stride])
        if tuple(maps.shape[-2:]) != self.cells:
            check_size("simcc", [cells * self.stride for cells in maps.shape[-2:]], self.size)
        maps = maps.flatten(2)
        return {"x": self.across(maps), "y": self.down(maps)}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """The one place of each keypoint: xy in pixels of the prepared image, value."""
        (x, inside_x), (y, inside_y) = (self._centre(outputs[axis]) for axis in self.outputs)
        return {"xy": torch.stack((x, y), -1), "value": peaks.finite(inside_x * inside_y)}

    def targets(self, truth: Truth) -> Outputs:
        """Gaussians that sum to 1 around the keypoints of the first animal; without one all is zero."""
        seen = truth.xy[:, 0].isfinite().all(-1, keepdim=True)
        targets = {}
        for axis, name in enumerate(self.outputs):
            bins = torch.arange(self.size[1 - axis] * self.split, device=seen.device)
            distance = (bins + 0.5) / self.split - 0.5 - truth.xy[:, 0, :, axis, None]
            mass = (-distance.square() / (2 * self.sigma**2)).softmax(-1)
            targets[name] = torch.where(seen, mass, 0.0)
        return targets

    def _centre(
        self, logits: Float[Tensor, "batch keypoint bin"]
    ) -> tuple[Float[Tensor, "batch keypoint 1"], Float[Tensor, "batch keypoint 1"]]:
        """The place along one axis in px, and the mass around it."""
        mass = logits.softmax(-1)
        radius = round(2 * self.sigma * self.split)
        bins = mass.argmax(-1, keepdim=True) + torch.arange(-radius, radius + 1, device=mass.device)
        last = mass.shape[-1] - 1
        near = mass.gather(-1, bins.clamp(0, last)) * ((bins >= 0) & (bins <= last))
        centre = bins[..., 0] + peaks.gaussian_centre(near)
        return ((centre + 0.5) / self.split - 0.5)[..., None], near.sum(-1, keepdim=True)
