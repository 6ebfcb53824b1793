"""From a stage's spec to its two graphs, as torch modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from ethopose.core import ModelError, SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.models.heads import HEADS
from ethopose.models.heads.head import Found, Head
from ethopose.models.spec import Network, Stage

WIDER = 8


class NetworkGraph(nn.Module):
    """Graph 1: prepared uint8 pictures in, one raw map a head out. May run in low precision."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.in_channels = network.in_channels
        options = network.backbone.options
        self.backbone = BACKBONES.build(network.backbone.name, in_channels=network.in_channels, **options)
        channels = self.backbone.channels
        for head in network.heads:
            if head.options.get("stride", max(channels)) not in channels:
                strides = f"stride {head.options['stride']}; the backbone gives {sorted(channels)}"
                raise SpecError(f"the head {head.name} reads features of {strides}")
        self.heads = nn.ModuleList(HEADS.build(h.name, channels, **h.options) for h in network.heads)

    def forward(self, pictures: UInt8[Tensor, "batch height width channel"]) -> tuple[Tensor, ...]:
        """Each head's output."""
        image = pictures.permute(0, 3, 1, 2).float() / 255
        features = self.backbone(_as_channels(image, self.in_channels))
        return tuple(head(features) for head in self.heads)


class DecodeGraph(nn.Module):
    """Graph 2: raw maps in, small arrays of fixed size out, in the order of `names`. Always fp32."""

    def __init__(self, graph: NetworkGraph) -> None:
        super().__init__()
        self.decoders: list[Head] = list(graph.heads)  # type: ignore[arg-type]
        self.names = tuple(name for head in self.decoders for name in head.finds)

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """What the heads found, one after the other."""
        found: Found = {}
        for head, output in zip(self.decoders, maps, strict=True):
            found |= head.decode(output.float(), found)
        return tuple(found[name] for name in self.names)


def build(stage: Stage) -> NetworkGraph:
    """Graph 1 of a stage, untrained."""
    return NetworkGraph(stage.network).eval()


def build_wide(stage: Stage) -> NetworkGraph:
    """The same with room for more peaks in its decode, for the rare pictures that have them.

    Graph 2's work grows with the square of the peaks that it keeps, so it begins with few.
    """
    graph = build(stage)
    for head in graph.heads:
        if isinstance(kept := getattr(head, "peaks_kept", None), int):
            head.peaks_kept = kept * WIDER  # type: ignore[assignment]  # no module, whatever torch's types say
    return graph


def build_trained(stage: Stage, weights: Mapping[str, Tensor]) -> NetworkGraph:
    """Graph 1 of a stage with its weights.

    Raises:
        ModelError: they are not those of this network, each to the last.
    """
    graph = build(stage)
    wanted = {name: tuple(tensor.shape) for name, tensor in graph.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise ModelError(
                f"the weights are not those of the network: {name} is {given.get(name, 'missing')}, "
                f"the configuration asks for {wanted.get(name, 'none')}"
            )
    graph.load_state_dict(dict(weights))
    return graph


def _as_channels(image: Tensor, channels: int) -> Tensor:
    """Gray to RGB by repetition, RGB to gray by 0.2989 R + 0.587 G + 0.114 B (sleap-nn 0.3.5)."""
    if image.shape[1] == channels:
        return image
    if channels == 3:
        return image.expand(-1, 3, -1, -1)
    weights = torch.tensor((0.2989, 0.587, 0.114), device=image.device)[:, None, None]
    return (image * weights).sum(1, keepdim=True)
