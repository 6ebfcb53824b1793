"""A stage's network as it is trained: pictures and truth in, losses out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ethopose.models.build import NetworkGraph
from ethopose.models.heads.head import Truth

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


class LossNetwork(nn.Module):
    """A network with the losses of its heads, so that one call does all that is to be set up for devices."""

    def __init__(self, graph: NetworkGraph, *, freeze_norm: bool = False) -> None:
        super().__init__()
        self.graph = graph
        self._freeze_norm = freeze_norm

    def forward(
        self,
        images: Float[Tensor, "batch channel height width"],
        xy: Float[Tensor, "batch animal keypoint 2"],
        individual: Int64[Tensor, "batch animal"],
    ) -> dict[str, Tensor]:
        """Weighted losses by output; each is a mean over pictures."""
        outputs = self.graph.outputs(images)
        truth = Truth(xy, individual, (images.shape[2], images.shape[3]))
        losses: dict[str, Tensor] = {}
        with torch.autocast(images.device.type, enabled=False):
            for index, (head, output) in enumerate(zip(self.graph.heads, outputs, strict=True)):
                with torch.no_grad():
                    targets = head.targets(truth)  # type: ignore[operator]  # a head, whatever torch's types say
                told = head.losses(output, targets)  # type: ignore[operator]
                losses |= {f"{index}.{name}": loss for name, loss in told.items()}
        return losses

    def train(self, mode: bool = True) -> LossNetwork:
        """Training mode; frozen statistics stay as they are."""
        super().train(mode)
        if self._freeze_norm:
            for module in self.modules():
                if isinstance(module, NORMS):
                    module.eval()
        return self
