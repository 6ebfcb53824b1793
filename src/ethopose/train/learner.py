"""What changes while a stage learns: its network, the average of it, the optimiser; and one step of them."""

from __future__ import annotations

import logging
import math
import time

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ethopose.core import InferenceError
from ethopose.models.build import NetworkGraph
from ethopose.train.average import Average
from ethopose.train.batches import Batches
from ethopose.train.config import Config
from ethopose.train.devices import free_memory, is_out_of_memory
from ethopose.train.network import LossNetwork
from ethopose.train.optimiser import MuonAdamW, parameter_groups
from ethopose.train.state import State, Weights

log = logging.getLogger(__name__)


class Learner:
    """A stage's network on its devices."""

    def __init__(
        self, fabric: Fabric, graph: NetworkGraph, config: Config, *, batch: int, pretrained: bool
    ) -> None:
        self.fabric, self.graph, self.settings = fabric, graph, config.optimiser
        self.batch, self.mine = batch, batch // fabric.world_size
        self.peak = config.optimiser.rate * math.sqrt(batch / 8)
        network: torch.nn.Module = LossNetwork(graph, freeze_norm=config.loop.freeze_norm)
        network = network.to(memory_format=torch.channels_last)
        if fabric.world_size > 1 and fabric.device.type == "cuda" and self.mine < 8:
            network = shared_statistics(network)
        share = self.settings.encoder if pretrained else None
        groups = parameter_groups(graph, self.settings.weight_decay, share)
        optimiser = MuonAdamW(groups, self.peak)
        self._network, self._optimiser = fabric.setup(network, optimiser)
        self.average = Average(graph, self.settings.average)

    def gradients(self, batches: Batches, state: State, strength: float) -> tuple[Tensor, float]:
        """Accumulate the gradients of a step; gives its loss and the seconds that pictures took.

        Where memory ends, micro-batches become half as large and the step begins again.
        """
        self._network.train()
        while True:
            try:
                return self._accumulated(batches, state, strength)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if state.micro_batch == 1 or self.fabric.world_size > 1:
                    raise InferenceError(
                        f"out of memory with {state.micro_batch} pictures at a time on each device",
                        fix="choose a smaller scale, --preset fast, or a smaller loop.micro_batch",
                    ) from error
            state.micro_batch = max(state.micro_batch // 2, 1)
            self._optimiser.zero_grad()
            free_memory(self.fabric.device)
            log.warning("out of memory: going on with %d pictures at a time", state.micro_batch)

    def _accumulated(self, batches: Batches, state: State, strength: float) -> tuple[Tensor, float]:
        total, waited = torch.zeros((), device=self.fabric.device), 0.0
        first = self.fabric.global_rank * self.mine
        for start in range(0, self.mine, state.micro_batch):
            end = min(start + state.micro_batch, self.mine)
            began = time.perf_counter()
            batch = batches(state.step, slice(first + start, first + end), strength)
            waited += time.perf_counter() - began
            images = batch.images.contiguous(memory_format=torch.channels_last)
            with self.fabric.no_backward_sync(self._network, enabled=end < self.mine):
                losses = self._network(images, batch.truth.xy, batch.truth.individual)
                loss = torch.stack(list(losses.values())).sum() * ((end - start) / self.mine)
                self.fabric.backward(loss)
            total += loss.detach()
        return total, waited

    def step(self, rate: float, number: int) -> None:
        """Follow the gradients at a share of the peak rate."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.peak * group["share"] * rate
        self.fabric.clip_gradients(
            self._network, self._optimiser, max_norm=self.settings.clip, error_if_nonfinite=False
        )
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.average.update(number)

    def is_sound(self) -> bool:
        """Whether all weights are numbers: others are not worth keeping."""
        floats = [tensor for tensor in self.graph.state_dict().values() if tensor.is_floating_point()]
        return all(bool(torch.isfinite(tensor).all()) for tensor in floats)

    def averaged(self) -> Weights:
        """The averaged weights, on the host."""
        state = self.average.network.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def store(self, state: State) -> None:
        """Note all that is needed to go on, bit for bit."""
        state.network = self.graph.state_dict()
        state.average = self.average.network.state_dict()
        state.optimiser = self._optimiser.state_dict()
        state.precision = self.fabric._precision.state_dict()
        state.chance = [torch.get_rng_state()]
        if self.fabric.device.type == "cuda":
            state.chance.append(torch.cuda.get_rng_state(self.fabric.device))

    def restore(self, state: State) -> None:
        """Go on from what was noted, if anything was."""
        if not state.network:
            return
        self.graph.load_state_dict(state.network)
        self.average.network.load_state_dict(state.average)
        self._optimiser.load_state_dict(state.optimiser)
        self.fabric._precision.load_state_dict(state.precision)
        torch.set_rng_state(state.chance[0])
        if self.fabric.device.type == "cuda" and len(state.chance) > 1:
            torch.cuda.set_rng_state(state.chance[1], self.fabric.device)


def shared_statistics(network: torch.nn.Module) -> torch.nn.Module:
    """With batch normalisation over all devices. torch's own conversion loses the activations of timm's."""
    from timm.layers.norm_act import convert_sync_batchnorm

    shared: torch.nn.Module = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return shared


def learning_rate(progress: float, warm_up: float, final: float) -> float:
    """Share of the peak rate: a line up, then half a cosine down to `final`."""
    if progress < warm_up:
        return (progress + 1e-3) / (warm_up + 1e-3)
    along = (progress - warm_up) / (1 - warm_up)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(along, 1)))
