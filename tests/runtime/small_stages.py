"""Tiny stages of every kind, with weights by chance, and maps for their decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ethopose.models.build import build
from ethopose.models.grouping import GROUPINGS, Context, Instances
from ethopose.models.spec import Network, Part, Preparation, Stage
from ethopose.runtime import CompiledStage, Compute, Shape, StageSource, compile_stage

RUNTIMES = ("openvino", "torch")
SHAPE: Shape = (2, 48, 64, 1)  # not square: swapping x and y must fail
TALL: Shape = (1, 720, 1024, 1)
STRIDE = 2
EDGES = [(0, 1), (1, 2)]
TRIANGLE = [(0, 1), (0, 2), (1, 2)]
UNET = {"filters": 3, "filters_rate": 2, "max_stride": 8, "output_stride": STRIDE}


def maps_head(**options: object) -> Part:
    return Part(name="confidence_map", options={"keypoints": 3, "stride": STRIDE, **options})


def stage(heads: Sequence[Part], grouping: str, *, unet: dict = UNET, **options: object) -> Stage:
    network = Network(in_channels=1, backbone=Part(name="unet", options=unet), heads=tuple(heads))
    return with_network(network, grouping, **options)


ONE_EACH = Part(name="one_each")
TIMM = Part(name="timm", options={"model": "mobilenetv4_conv_small", "max_stride": 8})


def light(
    head: str,
    *,
    backbone: Part | None = None,
    norm: str = "batch",
    neck: bool = True,
    grouping: Part = ONE_EACH,
    **options: object,
) -> Stage:
    """A light encoder, and a decoder with `neck`, under one head."""
    nano = Part(name="nano", options={"width": 8, "max_stride": 16, "norm": norm})
    fpn = Part(name="fpn", options={"width": 8, "stride": STRIDE, "norm": norm})
    network = Network(
        in_channels=1,
        backbone=backbone or nano,
        neck=fpn if neck else None,
        heads=(Part(name=head, options={"keypoints": 3, **options}),),
    )
    return Stage(preparation=Preparation(pad_to=8), network=network, grouping=grouping)


def centres(*beside: Part, grouping: Part) -> Stage:
    """Animals by their centres, and heads beside them."""
    options = {"animals": 4, "map_width": 4, "width": 4, "absorb": 10.0}
    alone = light("centre_offsets", neck=False, grouping=grouping, **options)
    network = alone.network.model_copy(update={"heads": (*alone.network.heads, *beside)})
    return alone.model_copy(update={"network": network})


def grown(channels: int) -> dict[str, object]:
    """Maps that grow once, to 2n + 1 cells of n."""
    return {"channels": [channels], "kernels": [3], "strides": [2]}


def boxes(backbone: Part, head: Part) -> Stage:
    return with_network(Network(in_channels=1, backbone=backbone, heads=(head,)), "boxes", animals=4)


def with_network(network: Network, grouping: str, **options: object) -> Stage:
    return Stage(
        preparation=Preparation(pad_to=8),
        network=network,
        grouping=Part(name=grouping, options=options),
    )


CENTROID = stage([maps_head(keypoints=1)], "one_per_peak")
KINDS = {
    "single": stage([maps_head(single=True)], "one_each"),
    "single, unrefined": stage([maps_head(single=True, refinement="none")], "one_each"),
    "centroid": CENTROID,
    "centroid, sigmoid, transposed": stage(
        [maps_head(keypoints=1, sigmoid=True)], "one_per_peak", unet={**UNET, "up_interpolate": False}
    ),
    "bottom-up": stage(
        [maps_head(peaks_kept=16), Part(name="part_affinity", options={"edges": EDGES, "stride": 4})],
        "affinity",
        keypoints=3,
        edges=EDGES,
    ),
    "class map": stage(
        [maps_head(peaks_kept=16), Part(name="class_map", options={"classes": 2, "stride": STRIDE})],
        "class_map",
    ),
    "centroid, offset": stage([maps_head(keypoints=1, refinement="offset")], "one_per_peak"),
    "centroid, gaussian": stage([maps_head(keypoints=1, refinement="gaussian")], "one_per_peak"),
    "single, probability": light("probability_map", stride=STRIDE),
    "single, probability, by groups": light("probability_map", stride=STRIDE, norm="group"),
    "single, probability, of timm": light("probability_map", stride=STRIDE, backbone=TIMM),
    "single, simcc": light("simcc", size=SHAPE[1:3]),
    "single, located": light("located_map", source=4, maps=grown(3), offsets=grown(6), neck=False),
    "single, attended": light("attended_simcc", size=SHAPE[1:3], neck=False),
    "single, tokens": light(
        "token_map",
        source=4,
        cells=(12, 16),
        map_cells=(24, 32),
        times=2,
        width=8,
        depth=2,
        lookers=2,
        sigmoid=False,
        neck=False,
    ),
    "bottom-up, staged": light(
        "staged_fields",
        source=4,
        edges=TRIANGLE,
        maps=grown(3),
        offsets=grown(6),
        fields=grown(6),
        stages=2,
        features=4,
        peaks_kept=4,
        sigmoid=False,
        neck=False,
        grouping=Part(name="assembly", options={"keypoints": 3, "edges": TRIANGLE, "animals": 4}),
    ),
    "centres": centres(grouping=Part(name="by_centre")),
    "centres, named, and unique": centres(
        Part(name="unique_map", options={"keypoints": 2, "source": 4, "maps": grown(2), "offsets": grown(4)}),
        Part(name="identity_map", options={"classes": 4, "source": 8, "maps": grown(4)}),
        grouping=Part(
            name="together", options={"animals": {"name": "by_centre"}, "individuals": 4, "unique": 2}
        ),
    ),
    "boxes": boxes(
        Part(name="ssdlite", options={"size": (40, 56)}),
        Part(name="anchored_boxes", options={"size": (40, 56), "kept": 40}),
    ),
    "boxes, proposed": boxes(
        Part(name="pyramid", options={"body": "mobilenet_v3_large", "shortest": 64, "multiple": 32}),
        Part(
            name="proposed_boxes",
            options={"levels": (32, 32, 64), "sizes": ((16, 40), (24, 56), (32, 72)), "proposals": 20},
        ),
    ),
    "class vector": stage(
        [maps_head(single=True), Part(name="class_vector", options={"classes": 2, "layers": 2, "units": 5})],
        "class_vector",
    ),
}
UNREFINED = stage([maps_head(keypoints=1, refinement="none", peaks_kept=384)], "one_per_peak")
FEW = stage([maps_head(keypoints=1, refinement="none", peaks_kept=3)], "one_per_peak")


def weights_by_chance(stage: Stage) -> dict[str, torch.Tensor]:
    """The same weights for the same stage; larger than an untrained network's, so that maps are not flat,
    as heads that begin with nearly no weights would make them."""
    torch.manual_seed(5)
    state = {name: 1.5 * weight for name, weight in build(stage).state_dict().items()}
    for name, weight in state.items():
        if (
            name.startswith("heads.")
            and weight.ndim == 4
            and (".layers." in name or weight.abs().max() < 0.02)
        ):
            state[name] = torch.randn_like(weight) / weight[0].numel() ** 0.5
            if (bias := name.replace("weight", "bias")) in state:
                state[bias].zero_()
    return state


def source(stage: Stage) -> StageSource:
    return StageSource(stage, lambda: weights_by_chance(stage), stage.model_dump_json())


def compiled(stage: Stage, runtime: str, *, shape: Shape = SHAPE, precision: str = "fp32") -> CompiledStage:
    return compile_stage(source(stage), shape, Compute("cpu", runtime, precision, threads=1))


def map_shapes(stage: Stage, shape: Shape = SHAPE) -> list[tuple[int, ...]]:
    """Of each output of each head."""
    with torch.no_grad():
        return [tuple(map_.shape) for map_ in build(stage)(torch.zeros(shape, dtype=torch.uint8))]


def plain(maps: Sequence[object]) -> list[np.ndarray]:
    """Outputs of graph 1 as NumPy arrays."""
    return [torch.as_tensor(array).float().numpy() for array in maps]


def maps_by_chance(stage: Stage, seed: int) -> list[np.ndarray]:
    """Outputs such as trained heads give: a few peaks on low noise, unit fields, probabilities."""
    chance = np.random.default_rng(seed)
    names = [name.partition(".")[2] for name in build(stage).names]
    maps = [BY_CHANCE[name](size, chance) for name, size in zip(names, map_shapes(stage), strict=True)]
    return [np.ascontiguousarray(array, np.float32) for array in maps]


def _classes(size: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    return np.moveaxis(chance.dirichlet(np.ones(size[1]), size[:1] + size[2:]), -1, 1)


def _fields(size: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    angle = chance.uniform(0, 2 * np.pi, (size[0], size[1] // 2, 1, *size[2:]))
    return np.concatenate((np.cos(angle), np.sin(angle)), 2).reshape(size)


def _logits(size: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    return 9 * _bumps(size, chance)


def _line(size: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    return _logits((*size[:2], 1, size[2]), chance)[:, :, 0]


def _bumps(size: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[: size[2], : size[3]]
    maps = chance.uniform(0, 0.1, size)
    for place in np.ndindex(size[:2]):
        for _ in range(4):
            row, column = chance.uniform(0, size[2] - 1), chance.uniform(0, size[3] - 1)
            distance = (rows - row) ** 2 + (columns - column) ** 2
            maps[place] = np.maximum(maps[place], chance.uniform(0.4, 1) * np.exp(-distance / 3))
    return maps


BY_CHANCE = {
    "maps": _bumps,
    "offsets": lambda size, chance: chance.uniform(-0.5, 0.5, size),
    "fields": _fields,
    "classes": _classes,
    "logits": _logits,
    "individuals": _logits,
    "log_odds": _bumps,
    "visible": lambda size, chance: chance.normal(3, 1, size),
    "x": _line,
    "y": _line,
    "scores": lambda size, chance: chance.normal(0, 2, size),
    "ways": lambda size, chance: chance.normal(0, 1, size),
    "proposals": lambda size, chance: np.sort(chance.uniform(0, 1, (*size[:2], 2, 2)), 2).reshape(size),
}


def decode(stage: CompiledStage, maps: Sequence[np.ndarray], *, wide: bool = False) -> dict[str, np.ndarray]:
    """Graph 2 on given maps: each runtime keeps its own kind of array."""
    if type(stage).__name__ == "TorchStage":
        return stage.decode([torch.from_numpy(array) for array in maps], wide=wide)
    return stage.decode(list(maps), wide=wide)


def animals(stage: Stage, found: dict[str, np.ndarray], threshold: float = 0.2) -> Instances:
    """What the stage's grouping makes of them."""
    group = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
    return group(found, Context(threshold, None, np.arange(len(found["value"]))))
