"""Which individual a crop shows."""

from __future__ import annotations

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from ethopose.models.heads.head import Found


class ClassVector(nn.Module):
    """The deepest features, pooled over the crop, through fully connected layers to a softmax."""

    finds = ("probability",)

    def __init__(self, channels: dict[int, int], *, classes: int, layers: int = 1, units: int = 64) -> None:
        super().__init__()
        self.stride = max(channels)
        widths = [channels[self.stride], *([units] * layers)]
        self.hidden = nn.ModuleList(itertools.starmap(nn.Linear, itertools.pairwise(widths)))
        self.last = nn.Linear(widths[-1], classes)

    def forward(self, features: dict[int, Tensor]) -> Float[Tensor, "batch class"]:
        """Probability of each individual."""
        vector = features[self.stride].amax((-2, -1))
        for layer in self.hidden:
            vector = layer(vector).relu()
        return self.last(vector).softmax(-1)  # type: ignore[no-any-return]

    def decode(self, vector: Tensor, found: Found) -> Found:
        """probability (batch class)."""
        return {"probability": vector}
