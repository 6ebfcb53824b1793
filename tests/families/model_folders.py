"""A good model folder of every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dlc_folders
import sleap_folders
import torch

from ethopose.core import Skeleton
from ethopose.families import native
from ethopose.models.build import build
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage


def spec(name: str = "mice") -> ModelSpec:
    """A top-down pair with something in every field that is no default."""
    maps = Part(name="confidence_map", options={"keypoints": 2, "stride": 2, "single": True, "sigma": 1.5})
    centroids = Part(name="confidence_map", options={"keypoints": 1, "stride": 4, "sigmoid": True})
    unet = Part(name="unet", options={"filters": 4, "max_stride": 8, "output_stride": 2})
    return ModelSpec(
        name=name,
        family="ethopose",
        kind="top-down",
        skeleton=Skeleton(("nose", "tail"), edges=((0, 1),), symmetries=((0, 1),), individuals=("a", "ß")),
        stages=(
            Stage(
                preparation=Preparation(color="gray", fit=(64, None), scale=0.3, pad_to=8),
                network=Network(in_channels=1, backbone=unet, heads=(centroids,)),
                grouping=Part(name="one_per_peak"),
                peak_threshold=0.35,
            ),
            Stage(
                preparation=Preparation(color="rgb", crop=(32, 24), pad_to=8),
                network=Network(in_channels=3, backbone=unet, heads=(maps,)),
                grouping=Part(name="one_each"),
            ),
        ),
        pixel_origin=0.5,
        result_formats=("slp",),
        tracked_formats=("slp", "csv"),
        more_formats=("dlc-tracks",),
        animals=3,
        provenance={"made_by": "a test", "numbers": [1, 2.5]},
    )


def write_native(folder: Path) -> None:
    torch.manual_seed(1)
    native.write(folder, spec(), [build(stage).state_dict() for stage in spec().stages])


def write_sleap_nn(folder: Path) -> None:
    sleap_folders.write(folder, "bottomup")


def write_deeplabcut3(folder: Path) -> None:
    dlc_folders.write(folder)


WRITERS: dict[str, Callable[[Path], None]] = {
    "ethopose": write_native,
    "SLEAP-NN": write_sleap_nn,
    "DeepLabCut 3": write_deeplabcut3,
}
