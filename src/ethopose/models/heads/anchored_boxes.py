"""Boxes around animals, told from default boxes that cover the picture (Liu et al. 2016, SSD)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.ssdlite import SSDLiteHead

from ethopose.models.heads import boxes
from ethopose.models.heads.head import Found, Outputs, Truth

WEIGHTS = (10.0, 5.0)
MATCH = 0.5  # overlap from which a default box is an animal's
NOBODY = 3  # places without an animal that are taught, for each one with


class AnchoredBoxes(nn.Module):
    """Default boxes at every cell of features of some `strides`, of pictures of one `size` (height, width):
    whether an animal is there, and the way to its own box.

    Their sides grow from stride to stride evenly between `scales`, shares of the picture's; each comes as it
    is, once between its size and the next, and lying and standing in each of `ratios`. The `kept` surest are
    found. Taught are boxes `margin` px around an animal's keypoints. Source: torchvision 0.29, SSDLite.
    """

    finds = ("box", "value")
    outputs = ("scores", "ways")
    places: Tensor

    def __init__(
        self,
        channels: dict[int, int],
        *,
        strides: Sequence[int] = (16, 32, 64, 128, 256, 512),
        size: tuple[int, int] = (320, 320),
        scales: tuple[float, float] = (0.2, 0.95),
        ratios: Sequence[float] = (2, 3),
        kept: int = 300,
        margin: float = 20.0,
    ) -> None:
        super().__init__()
        self.strides, self.kept, self.margin = tuple(strides), kept, margin
        self.stride = self.strides[0]
        cells = [tuple(math.ceil(side / stride) for side in size) for stride in self.strides]
        shapes = default_shapes(len(cells), scales, ratios)
        self.register_buffer("places", default_boxes(cells, shapes), persistent=False)
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
        widths = [channels[stride] for stride in self.strides]
        self.layers = SSDLiteHead(widths, [len(each) for each in shapes], 2, norm)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """scores (batch box 2): logits of nobody and of somebody; ways (batch box 4)."""
        told = self.layers([features[stride] for stride in self.strides])
        return {"scores": told["cls_logits"], "ways": told["bbox_regression"]}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """box, value: the surest boxes."""
        return boxes.surest(boxes.moved(self.places, outputs["ways"], WEIGHTS), outputs["scores"], self.kept)

    def targets(self, truth: Truth) -> Outputs:
        """Somebody in every default box that overlaps an animal's by half, and in the one nearest to each
        animal; the ways there, NaN elsewhere."""
        wanted = boxes.of_animals(truth, self.margin)
        overlap = boxes.overlaps(wanted, self.places)
        best = overlap.max(1)
        nearest = (overlap == overlap.amax(2, keepdim=True)) & (overlap > 0)
        animal = torch.where(nearest.any(1), nearest.int().argmax(1), best.indices)
        somebody = (best.values >= MATCH) | nearest.any(1)
        own = wanted.gather(1, animal[..., None].expand(-1, -1, 4))
        ways = boxes.ways_to(self.places, own, WEIGHTS)
        scores = torch.stack((~somebody, somebody), -1).to(ways)
        return {"scores": scores, "ways": torch.where(somebody[..., None], ways, torch.nan)}

    def losses(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """Cross-entropy of the animals' boxes and of three times as many others, those that were wrong most
        (Liu et al. 2016, 2.2); the ways' smooth error; both a share of the animals' boxes."""
        somebody = targets["scores"][..., 1] > 0
        each = functional.cross_entropy(
            outputs["scores"].float().flatten(0, 1), somebody.long().flatten(), reduction="none"
        ).view(somebody.shape)
        number = somebody.sum(1, keepdim=True).clamp(min=1)
        rank = torch.where(somebody, -1.0, each.detach()).argsort(1, descending=True).argsort(1)
        counted = torch.where(somebody | (rank < NOBODY * number), each, 0.0).sum()
        ways = torch.where(somebody[..., None], targets["ways"], 0.0)
        error = functional.smooth_l1_loss(outputs["ways"].float(), ways, reduction="none").sum(-1)
        total = number.sum()
        return {"scores": counted / total, "ways": torch.where(somebody, error, 0.0).sum() / total}


def default_shapes(
    levels: int, scales: tuple[float, float], ratios: Sequence[float]
) -> list[list[tuple[float, float]]]:
    """Widths and heights of the default boxes of each level, in shares of the picture's."""
    sides = [scales[0] + (scales[1] - scales[0]) * level / max(levels - 1, 1) for level in range(levels)]
    shapes = []
    for side, larger in zip(sides, [*sides[1:], 1.0], strict=True):
        between = math.sqrt(side * larger)
        shapes.append([(side, side), (between, between)])
        for root in map(math.sqrt, ratios):
            shapes[-1] += [(side * root, side / root), (side / root, side * root)]
    return shapes


def default_boxes(
    cells: Sequence[tuple[int, ...]], shapes: Sequence[Sequence[tuple[float, float]]]
) -> Float[Tensor, "box 4"]:
    """Every default box of every cell, by level, row and column."""
    made = []
    for (height, width), own in zip(cells, shapes, strict=True):
        rows, columns = (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
        middle = torch.stack((columns.repeat(height), rows.repeat_interleave(width)), -1)[:, None]
        half = 0.5 * torch.tensor(own).clamp(0, 1)
        made.append(torch.cat((middle - half, middle + half), -1).flatten(0, 1))
    return torch.cat(made)
