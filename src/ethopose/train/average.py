"""The moving average of weights: what is validated, kept and run later."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Average(Generic[Network]):
    """A copy of a network whose weights follow the network's, slower the longer it runs.

    The decay is min(`decay`, (step + 1) / (step + 10)), so that it forgets its beginnings. Statistics of
    normalisation follow too.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay = decay
        self._source = [t for t in network.state_dict().values() if t.is_floating_point()]
        self._target = [t for t in self.network.state_dict().values() if t.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After the optimiser's step."""
        decay = min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(self._target, self._source, 1 - decay)
