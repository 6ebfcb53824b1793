"""Boxes around animals in two steps: places that may hold one, then a look at each (Ren et al. 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import roi_align

from ethopose.core import SpecError
from ethopose.models.heads import boxes
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.suppression import unrivalled

CELLS = 7  # a proposal is looked at in so many cells each way,
SAMPLES = 2  # each the mean of so many points each way
ALIKE = 0.7  # overlap of proposals of which one goes
SMALLEST = 1e-3  # px that a proposal is wide and tall at least
USUAL = 224, 4  # px of a proposal that is looked at in features of stride 2**4
WEIGHTS = (1.0, 1.0), (10.0, 5.0)  # of the ways to proposals, and from there to boxes
Levels = list[Tensor]


class ProposedBoxes(nn.Module):
    """Of anchors at every cell of a pyramid's `levels`, given by their strides, the `proposals` surest, and
    of each whether it holds an animal and the way to the animal's own box.

    Each level takes `width` of the channels of its stride, in order. Its anchors have `sizes` px, level by
    level, each in all of `ratios` (height over width); they are told by `depth` convolutions. Proposals less
    sure than `min_score` go. They are read by `convolutions` and a layer, or by two layers. Of `classes`, the
    first of which is nothing, the boxes of `kept` are told. It cannot be trained here. Source: torchvision
    0.29, FasterRCNN.
    """

    finds = ("box", "value")
    outputs = ("scores", "ways", "proposals")

    def __init__(
        self,
        channels: dict[int, int],
        *,
        levels: Sequence[int] = (4, 8, 16, 32, 64),
        width: int = 256,
        sizes: Sequence[Sequence[int]] = ((32,), (64,), (128,), (256,), (512,)),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        depth: int = 1,
        convolutions: int = 0,
        proposals: int = 1000,
        min_score: float = 0.0,
        classes: int = 2,
        kept: int = 1,
    ) -> None:
        super().__init__()
        if len(sizes) != len(levels) or len({len(own) for own in sizes}) != 1:
            raise SpecError("every level has anchors, and as many as any other")
        if wrong := [s for s in levels if channels.get(s) != width * list(levels).count(s)]:
            raise SpecError(f"there are no levels of {width} channels at stride {wrong[0]}")
        self.levels, self.width, self.stride = tuple(levels), width, levels[0]
        self.proposals, self.min_score = proposals, min_score
        self.anchors = [anchor_shapes(own, ratios) for own in sizes]
        self.rpn = RPNHead(width, len(self.anchors[0]), depth)
        wide = 1024
        self.look: nn.Module = TwoMLPHead(width * CELLS**2, wide)
        if convolutions:
            self.look = FastRCNNConvFCHead(
                (width, CELLS, CELLS), [width] * convolutions, [wide], norm_layer=nn.BatchNorm2d
            )
        if not 0 < kept < classes:
            raise SpecError(f"there is no class {kept} of {classes}")
        self.kept = kept
        self.last = FastRCNNPredictor(wide, classes)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """scores (batch proposal 2): logits of nobody and of somebody; ways (batch proposal 4);
        proposals (batch proposal 4), without extent where there are fewer."""
        levels = self._levels(features)
        size = features[1].shape[-2:]
        proposals = self._proposals(levels, size)
        scores, ways = self.last(self.look(self._looked_at(levels, proposals)))
        shape = (*proposals.shape[:2], -1)
        shares = proposals / proposals.new_tensor((*size[::-1], *size[::-1]))
        mine = ways.view(shape)[..., 4 * self.kept : 4 * self.kept + 4]
        return {"scores": self._somebody(scores).view(shape), "ways": mine, "proposals": shares}

    def _somebody(self, scores: Float[Tensor, "all class"]) -> Float[Tensor, "all 2"]:
        """Logits of anything else and of the class that is kept, whose softmax gives it the same chance."""
        if scores.shape[1] == 2:
            return scores
        others = torch.cat((scores[:, : self.kept], scores[:, self.kept + 1 :]), 1)
        return torch.stack((others.logsumexp(1), scores[:, self.kept]), 1)

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """box, value: of all of them, in their order."""
        moved = boxes.moved(outputs["proposals"], outputs["ways"], WEIGHTS[1])
        return boxes.surest(moved, outputs["scores"])

    def targets(self, truth: Truth) -> Outputs:
        """None: what it is taught depends on what it proposes.

        Raises:
            SpecError: always.
        """
        raise _untaught()

    def losses(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """None, as there are no targets.

        Raises:
            SpecError: always.
        """
        raise _untaught()

    def _levels(self, features: dict[int, Tensor]) -> Levels:
        waiting = {stride: iter(torch.split(features[stride], self.width, 1)) for stride in set(self.levels)}
        return [next(waiting[stride]) for stride in self.levels]

    def _proposals(self, levels: Levels, size: Sequence[int]) -> Float[Tensor, "batch proposal 4"]:
        """In px of the picture of `size` (height, width); zeros where there are fewer."""
        whole = [cells * self.levels[0] for cells in levels[0].shape[-2:]]
        places, scores = [], []
        for anchors, objectness, ways in zip(self.anchors, *self.rpn(levels), strict=True):
            cells = objectness.shape[-2:]
            steps = [side // count for side, count in zip(whole, cells, strict=True)]
            every = anchor_boxes(anchors, cells, steps).to(levels[0].device)
            place, sure = self._best(every, _flat(objectness, 1)[..., 0], _flat(ways, 4), size)
            places.append(place)
            scores.append(sure)
        surest = torch.cat(scores, 1).sort(dim=1, descending=True, stable=True)  # of equals the first level's
        score, order = (each[:, : self.proposals] for each in surest)
        chosen = torch.cat(places, 1).gather(1, order[..., None].expand(-1, -1, 4))
        return torch.where(score[..., None] >= 0, chosen, 0.0)

    def _best(
        self, anchors: Tensor, objectness: Tensor, ways: Tensor, size: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """The surest places of a level that differ from one another, and how sure; -1 of those that go."""
        top = objectness.topk(min(self.proposals, objectness.shape[1]))
        ways = ways.gather(1, top.indices[..., None].expand(-1, -1, 4))
        placed = boxes.moved(anchors[top.indices], ways, WEIGHTS[0])
        x, y = placed[..., ::2].clamp(0, size[1]), placed[..., 1::2].clamp(0, size[0])
        placed = torch.stack((x, y), -1).flatten(2)
        score = top.values.sigmoid()
        large = (placed[..., 2:] - placed[..., :2] >= SMALLEST).all(-1)
        counts = large & (score >= self.min_score)
        rivals = torch.where(counts, top.values, -torch.inf)  # not `score`, of which many are equal to 1
        kept = unrivalled(placed.detach(), rivals.detach(), ALIKE) > 0
        return placed, torch.where(counts & kept, score, -1.0)

    def _looked_at(self, levels: Levels, proposals: Tensor) -> Float[Tensor, "all channel 7 7"]:
        """Features of each proposal, from the level that fits its size (Lin et al. 2017, eq. 1)."""
        first, last = (int(math.log2(stride)) for stride in (self.levels[0], self.levels[-2]))
        picture = torch.arange(len(proposals), device=proposals.device, dtype=proposals.dtype)
        places = torch.cat((picture[:, None, None].expand(-1, proposals.shape[1], 1), proposals), -1)
        places = places.flatten(0, 1)
        side = (places[:, 3:] - places[:, 1:3]).prod(-1).sqrt()
        level = (USUAL[1] + (side / USUAL[0]).log2() + 1e-6).floor().clamp(first, last)
        seen: Tensor = roi_align(levels[0], places, CELLS, 1 / self.levels[0], SAMPLES)
        for number in range(first + 1, last + 1):
            features = levels[number - first]
            other = roi_align(features, places, CELLS, 1 / 2**number, SAMPLES)
            seen = torch.where((level == number)[:, None, None, None], other, seen)
        return seen


def _untaught() -> SpecError:
    return SpecError("proposed_boxes cannot be trained here", fix="train anchored_boxes with ssdlite")


def anchor_shapes(sizes: Sequence[int], ratios: Sequence[float]) -> Float[Tensor, "anchor 4"]:
    """Anchors around (0, 0), px, in whole numbers: by ratio, then by size."""
    tall = torch.tensor(ratios).sqrt()
    widths = ((1 / tall)[:, None] * torch.tensor(sizes)).flatten()
    heights = (tall[:, None] * torch.tensor(sizes)).flatten()
    return (torch.stack((-widths, -heights, widths, heights), 1) / 2).round()


def anchor_boxes(anchors: Tensor, cells: Sequence[int], steps: Sequence[int]) -> Float[Tensor, "box 4"]:
    """Anchors at every cell, `steps` px (down, right) apart, by row and column."""
    (height, width), (down, right) = cells, steps
    x, y = (
        (torch.arange(width) * right).repeat(height),
        (torch.arange(height) * down).repeat_interleave(width),
    )
    return (torch.stack((x, y, x, y), 1)[:, None] + anchors).flatten(0, 1)


def _flat(maps: Float[Tensor, "batch channel height width"], each: int) -> Float[Tensor, "batch box each"]:
    """`each` numbers of every anchor of every cell, in fp32 at least."""
    batch, _, height, width = maps.shape
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return maps.view(batch, -1, each, height, width).permute(0, 3, 4, 1, 2).flatten(1, 3)
