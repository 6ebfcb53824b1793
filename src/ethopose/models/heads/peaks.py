"""Peaks of maps as arrays of fixed size: where, how high, refined below the pixel.

All of it is plain tensor arithmetic on static shapes, so that one text serves every runtime.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

LOWEST = float("-inf")

# The 5 x 5 cells around a peak: its eight neighbours, those of them before it in scan order, itself.
_DISTANCE = torch.arange(-2, 3).abs()
_NEIGHBOURS = torch.maximum(_DISTANCE[:, None], _DISTANCE) == 1
_BEFORE = _NEIGHBOURS & (torch.arange(25).view(5, 5) < 12)
_MIDDLE = torch.arange(25).view(5, 5) == 12

Maps = Float[Tensor, "batch keypoint height width"]
Cells = Int64[Tensor, "batch keypoint peak"]
Values = Float[Tensor, "batch keypoint peak"]


def global_peak(maps: Maps) -> tuple[Cells, Cells, Values]:
    """Column, row and value of each map's maximum, with one peak a keypoint.

    Row and column are the first that hold the maximum, each for itself (sleap-nn 0.3.5).
    """
    by_row, by_column = maps.amax(-1), maps.amax(-2)
    value = by_row.amax(-1, keepdim=True)
    return first(by_column == value), first(by_row == value), finite(value)


def first_peak(maps: Maps) -> tuple[Cells, Cells, Values]:
    """The same, but the first in scan order of all cells that hold the maximum (DeepLabCut 3.0.1)."""
    height, width = maps.shape[-2:]
    value = maps.amax((-2, -1))[..., None]
    row = first(maps.amax(-1) == value).clamp(max=height - 1)  # a map that is NaN holds no maximum
    in_row = maps.gather(-2, row[..., None].expand(*row.shape, width))[..., 0, :]
    return first(in_row == value).clamp(max=width - 1), row, finite(value)


def local_peaks(maps: Maps, count: int) -> tuple[Values, Values, Values, Float[Tensor, "batch keypoint"]]:
    """x, y and value of the `count` highest peaks in scan order, and the value of the next one.

    Free places have value -inf. Twice as many cells are looked at, since a flat top takes several.
    """
    cells = torch.where(maps == _highest_around(maps), maps, LOWEST).flatten(-2)
    looked_at = min(2 * count, cells.shape[-1] - 1)
    best = cells.topk(looked_at + 1)
    cell = best.indices[..., :looked_at]
    width = maps.shape[-1]
    x, y, value = _settle(maps, cell % width, cell // width, best.values[..., :looked_at])
    kept = value.topk(min(count, looked_at))
    order = kept.indices.gather(-1, cell.gather(-1, kept.indices).argsort(-1))
    left_out = value.scatter(-1, kept.indices, LOWEST).amax(-1)
    next_value = torch.maximum(left_out, best.values[..., -1])
    return x.gather(-1, order), y.gather(-1, order), value.gather(-1, order), next_value


def plateau_peaks(
    maps: Maps, count: int, least: float
) -> tuple[Cells, Cells, Values, Float[Tensor, "batch keypoint"]]:
    """Column, row and value of the `count` highest cells, in scan order, that none of the 5 x 5 around them
    exceeds and that reach `least`; and the value of the next one. Of a flat top every cell counts, and of
    equally high cells the first (DeepLabCut 3.0.1).

    Free places have value -inf.
    """
    pooled = functional.max_pool2d(maps, 5, 1, 2)
    cells = torch.where((maps == pooled) & (maps >= least), maps, LOWEST).flatten(-2)
    size, width = cells.shape[-1], maps.shape[-1]
    count = min(count, size)
    best = cells.topk(min(count + 1, size)).values
    lowest = best[..., count - 1 : count]
    # a runtime may choose among equals as it likes: so whole numbers are chosen among, all different
    turn = torch.arange(size, 0, -1, device=maps.device)
    turn = torch.where(cells > lowest, turn + size, torch.where(cells == lowest, turn, 0))
    chosen = turn.topk(count).indices
    cell = chosen.gather(-1, chosen.argsort(-1))
    left_out = best[..., count:].amax(-1) if count < size else torch.full_like(best[..., 0], LOWEST)
    return cell % width, cell // width, finite(cells.gather(-1, cell)), left_out


def _settle(maps: Maps, column: Cells, row: Cells, value: Values) -> tuple[Values, Values, Values]:
    """Mean column and row of the flat top that starts at each cell, and its value, -inf for no peak.

    A peak exceeds the four neighbours before it in scan order and is not below the four after it.
    Equal neighbours form one peak if they fit into a 2x2 block and no cell around them is as high
    (sleap-nn 0.3.5).
    """
    high = _windows(maps, column, row, 5, LOWEST) >= value[..., None, None]
    tied = high & _NEIGHBOURS.to(maps.device)
    top = tied | _MIDDLE.to(maps.device)
    first = ~(high & _BEFORE.to(maps.device)).flatten(-2).any(-1)
    block = ~tied[..., 3, 1] | ~(tied[..., 2, 3] | tied[..., 3, 3])
    beside = functional.max_pool2d(top.flatten(0, 2).float(), 3, 1, 1).view(top.shape) > 0
    leaks = (high & ~top & beside).flatten(-2).any(-1)
    share = top.float() / top.float().sum((-2, -1), keepdim=True)
    steps = torch.arange(-2, 3, device=maps.device, dtype=maps.dtype)
    x = column + (share * steps).sum((-2, -1))
    y = row + (share * steps[:, None]).sum((-2, -1))
    return x, y, torch.where(first & block & ~leaks, finite(value), LOWEST)


def integral(maps: Maps, x: Tensor, y: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """The centre of mass of the `patch` x `patch` cells around each peak, as it is in the map.

    Values are used raw, negative ones too, and are zero outside (sleap-nn 0.3.5).
    """
    column, row = x.floor().long(), y.floor().long()
    mass = _windows(maps, column, row, patch, 0.0)
    steps = torch.arange(patch, device=maps.device, dtype=maps.dtype) - (patch - 1) / 2
    whole = mass.sum((-2, -1))
    x = column.to(maps.dtype) + (mass * steps).sum((-2, -1)) / whole
    return x, row.to(maps.dtype) + (mass * steps[:, None]).sum((-2, -1)) / whole


def gaussian(maps: Maps, x: Tensor, y: Tensor, patch: int) -> tuple[Values, Values, Values]:
    """x and y of the Gaussian in `patch` x `patch` cells around each peak, and the mass of these cells."""
    column, row = x.floor().long(), y.floor().long()
    mass = _windows(maps, column, row, patch, 0.0).clamp(min=0)
    corner = (patch - 1) // 2
    x, y = (cell - corner + gaussian_centre(mass.sum(axis)) for cell, axis in ((column, -2), (row, -1)))
    return x, y, mass.sum((-2, -1))


def gaussian_centre(mass: Float[Tensor, "*any cell"]) -> Float[Tensor, "*any"]:
    """Where the Gaussian is highest that has this mass, in cells; the mean where it is none.

    The vertex of the parabola that fits the logarithm best where each cell counts by its mass (after
    Guo 2011). A mean is drawn to the middle of the cells, and from the border of a picture inwards.
    """
    weight = mass / mass.sum(-1, keepdim=True)
    steps = torch.arange(mass.shape[-1], device=mass.device, dtype=mass.dtype)
    mean = (weight * steps).sum(-1, keepdim=True)
    line = steps - mean
    spread = (weight * line**2).sum(-1, keepdim=True)
    skew = (weight * line**3).sum(-1, keepdim=True) / spread
    bow = line**2 - skew * line - spread  # with `line` and a constant an orthogonal basis
    height = weight.clamp(min=torch.finfo(mass.dtype).tiny).log()
    slope = (weight * line * height).sum(-1, keepdim=True) / spread
    curve = (weight * bow * height).sum(-1, keepdim=True) / (weight * bow**2).sum(-1, keepdim=True)
    vertex = (mean + skew / 2 - slope / (2 * curve)).clamp(0, mass.shape[-1] - 1)
    return torch.where((curve < 0) & vertex.isfinite(), vertex, mean)[..., 0]


def at(maps: Maps, column: Tensor, row: Tensor) -> Tensor:
    """Map values at cells of the map; maps and cells share their two leading axes.

    Cells of free places may be anything, also what NaN becomes as an integer: they read some cell.
    """
    cells = maps.shape[-2] * maps.shape[-1]
    index = (row * maps.shape[-1] + column).clamp(0, cells - 1)
    return maps.flatten(-2).gather(-1, index.flatten(2)).view(index.shape)


def _windows(maps: Maps, column: Cells, row: Cells, size: int, outside: float) -> Tensor:
    """Cells around each peak: (batch, keypoint, peak, size, size)."""
    height, width = maps.shape[-2:]
    steps = torch.arange(size, device=maps.device) - (size - 1) // 2
    columns = (column[..., None, None] + steps).expand(*column.shape, size, size)
    rows = (row[..., None, None] + steps[:, None]).expand(*row.shape, size, size)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    values = at(maps, columns.clamp(0, width - 1), rows.clamp(0, height - 1))
    return torch.where(inside, values, outside)


def _highest_around(maps: Maps) -> Maps:
    """The maximum over 3 x 3 cells: by axis, which takes OpenVINO a twentieth of its pooling's time."""
    p = functional.pad(maps, (1, 1, 1, 1), value=LOWEST)
    p = torch.maximum(torch.maximum(p[..., :-2, :], p[..., 1:-1, :]), p[..., 2:, :])
    return torch.maximum(torch.maximum(p[..., :-2], p[..., 1:-1]), p[..., 2:])


def finite(value: Values) -> Values:
    """A map that is NaN or infinite has no peak there."""
    return torch.where(value.isfinite(), value, LOWEST)


def clipped(value: Values) -> Values:
    """Between 0 and 1, where there is a peak at all."""
    return torch.where(value > LOWEST, value.clamp(0, 1), LOWEST)


def first(hits: Bool[Tensor, "batch keypoint cell"]) -> Cells:
    """The first index that is true, the size where none is; without argmax, whose choice of equals varies."""
    size = hits.shape[-1]
    return torch.where(hits, torch.arange(size, device=hits.device), size).amin(-1, keepdim=True)
