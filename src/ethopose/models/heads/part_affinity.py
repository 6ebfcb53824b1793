"""A vector field an edge, pointing from its source to its destination (Cao et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ethopose.models.heads import peaks
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria


class PartAffinity(nn.Module):
    """Channels 2e and 2e + 1 hold x and y of edge e; the decode scores every line between peaks.

    Fields fade with the fourth power of the distance over `sigma` (px²). A line is read at `line_points`
    points; one longer than `max_length_ratio` of the fields' longest side loses up to `length_penalty`.
    """

    finds = ("line_score",)
    outputs = ("fields",)

    def __init__(
        self,
        channels: dict[int, int],
        *,
        edges: list[tuple[int, int]],
        stride: int,
        sigma: float = 15.0,
        line_points: int = 10,
        max_length_ratio: float = 0.25,
        length_penalty: float = 1.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.sigma, self.line_points = stride, sigma, line_points
        self.max_length_ratio, self.length_penalty = max_length_ratio, length_penalty
        self.sources = [source for source, _ in edges]
        self.destinations = [destination for _, destination in edges]
        self.layer = nn.Conv2d(channels[stride], 2 * len(edges), 1)
        self.losses = Criteria({"fields": ("mse", 1.0)}, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """fields (batch 2*edge height width)."""
        return {"fields": self.layer(features[self.stride])}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """line_score: the mean over points of the line of field . unit vector, less where it is long.

        Each point reads its nearest cell. Channels of the fields count as a side. Source: sleap-nn 0.3.5,
        whose interpolation divides the line by 1 + 2**-23; that decides which cell a point exactly
        between two falls to.
        """
        fields = outputs["fields"]
        source = found["xy"][:, self.sources, :, None]
        line = found["xy"][:, self.destinations, None] - source
        steps = torch.linspace(0, 1, self.line_points, device=fields.device)[:, None]
        points = source[..., None, :] + (line / (1 + 2**-23))[..., None, :] * steps
        height, width = fields.shape[-2:]
        column = (points[..., 0] / self.stride).clamp(0, width - 1).round().long()
        row = (points[..., 1] / self.stride).clamp(0, height - 1).round().long()
        along = [peaks.at(fields[:, axis::2], column, row) for axis in (0, 1)]
        length = line.square().sum(-1, keepdim=True).sqrt()
        unit = line / length
        agreement = (along[0] * unit[..., :1] + along[1] * unit[..., 1:]).mean(-1)
        longest = self.max_length_ratio * max(fields.shape[1:]) * self.stride
        penalty = (longest / length[..., 0] - 1).clamp(max=0)
        return {"line_score": agreement + self.length_penalty * penalty}

    def targets(self, truth: Truth) -> Outputs:
        """Unit vectors times exp(-d⁴ / 2 sigma²), d the distance to the edge in px, summed over animals.

        The fourth power is sleap-nn's (0.3.5).
        """
        xy = truth.xy
        source, destination = xy[:, :, self.sources], xy[:, :, self.destinations]
        rows, columns = (
            torch.arange(0, side, self.stride, device=xy.device, dtype=xy.dtype) for side in truth.size
        )
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
        line = (destination - source)[..., None, None, :]
        length = line.square().sum(-1, keepdim=True)
        offset = grid - source[..., None, None, :]
        along = ((offset * line).sum(-1, keepdim=True) / length).clamp(0, 1)
        distance = (offset - along * line).square().sum(-1, keepdim=True)
        fields = line / length.sqrt() * torch.exp(-(distance**2) / (2 * self.sigma**2))
        return {"fields": fields.nan_to_num(0.0).sum(1).permute(0, 1, 4, 2, 3).flatten(1, 2)}
