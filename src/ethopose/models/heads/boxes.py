"""Boxes around animals: how a network tells them from places it knows, and what of it is found.

A box is left, top, right, bottom, in shares of the picture's width and height, 0 to 1, so that no graph has
to know how large the picture was. The way from a place to a box is how far its middle moves, in sizes of the
place, and the logarithm of how much it grows, x before y (Girshick et al. 2014).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ethopose.models.heads.head import Found, Truth
from ethopose.models.heads.peaks import LOWEST, finite

FURTHEST = math.log(1000 / 16)  # no box grows more: torchvision 0.29, BoxCoder

Boxes = Float[Tensor, "*any 4"]


def moved(places: Boxes, ways: Boxes, weights: tuple[float, float]) -> Boxes:
    """Boxes at the end of ways, which count `weights` (of middle, of size) times."""
    low, high = places[..., :2], places[..., 2:]
    size = high - low
    middle = ways[..., :2] / weights[0] * size + (low + 0.5 * size)
    half = 0.5 * (ways[..., 2:] / weights[1]).clamp(max=FURTHEST).exp() * size
    return torch.cat((middle - half, middle + half), -1)


def ways_to(places: Boxes, boxes: Boxes, weights: tuple[float, float]) -> Boxes:
    """The ways that `moved` goes."""
    size, wanted = places[..., 2:] - places[..., :2], boxes[..., 2:] - boxes[..., :2]
    apart = (boxes[..., :2] + boxes[..., 2:] - places[..., :2] - places[..., 2:]) / 2
    return torch.cat((weights[0] * apart / size, weights[1] * (wanted / size).log()), -1)


def surest(
    boxes: Float[Tensor, "batch box 4"], scores: Float[Tensor, "batch box 2"], kept: int | None = None
) -> Found:
    """box (batch kept 4) and value (batch 1 kept): the surest by the logits of nobody and somebody, or all
    in their order."""
    sure = functional.softmax(scores, -1)[..., 1]
    value = finite(torch.where(boxes.isfinite().all(-1), sure, LOWEST))
    if kept is None:
        return {"box": boxes.clamp(0, 1), "value": value[:, None]}
    top = value.topk(min(kept, value.shape[1]))
    box = boxes.clamp(0, 1).gather(1, top.indices[..., None].expand(-1, -1, 4))
    return {"box": box, "value": top.values[:, None]}


def of_animals(truth: Truth, margin: float) -> Float[Tensor, "batch animal 4"]:
    """Boxes around what is seen of each animal, `margin` px wider on every side but no wider than the
    picture; NaN where none is."""
    seen = truth.xy.isfinite().all(-1, keepdim=True)
    low = torch.where(seen, truth.xy, torch.inf).amin(2) - margin
    high = torch.where(seen, truth.xy, -torch.inf).amax(2) + margin
    size = torch.tensor(truth.size[::-1], device=truth.xy.device)
    boxes = torch.cat(((low / size).clamp(0, 1), (high / size).clamp(0, 1)), -1)
    return torch.where(seen.any(2), boxes, torch.nan)


def overlaps(
    boxes: Float[Tensor, "batch animal 4"], places: Float[Tensor, "place 4"]
) -> Float[Tensor, "batch animal place"]:
    """What each box and each place share, as a share of what they cover together; -1 of boxes that are
    NaN."""
    mine, theirs = boxes[:, :, None], places
    low, high = torch.maximum(mine[..., :2], theirs[:, :2]), torch.minimum(mine[..., 2:], theirs[:, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    alone = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (mine, theirs)]
    return (both / (alone[0] + alone[1] - both)).nan_to_num(-1)
