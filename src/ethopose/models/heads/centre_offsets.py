"""Animals by their centres, and from each centre the way to every keypoint (Geng et al. 2021, DEKR)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import DeformConv2d

from ethopose.models.appearance import Grid
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.heads.peaks import at, finite
from ethopose.models.losses import Criteria


class CentreOffsets(nn.Module):
    """A map a keypoint and one of the centres, and for each cell the keypoints of an animal centred there.

    Maps are made by `map_blocks` residual blocks of `map_width` channels, the offsets of each keypoint by
    `blocks` of `width` that bend their kernels; both kernels are dilated by `dilation`. Maps are brought
    between 0 and 1 by `sigmoid`. The `animals` highest centres of 5 x 5 cells are taken. Where `absorb` is
    given, a keypoint moves to the nearest of its own map's peaks that is less than so many cells away. A
    keypoint's confidence is its centre's, its own map's there, or both multiplied (`confidence`: centre,
    map, both), cut off at 0 and 1 by `clip`. Taught are offsets to what lies within `reach` px of a centre.
    Source: DeepLabCut 3.0.1, DEKRHead with DEKRPredictor.
    """

    finds = ("xy", "value", "centre")
    outputs = ("maps", "offsets")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        animals: int,
        stride: int = 4,
        map_width: int = 32,
        map_blocks: int = 1,
        width: int = 15,
        blocks: int = 2,
        dilation: int = 1,
        sigmoid: bool = False,
        clip: bool = True,
        absorb: float | None = None,
        confidence: str = "both",
        reach: float = 17.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.animals, self.width, self.keypoints = stride, animals, width, keypoints
        self.grid = Grid(stride, stride / 2)
        self.sigmoid, self.clip, self.absorb, self.confidence = sigmoid, clip, absorb, confidence
        self.reach = reach
        wide = channels[stride]
        self.maps_in = _narrowed(wide, map_width)
        self.maps_blocks = nn.Sequential(*(Residual(map_width, dilation) for _ in range(map_blocks)))
        self.maps_last = nn.Conv2d(map_width, keypoints + 1, 1)
        self.offsets_in = _narrowed(wide, keypoints * width)
        self.offsets_blocks = nn.ModuleList(
            nn.Sequential(*(Bending(width, dilation) for _ in range(blocks))) for _ in range(keypoints)
        )
        self.offsets_last = nn.ModuleList(nn.Conv2d(width, 2, 1) for _ in range(keypoints))
        self.losses = Criteria({"maps": ("mse", 1.0), "offsets": ("huber", 0.03)}, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """maps (batch keypoint+1 height width), the last of centres; offsets (batch 2*keypoint height width)
        in cells, from the keypoint to the cell, x before y."""
        seen = features[self.stride]
        each = self.offsets_in(seen).split(self.width, 1)
        offsets = [
            last(blocks(mine))
            for mine, blocks, last in zip(each, self.offsets_blocks, self.offsets_last, strict=True)
        ]
        maps = self.maps_last(self.maps_blocks(self.maps_in(seen)))
        return {"maps": maps, "offsets": torch.cat(offsets, 1)}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """xy in pixels of the prepared image, value; centre (batch peak): how sure the animal is."""
        maps = outputs["maps"].sigmoid() if self.sigmoid else outputs["maps"]
        width = maps.shape[-1]
        best = _peaks(maps[:, -1:]).flatten(2).topk(self.animals)
        centre, cell = best.values[:, 0], best.indices
        offsets = outputs["offsets"]
        ways = at(offsets, *(part.expand(-1, offsets.shape[1], -1) for part in (cell % width, cell // width)))
        middle = torch.stack((cell % width, cell // width), -1)
        xy = middle - torch.stack((ways[:, ::2], ways[:, 1::2]), -1)
        own = maps[:, :-1]
        if self.absorb is not None:
            own = _peaks(own)
            xy = self._absorbed(xy, own, self.absorb)
        value = self._values(xy, own, centre[:, None].expand(xy.shape[:-1]))
        value = value.clamp(0, 1) if self.clip else value
        return {"xy": (xy + 0.5) * self.stride, "value": value, "centre": finite(centre)}

    def _absorbed(self, xy: Tensor, own: Tensor, reach: float) -> Tensor:
        cell = own.flatten(2).topk(self.animals).indices
        places = torch.stack((cell % own.shape[-1], cell // own.shape[-1]), -1).to(xy.dtype)
        distance = (xy[:, :, :, None] - places[:, :, None]).square().sum(-1).sqrt()
        nearest = distance.min(-1)
        moved = places.gather(2, nearest.indices[..., None].expand(xy.shape))
        return torch.where((nearest.values < reach)[..., None], moved, xy)

    def _values(self, xy: Tensor, own: Tensor, centre: Tensor) -> Tensor:
        if self.confidence == "centre":
            return centre
        height, width = own.shape[-2:]
        cells = xy.floor()
        there = at(own, cells[..., 0].clamp(0, width - 1).long(), cells[..., 1].clamp(0, height - 1).long())
        return there if self.confidence == "map" else there * centre

    def targets(self, truth: Truth) -> Outputs:
        """Gaussians of half the `reach` around keypoints and of all of it around centres; within reach of a
        centre the ways from its animal's keypoints, of the smallest animal; NaN elsewhere. The middle of cell
        k is at (k + 0.5) * stride."""
        rows, columns = (
            torch.arange(-(-side // self.stride), device=truth.xy.device, dtype=truth.xy.dtype)
            for side in truth.size
        )
        cells = truth.of(slice(self.keypoints)).xy / self.stride - 0.5
        middle = cells.nanmean(2, keepdim=True)
        places = torch.cat((cells, middle), 2)
        dx, dy = columns - places[..., 0, None, None], rows[:, None] - places[..., 1, None, None]
        sigma = torch.full((places.shape[2], 1, 1), self.reach / 2 / self.stride, device=places.device)
        sigma[-1] *= 2
        distance = (dx.square() + dy.square()).nan_to_num(torch.inf).amin(1)
        maps = torch.exp(-distance / (2 * sigma**2))
        near = (torch.maximum(dx[:, :, -1].abs(), dy[:, :, -1].abs()) <= self.reach / self.stride)[:, :, None]
        shape = dx[:, :, :-1].shape[:3] + distance.shape[-2:]
        ways = torch.stack([way[:, :, :-1].expand(shape) for way in (dx, dy)], 3).flatten(2, 3)
        size = (cells.nan_to_num(-torch.inf).amax(2) - cells.nan_to_num(torch.inf).amin(2)).prod(-1)
        offsets = torch.full_like(ways[:, 0], torch.nan)
        for animal in size.argsort(1, descending=True).unbind(1):
            rows_of = torch.arange(len(animal), device=animal.device), animal
            offsets = torch.where(near[rows_of] & ways[rows_of].isfinite(), ways[rows_of], offsets)
        return {"maps": maps, "offsets": offsets}


def _narrowed(source: int, target: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(source, target, 1, bias=False), nn.BatchNorm2d(target), nn.ReLU(inplace=True)
    )


def _peaks(maps: Float[Tensor, "batch map height width"]) -> Tensor:
    """Maps that are zero but where none of the 5 x 5 cells around is higher."""
    return torch.where(functional.max_pool2d(maps, 5, 1, 2) == maps, maps, 0.0)


class Residual(nn.Module):
    """Two convolutions, and what came in (He et al. 2015)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
            for _ in range(2)
        )
        self.bn1, self.bn2 = (nn.BatchNorm2d(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        changed = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(changed + x)


class Bending(nn.Module):
    """A convolution whose kernel is turned, stretched and moved at every cell as its features say, and what
    came in."""

    grid: Tensor

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        steps = torch.arange(-1.0, 2.0)
        self.register_buffer("grid", torch.stack((steps.repeat_interleave(3), steps.repeat(3))))
        self.turn, self.move = nn.Conv2d(channels, 4, 3, 1, 1), nn.Conv2d(channels, 2, 3, 1, 1)
        self.bent = DeformConv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Tensor:
        """Of the same shape."""
        batch, _, height, width = x.shape
        turn = self.turn(x).permute(0, 2, 3, 1).reshape(-1, 2, 2)
        taps = (turn @ self.grid - self.grid).transpose(1, 2).reshape(batch, height, width, 18)
        taps = taps.permute(0, 3, 1, 2) + self.move(x).repeat(1, 9, 1, 1)
        return functional.relu(self.norm(self.bent(x, taps)) + x)
