"""Where the cells of a map lie, seen from keypoints."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def steps(
    xy: Float[Tensor, "batch animal keypoint 2"], size: tuple[int, int], stride: int, *, middle: bool = False
) -> tuple[Tensor, Tensor]:
    """From each keypoint to each cell of maps of pictures of `size`, in pixels: dx, dy; NaN where xy is.

    Shapes: (batch, animal, keypoint, 1, width) and (batch, animal, keypoint, height, 1). Cell k is at
    k * stride, or with `middle` at the middle of the pixels it stands for, (k + 0.5) * stride - 0.5.
    """
    shift = (stride - 1) / 2 if middle else 0.0
    rows, columns = (torch.arange(0, side, stride, device=xy.device, dtype=xy.dtype) + shift for side in size)
    return columns - xy[..., 0, None, None], rows[:, None] - xy[..., 1, None, None]
