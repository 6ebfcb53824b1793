"""Of boxes that overlap too much, the surest: one operation, which every runtime has in its own way."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import nms

NAME = "ethopose::unrivalled"


@torch.library.custom_op(
    NAME, mutates_args=(), schema="(Tensor boxes, Tensor score, float overlap) -> Tensor"
)
def unrivalled(
    boxes: Float[Tensor, "batch box 4"], score: Float[Tensor, "batch box"], overlap: float
) -> Float[Tensor, "batch box"]:
    """1 for boxes (left, top, right, bottom) that share no more than `overlap` of what they cover together
    with any surer one that is itself unrivalled, else 0; of equally sure ones the first is the surer."""
    kept = torch.zeros_like(score)
    for number, (mine, sure) in enumerate(zip(boxes, score, strict=True)):
        kept[number, nms(mine, sure, overlap)] = 1
    return kept


@unrivalled.register_fake
def _(boxes: Tensor, score: Tensor, overlap: float) -> Tensor:
    return torch.empty_like(score)
