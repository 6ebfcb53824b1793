"""Maps and part affinity fields that several stages refine, each seeing what the one before said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.growth import Growth
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.heads.located_map import UNIT, located_targets, map_size
from ethopose.models.losses import Criteria

PAIRS = 2**18  # of peaks, whose lines are read at a time: a wide decode needs no more memory
LEAST = 0.01  # of a smoothed map, that a peak must reach
ONE = 2.0**-23  # cells that each line is longer by, so that none has no length


class StagedFields(nn.Module):
    """Several animals a picture: peaks of smoothed maps, and how well a field an edge agrees with each line.

    Maps (K), offsets (2K) and fields (2 for each of `edges`, if there are any) begin at half the stride
    `source`; `stages` of convolutions read the maps, the fields and `features` channels, each what the one
    before gave; then they grow as `maps`, `offsets` and `fields` say (`Growth`). Maps are brought between 0
    and 1 by `sigmoid`; offsets count in `unit` px. Taught are maps and offsets within `reach` px of a
    keypoint, and fields within `width` px of a line. Peaks are the highest of 5 x 5 cells of maps smoothed by
    a Gaussian of `sigma` cells, the `peaks_kept` highest a keypoint: as many as there are animals, for no
    more are ever linked. Where also others count, `every` tells of those that are left out, and how long
    lines are. A line is scored along `kept` edges by the length of the field's integral over its whole cells,
    a cell. Source: DeepLabCut 3.0.1, DLCRNetHead with PartAffinityFieldPredictor; Lauer et al. 2022.
    """

    kernel: Tensor

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        edges: Sequence[tuple[int, int]],
        source: int,
        maps: Mapping[str, Any],
        offsets: Mapping[str, Any],
        fields: Mapping[str, Any],
        kept: Sequence[int] | None = None,
        stages: int = 5,
        features: int = 128,
        sigma: float = 1.0,
        sigmoid: bool = True,
        unit: float = UNIT,
        reach: float = 17.0,
        width: float = 20.0,
        peaks_kept: int = 32,
        every: bool = False,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.source, self.edges, self.peaks_kept = source, [tuple(edge) for edge in edges], peaks_kept
        self.kept = list(range(len(edges)) if kept is None else kept)
        self.sigmoid, self.unit, self.reach, self.width = sigmoid, unit, reach, width
        self.keypoints, self.grid = keypoints, Grid(source, source / 2)
        wide, refined = channels[source], {"maps": keypoints} | ({"fields": 2 * len(edges)} if edges else {})
        told = features + sum(refined.values()) if stages else wide
        begin = {**refined, "features": features, "offsets": 2 * keypoints} if stages else {}
        self.begin = nn.ModuleDict({k: nn.ConvTranspose2d(wide, n, 3, 2, 1, 1) for k, n in begin.items()})
        self.refine = nn.ModuleList(
            nn.ModuleDict({k: nn.Conv2d(told, n, 3, padding="same") for k, n in refined.items()})
            for _ in range(stages)
        )
        self.maps = Growth(told, **maps)
        self.offsets = Growth(2 * keypoints if stages else wide, **offsets)
        self.fields = Growth(told, **fields) if edges else None
        self.stride = source / self.maps.times / (2 if stages else 1)
        self.register_buffer("kernel", _gaussian(sigma), persistent=False)
        own = {"maps": ("binary_cross_entropy_logits", 1.0), "offsets": ("huber", 0.05)}
        own |= {"fields": ("huber", 0.1)} if edges else {}
        self.outputs, self.losses = tuple(own), Criteria(own, loss, weight)
        self.finds = ("xy", "value", *(("line_score",) if edges else ()))
        if every:
            self.finds += ("next_value", *(("line_length",) if edges else ()))

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """maps (batch keypoint height width); offsets (batch 2*keypoint ...) and fields (batch 2*edge ...), x
        before y."""
        told = offsets = features[self.source]
        if self.begin:
            begun = {name: layer(told) for name, layer in self.begin.items()}
            offsets, rest = begun.pop("offsets"), begun.pop("features")
            told = torch.cat((*begun.values(), rest), 1)
            steps: list[nn.ModuleDict] = list(self.refine)  # type: ignore[arg-type]
            for number, step in enumerate(steps):
                before = begun["maps"]
                begun = {name: layer(told) for name, layer in step.items()}
                begun["maps"] = begun["maps"] + before if number else begun["maps"]
                told = torch.cat((*begun.values(), rest), 1)
        outputs = {"maps": self.maps(told), "offsets": self.offsets(offsets)}
        return outputs if self.fields is None else outputs | {"fields": self.fields(told)}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """Peaks: xy in pixels of the prepared image, value; line_score a kept edge."""
        maps = outputs["maps"].sigmoid() if self.sigmoid else outputs["maps"]
        across, down = self.kernel.view(1, 1, 1, -1), self.kernel.view(1, 1, -1, 1)
        flat = maps.flatten(0, 1)[:, None]
        smooth = functional.conv2d(functional.conv2d(flat, across, padding="same"), down, padding="same")
        column, row, value, next_value = peaks.plateau_peaks(smooth.view(maps.shape), self.peaks_kept, LEAST)
        both = [peaks.at(outputs["offsets"][:, axis::2], column, row) for axis in (0, 1)]
        xy = (
            torch.stack((column, row), -1) * self.stride
            + self.stride // 2
            + self.unit * torch.stack(both, -1)
        )
        told = {"xy": xy, "value": value, "next_value": next_value}
        if self.edges:
            step = max(PAIRS // (column.shape[0] * column.shape[2] ** 2), 1)
            kept = [self.kept[first : first + step] for first in range(0, len(self.kept), step)]
            lines = [self._lines(outputs["fields"], column, row, some) for some in kept]
            told["line_score"], told["line_length"] = map(_joined, zip(*lines, strict=True))
        return {name: told[name] for name in self.finds}

    def _lines(self, fields: Tensor, column: Tensor, row: Tensor, edges: list[int]) -> tuple[Tensor, Tensor]:
        """Scores and lengths (batch, edge, source peak, destination peak), in thousandths."""
        ends = [[self.edges[edge][end] for edge in edges] for end in (0, 1)]
        points, length = [], torch.zeros((), device=fields.device)
        for cells, size in ((column, fields.shape[-1]), (row, fields.shape[-2])):
            start, stop = cells[:, ends[0], :, None], cells[:, ends[1], None]
            length = length + (stop - start).float().square()
            points.append(_between(start, stop, size))
        length = length.sqrt() + ONE
        total = torch.zeros_like(length)
        for axis, along in enumerate(points):
            channel = [2 * edge + axis for edge in edges]
            field = peaks.at(fields[:, channel], *points)
            step = (along[..., 1:] - along[..., :-1]).float()
            total = total + (step * (field[..., 1:] + field[..., :-1]) / 2).sum(-1).square()
        score = total.sqrt() / length
        return (score * 1000).round() / 1000, (length * 1000).round() / 1000

    def targets(self, truth: Truth) -> Outputs:
        """1 within `reach` px of a keypoint, and the way there; unit vectors along edges, which fade over
        `width` px to either side; of several animals the last counts."""
        truth = truth.of(slice(self.keypoints))
        size = map_size(
            truth.size, self.source, [(2, 2), *self.maps.steps] if self.begin else self.maps.steps
        )
        targets = located_targets(truth.xy, size, self.stride, self.reach, self.unit)
        if not self.edges:
            return targets
        columns, rows = (
            (torch.arange(cells, device=truth.xy.device) + 0.5) * self.stride for cells in (size[1], size[0])
        )
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
        fields = torch.zeros((len(truth.xy), len(self.edges), *size, 2), device=truth.xy.device)
        starts, stops = ([edge[end] for edge in self.edges] for end in (0, 1))
        for animal in truth.xy.unbind(1):
            line = (animal[:, stops] - animal[:, starts])[:, :, None, None]
            length = line.square().sum(-1, keepdim=True).sqrt()
            unit = line / length
            offset = grid - animal[:, starts][:, :, None, None]
            along = (offset * unit).sum(-1, keepdim=True)
            aside = (offset[..., :1] * unit[..., 1:] - offset[..., 1:] * unit[..., :1]).abs()
            inside = (along >= 0) & (along <= length) & (aside <= self.width)
            fields = torch.where(inside, unit * (1 - aside / self.width), fields)
        return {**targets, "fields": fields.permute(0, 1, 4, 2, 3).flatten(1, 2)}


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """One after the other; OpenVINO forgets the name of a single one that is joined to nothing."""
    return torch.cat(list(parts), 1) if len(parts) > 1 else parts[0]


def _between(start: Tensor, stop: Tensor, size: int) -> Tensor:
    """Ten cells from one to another, both of `size`, cut off to whole ones.

    What is added to the first is looked up: where a runtime fuses product and sum, another cell results.
    """
    way = torch.arange(1 - size, size, dtype=torch.float32, device=start.device)
    steps = way[:, None] * torch.linspace(0, 1, 10, device=start.device)
    return (start[..., None] + steps[stop - start + size - 1]).long()


def _gaussian(sigma: float) -> Tensor:
    """Eleven weights that sum to 1."""
    steps = torch.arange(-5, 6, dtype=torch.float32)
    return (-(steps**2) / (2 * sigma**2)).softmax(0)
