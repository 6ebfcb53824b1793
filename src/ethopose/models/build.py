"""From a stage's spec to its two graphs, as torch modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ethopose.core import ModelError, SpecError
from ethopose.models.appearance import Appearance, Grid
from ethopose.models.backbones import BACKBONES
from ethopose.models.heads import HEADS
from ethopose.models.heads.head import Found, Head, Outputs
from ethopose.models.necks import NECKS
from ethopose.models.spec import Network, Stage

WIDER = 8


class NetworkGraph(nn.Module):
    """Graph 1: prepared uint8 pictures in, the heads' raw maps (`names`) out. May run in low precision."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.in_channels = network.in_channels
        options = network.backbone.options
        self.backbone = BACKBONES.build(network.backbone.name, in_channels=network.in_channels, **options)
        channels = self.backbone.channels
        self.neck = None
        if network.neck is not None:
            self.neck = NECKS.build(network.neck.name, channels, **network.neck.options)
            channels = self.neck.channels
        for head in network.heads:
            if head.options.get("stride", max(channels)) not in channels:
                strides = f"stride {head.options['stride']}; there are {sorted(channels)}"
                raise SpecError(f"the head {head.name} reads features of {strides}")
        self.channels = channels
        heads = [HEADS.build(head.name, channels, **head.options) for head in network.heads]
        self.names = tuple(f"{index}.{name}" for index, head in enumerate(heads) for name in head.outputs)
        self.heads = nn.ModuleList(heads)

    def forward(self, pictures: UInt8[Tensor, "batch height width channel"]) -> tuple[Tensor, ...]:
        """Each head's outputs, one after the other."""
        return self.read(self.features(as_image(pictures)))

    def outputs(self, image: Float[Tensor, "batch channel height width"]) -> list[Outputs]:
        """Each head's outputs by name, of pictures from 0 to 1."""
        features = self.features(image)
        return [head(features) for head in self.heads]

    def features(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """What heads read, by stride."""
        features: dict[int, Tensor] = self.backbone(self._as_read(image))
        return features if self.neck is None else self.neck(features)

    def read(self, features: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """Each head's outputs, one after the other, of features."""
        return tuple(output for head in self.heads for output in head(features).values())

    def _as_read(self, image: Tensor) -> Tensor:
        """In the network's colours; conditions, which come last, are as they were painted."""
        conditions = getattr(self.backbone, "conditions", 0)
        if not conditions:
            return _as_channels(image, self.in_channels)
        picture, told = torch.split(image, [image.shape[1] - conditions, conditions], 1)
        return torch.cat([_as_channels(picture, self.in_channels), told], 1)


class AppearanceGraph(nn.Module):
    """Graph 1 with one more output, the last: the features at whose cells keypoints are looked for, as they
    are or reduced."""

    directions: Tensor | None

    def __init__(self, graph: NetworkGraph, how: Appearance) -> None:
        super().__init__()
        self.network, self.stride = graph, how.grid.stride
        self.names = (*graph.names, "features")
        told = how.directions
        matrix = None if told is None else torch.from_numpy(told)[:, :, None, None]
        self.register_buffer("directions", matrix, persistent=False)

    def forward(self, pictures: UInt8[Tensor, "batch height width channel"]) -> tuple[Tensor, ...]:
        """Each head's outputs, then features (batch number row column)."""
        features = self.network.features(as_image(pictures))
        seen = features[self.stride]
        kept = seen if self.directions is None else functional.conv2d(seen, self.directions)
        return (*self.network.read(features), kept.float())


class DecodeGraph(nn.Module):
    """Graph 2: raw maps in, small arrays of fixed size out, in the order of `names`. Always fp32."""

    def __init__(self, graph: NetworkGraph) -> None:
        super().__init__()
        self.decoders: list[Head] = list(graph.heads)  # type: ignore[arg-type]
        self.names = tuple(name for head in self.decoders for name in head.finds)

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """What the heads found, one after the other."""
        found: Found = {}
        waiting = iter(maps)
        for head in self.decoders:
            outputs = {name: next(waiting).float() for name in head.outputs}
            found |= head.decode(outputs, found)
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


def read_at_keypoints(graph: NetworkGraph) -> tuple[Grid, int]:
    """Where the features lie that keypoints are read from, and their channels; of several the finest.

    Raises:
        ModelError: no head tells.
    """
    heads: list[Head] = list(graph.heads)  # type: ignore[arg-type]
    grids = [getattr(head, "grid", None) for head in heads if "xy" in head.finds]
    known = [grid for grid in grids if isinstance(grid, Grid) and grid.stride in graph.channels]
    if not known:
        raise ModelError("its heads do not tell which features they read keypoints from")
    finest = min(known, key=lambda grid: grid.stride)
    return finest, graph.channels[finest.stride]


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


def as_image(
    pictures: UInt8[Tensor, "batch height width channel"],
) -> Float[Tensor, "batch channel height width"]:
    """Pictures from 0 to 1."""
    return pictures.permute(0, 3, 1, 2).float() / 255


def _as_channels(image: Tensor, channels: int) -> Tensor:
    """Gray to RGB by repetition, RGB to gray by 0.2989 R + 0.587 G + 0.114 B (sleap-nn 0.3.5)."""
    if image.shape[1] == channels:
        return image
    if channels == 3:
        return image.expand(-1, 3, -1, -1)
    weights = torch.tensor((0.2989, 0.587, 0.114), device=image.device)[:, None, None]
    return (image * weights).sum(1, keepdim=True)
