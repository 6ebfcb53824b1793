"""Which individual a crop shows."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.losses import Criteria


class ClassVector(nn.Module):
    """The deepest features, pooled over the crop, through `layers` layers of `units` to a softmax."""

    finds = ("probability",)
    outputs = ("classes",)

    def __init__(
        self,
        channels: dict[int, int],
        *,
        classes: int,
        layers: int = 1,
        units: int = 64,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.stride = max(channels)
        widths = [channels[self.stride], *([units] * layers)]
        self.hidden = nn.ModuleList(itertools.starmap(nn.Linear, itertools.pairwise(widths)))
        self.last = nn.Linear(widths[-1], classes)
        self.losses = Criteria({"classes": ("binary_cross_entropy", 0.1)}, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """classes (batch class): the probability of each individual."""
        vector = features[self.stride].amax((-2, -1))
        for layer in self.hidden:
            vector = layer(vector).relu()
        return {"classes": self.last(vector).float().softmax(-1)}

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """probability (batch class)."""
        return {"probability": outputs["classes"]}

    def targets(self, truth: Truth) -> Outputs:
        """1 for the individual that the picture was cut around, the first of its animals; NaN for nobody."""
        owner = truth.individual[:, :1]
        classes = torch.arange(self.classes, device=owner.device)
        return {"classes": torch.where(owner >= 0, (owner == classes).float(), torch.nan)}
