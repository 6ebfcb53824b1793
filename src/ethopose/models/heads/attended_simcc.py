"""A keypoint as two classifications, after keypoints looked at each other (Jiang et al. 2023, RTMPose)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria
from ethopose.models.picture_size import check_size


class AttendedSimCC(nn.Module):
    """Bins of 1 / `split` px across and down, for one animal a picture of one `size` (height, width).

    A convolution of `kernel` makes a map a keypoint of the deepest features, whose cells are brought to
    `width` numbers; gated attention (Hua et al. 2022, keys of `keys`, values `expansion` times as wide) lets
    keypoints look at each other. The keypoint is the highest bin; its confidence the smaller of the two
    values there, of logits times `sharpness`, made probabilities by `softmax`. Taught are Gaussians of
    `sigma` bins, of which as of the logits `beta` times as much are made probabilities. Source: DeepLabCut
    3.0.1, RTMCCHead with SimCCPredictor and KLDiscreteLoss.
    """

    finds = ("xy", "value")
    outputs = ("x", "y")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        size: tuple[int, int],
        split: float = 2.0,
        kernel: int = 7,
        width: int = 256,
        keys: int = 128,
        expansion: int = 2,
        sharpness: tuple[float, float] = (849.0, 849.0),
        softmax: bool = True,
        sigma: float = 5.66,
        beta: float = 10.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.size, self.split = max(channels), tuple(size), split
        self.grid = Grid(self.stride, (self.stride - 1) / 2)
        self.sharpness, self.softmax = sharpness, softmax
        self.sigma, self.beta = sigma, beta
        self.cells = tuple(side // self.stride for side in size)
        self.layer = nn.Conv2d(channels[self.stride], keypoints, kernel, padding=kernel // 2)
        self.norm = ScaleNorm(self.cells[0] * self.cells[1])
        self.widen = nn.Linear(self.cells[0] * self.cells[1], width, bias=False)
        self.attention = GatedAttention(width, keys, expansion)
        rows, columns = (nn.Linear(width, int(side * split), bias=False) for side in size)
        self.across, self.down = columns, rows
        self._criteria = Criteria(dict.fromkeys(self.outputs, ("cross_entropy", 1.0)), loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """x (batch keypoint bin), y (batch keypoint bin): logits.

        Raises:
            SpecError: pictures of another size.
        """
        maps = self.layer(features[self.stride])
        check_size("attended_simcc", [cells * self.stride for cells in maps.shape[-2:]], self.size)
        seen = self.attention(self.widen(self.norm(maps.flatten(2))))
        return {"x": self.across(seen), "y": self.down(seen)}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """The one place of each keypoint: xy in pixels of the prepared image, value."""
        places, values = [], []
        for name, sharpness in zip(self.outputs, self.sharpness, strict=True):
            mass = outputs[name] * sharpness
            mass = mass.softmax(-1) if self.softmax else mass
            values.append(mass.amax(-1, keepdim=True))
            places.append(peaks.first(mass == values[-1]).clamp(max=mass.shape[-1] - 1))
        value = torch.minimum(*values)
        chance = 1 / outputs["x"].shape[-1] if self.softmax else 0.0
        place = torch.where((value > chance)[..., None], torch.stack(places, -1), -1)
        return {"xy": place / self.split, "value": peaks.finite(value)}

    def targets(self, truth: Truth) -> Outputs:
        """What sums to 1 and is highest at the first animal's keypoints; zero without one."""
        seen = truth.xy[:, 0].isfinite().all(-1, keepdim=True)
        targets = {}
        for axis, name in enumerate(self.outputs):
            bins = torch.arange(int(self.size[1 - axis] * self.split), device=seen.device)
            distance = bins - self.split * truth.xy[:, 0, :, axis, None]
            gaussian = torch.exp(-distance.square() / (2 * self.sigma**2))
            targets[name] = torch.where(seen, (self.beta * gaussian).softmax(-1), 0.0)
        return targets

    def losses(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """Of both axes."""
        return self._criteria({name: self.beta * output for name, output in outputs.items()}, targets)


class ScaleNorm(nn.Module):
    """Vectors brought to one length, which is learned (Nguyen and Salazar 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.share = width**-0.5
        self.length = nn.Parameter(torch.ones(1))

    def forward(self, x: Float[Tensor, "*any width"]) -> Tensor:
        """Of the same shape."""
        norm = torch.linalg.norm(x, dim=-1, keepdim=True) * self.share
        scaled: Tensor = x / norm.clamp(min=1e-5) * self.length
        return scaled


class GatedAttention(nn.Module):
    """A gated attention unit over keypoints (Hua et al. 2022), without position."""

    def __init__(self, width: int, keys: int, expansion: int) -> None:
        super().__init__()
        self.wide, self.keys = width * expansion, keys
        self.norm = ScaleNorm(width)
        self.project = nn.Linear(width, 2 * self.wide + keys, bias=False)
        self.gain, self.shift = nn.Parameter(torch.rand(2, keys)), nn.Parameter(torch.zeros(2, keys))
        self.last = nn.Linear(self.wide, width, bias=False)
        self.passing = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "batch keypoint width"]) -> Tensor:
        """Of the same shape."""
        told = functional.silu(self.project(self.norm(x)))
        gate, value, base = torch.split(told, [self.wide, self.wide, self.keys], -1)
        query, key = (base[:, :, None] * self.gain + self.shift).unbind(2)
        look = functional.relu(query @ key.transpose(1, 2) / math.sqrt(self.keys)).square()
        changed: Tensor = self.last(gate * (look @ value))
        return self.passing * x + changed
