"""Tiny models with weights set by hand: bright where a picture is dark, as the animals of worlds are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ethopose.core import Skeleton, UsageError
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage

if TYPE_CHECKING:
    from torch import Tensor

KEYPOINTS = ("left", "middle", "right")  # side by side, one cell of the maps apart
EDGES = tuple(pairwise(range(len(KEYPOINTS))))
INDIVIDUALS = ("pale", "dark")
STRIDE = 2
INK = 0.57  # what is brighter (0 to 1) leaves no trace in the maps
GAIN = 9.0  # from darkness to confidence
NOISE = 0.004  # of every weight, so that no arithmetic is exact


def tiny_model(
    folder: Path, kind: str = "single", *, seed: int = 0, result_formats: tuple[str, ...] = ("slp",)
) -> Path:
    """Write a native model into `folder`, named after it; gives the folder.

    It runs on any video in well under a millisecond a frame of a small world, and finds something on
    each dark spot. Kinds: single, centroid, bottom-up, top-down (both stages in one folder), class-map.
    Another `seed` is another model with other numbers. Raises `UsageError` for an unknown kind.
    """
    from ethopose.families import native
    from ethopose.models.build import build

    if kind not in KINDS:
        raise UsageError(f"no tiny model is of kind {kind!r}", fix=f"choose {', '.join(KINDS)}")
    skeleton, stages = KINDS[kind]()
    spec = ModelSpec(
        name=folder.name,
        family="ethopose",
        kind=kind,
        skeleton=skeleton,
        stages=stages,
        result_formats=result_formats,
    )
    chance = np.random.default_rng(seed)
    native.write(folder, spec, [_by_hand(build(stage).state_dict(), chance) for stage in stages])
    return folder


def _single() -> tuple[Skeleton, tuple[Stage, ...]]:
    return _skeleton(), (_stage([_maps(single=True)], "one_each"),)


def _centroid() -> tuple[Skeleton, tuple[Stage, ...]]:
    return Skeleton(("centroid",)), (_stage([_maps(keypoints=1)], "one_per_peak"),)


def _bottom_up() -> tuple[Skeleton, tuple[Stage, ...]]:
    fields = Part(name="part_affinity", options={"edges": EDGES, "stride": STRIDE})
    options = {"keypoints": len(KEYPOINTS), "edges": EDGES}
    return _skeleton(), (_stage([_maps(), fields], "affinity", **options),)


def _top_down() -> tuple[Skeleton, tuple[Stage, ...]]:
    (_, (centroid,)), (skeleton, (single,)) = _centroid(), _single()
    crops = single.preparation.model_copy(update={"crop": (24, 24)})
    return skeleton, (centroid, single.model_copy(update={"preparation": crops}))


def _class_map() -> tuple[Skeleton, tuple[Stage, ...]]:
    classes = Part(name="class_map", options={"classes": len(INDIVIDUALS), "stride": STRIDE})
    return _skeleton(INDIVIDUALS), (_stage([_maps(), classes], "class_map"),)


KINDS: dict[str, Callable[[], tuple[Skeleton, tuple[Stage, ...]]]] = {
    "single": _single,
    "centroid": _centroid,
    "bottom-up": _bottom_up,
    "top-down": _top_down,
    "class-map": _class_map,
}


def _skeleton(individuals: tuple[str, ...] = ()) -> Skeleton:
    return Skeleton(KEYPOINTS, edges=EDGES, symmetries=((0, 2),), individuals=individuals)


def _maps(*, keypoints: int = len(KEYPOINTS), single: bool = False) -> Part:
    options = {"keypoints": keypoints, "stride": STRIDE, "single": single, "peaks_kept": 16}
    return Part(name="confidence_map", options=options)


def _stage(heads: list[Part], grouping: str, **options: Any) -> Stage:
    unet = {"filters": 4, "max_stride": 8, "output_stride": STRIDE}
    return Stage(
        preparation=Preparation(color="gray", pad_to=8),
        network=Network(in_channels=1, backbone=Part(name="unet", options=unet), heads=tuple(heads)),
        grouping=Part(name=grouping, options=options),
    )


def _by_hand(state: dict[str, Tensor], chance: np.random.Generator) -> dict[str, Tensor]:
    """Weights of a stage: one path by hand through the first two levels, noise elsewhere."""
    for tensor in state.values():
        tensor.copy_(tensor.new_tensor(chance.normal(0, NOISE, tensor.shape)))
    mean = 1 / 9  # of 3 x 3 cells
    state["backbone.encoder.0.0.0.weight"][0] -= mean  # dark is bright from here
    state["backbone.encoder.0.0.0.bias"][0] += INK
    for layer in ("encoder.0.1", "encoder.1.0"):
        state[f"backbone.{layer}.0.weight"][0, 0, 1, 1] += 1
    for layer in ("encoder.1.1", "decoder.1.refine.0"):
        state[f"backbone.{layer}.0.weight"][0, 0] += mean
    for keypoint in range(len(KEYPOINTS)):  # the same map, moved by a cell to either side
        state["backbone.decoder.1.refine.1.0.weight"][keypoint, 0, 1, 2 - keypoint] += 1
    maps = state["heads.0.layer.weight"]
    for keypoint in range(len(maps)):
        maps[keypoint, keypoint] += GAIN - keypoint
    if "heads.1.layer.bias" in state:
        second, bias = state["heads.1.layer.weight"], state["heads.1.layer.bias"]
        if len(bias) == len(INDIVIDUALS):
            second[:, 1, 0, 0] += second.new_tensor((-100, 100))
            bias += bias.new_tensor((6, -6))
        else:
            bias[::2] += 1  # every edge points to the right
    return state
