"""SLEAP-NN model folders written from nothing, as small as they can be."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import torch
import yaml

from ethopose.families import sleap_nn
from ethopose.models.build import NetworkGraph
from ethopose.models.spec import Network, Part

NODES = ("nose", "body", "tail")
PAIRS = ((1, 0), (1, 2))
CLASSES = ("female", "male")
UNET = {"in_channels": 1, "filters": 3, "filters_rate": 2, "max_stride": 8, "output_stride": 2}
MAPS = {"part_names": list(NODES), "sigma": 1.5, "output_stride": 2}
DOWN = 3  # levels of the encoder
HEADS: dict[str, dict[str, Any]] = {
    "single_instance": {"confmaps": MAPS},
    "centroid": {"confmaps": {"anchor_part": "body", "sigma": 1.5, "output_stride": 2}},
    "centered_instance": {"confmaps": {**MAPS, "anchor_part": "body"}},
    "bottomup": {
        "confmaps": MAPS,
        "pafs": {"edges": [[NODES[s], NODES[d]] for s, d in PAIRS], "output_stride": 4},
    },
    "multi_class_bottomup": {
        "confmaps": MAPS,
        "class_maps": {"classes": list(CLASSES), "sigma": 3.0, "output_stride": 2},
    },
    "multi_class_topdown": {
        "confmaps": {**MAPS, "anchor_part": "body"},
        "class_vectors": {"classes": list(CLASSES), "num_fc_layers": 2, "num_fc_units": 5},
    },
}
_POINTS = Part(name="confidence_map", options={"keypoints": 3, "stride": 2})
# The layers of each kind, as its configuration means them: our parts, and SLEAP-NN's names of them.
LAYERS: dict[str, dict[str, Part]] = {
    "single_instance": {"SingleInstanceConfmapsHead": _POINTS},
    "centroid": {"CentroidConfmapsHead": Part(name="confidence_map", options={"keypoints": 1, "stride": 2})},
    "centered_instance": {"CenteredInstanceConfmapsHead": _POINTS},
    "bottomup": {
        "MultiInstanceConfmapsHead": _POINTS,
        "PartAffinityFieldsHead": Part(name="part_affinity", options={"edges": PAIRS, "stride": 4}),
    },
    "multi_class_bottomup": {
        "MultiInstanceConfmapsHead": _POINTS,
        "ClassMapsHead": Part(name="class_map", options={"classes": 2, "stride": 2}),
    },
    "multi_class_topdown": {
        "CenteredInstanceConfmapsHead": _POINTS,
        "ClassVectorsHead": Part(name="class_vector", options={"classes": 2, "layers": 2, "units": 5}),
    },
}


def config(kind: str) -> dict[str, Any]:
    """A configuration with the keys that no folder lacks."""
    crops = {"crop_size": 32} if kind in sleap_nn.SECOND_STAGES else {}
    return copy.deepcopy(
        {
            "data_config": {
                "preprocessing": {"ensure_grayscale": True, "max_height": None, "max_width": None, **crops},
                "skeletons": [
                    {
                        "name": "mouse",
                        "nodes": [{"name": node} for node in NODES],
                        "edges": [
                            {"source": {"name": NODES[s]}, "destination": {"name": NODES[d]}}
                            for s, d in PAIRS
                        ],
                        "symmetries": [],
                    }
                ],
            },
            "model_config": {
                "backbone_config": {"unet": UNET, "convnext": None},
                "head_configs": {other: HEADS[other] if other == kind else None for other in HEADS},
            },
            "sleap_nn_version": "0.3.5",
        }
    )


def write(
    folder: Path, kind: str, told: dict[str, Any] | None = None, **checkpoint: Any
) -> dict[str, torch.Tensor]:
    """A folder with weights by chance; gives them by our names."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config(kind) if told is None else told)
    torch.manual_seed(2)
    backbone = Part(name="unet", options={key: value for key, value in UNET.items() if key != "in_channels"})
    graph = NetworkGraph(Network(in_channels=1, backbone=backbone, heads=tuple(LAYERS[kind].values())))
    state = {name: tensor.clone() for name, tensor in graph.state_dict().items()}
    foreign = {_foreign(name, list(LAYERS[kind])): tensor for name, tensor in state.items()}
    torch.save({"state_dict": foreign, "epoch": 3, **checkpoint}, folder / "best.ckpt")
    return state


def write_config(folder: Path, told: dict[str, Any]) -> None:
    (folder / "training_config.yaml").write_text(yaml.safe_dump(told, sort_keys=False))


def _foreign(name: str, heads: list[str]) -> str:
    """SLEAP-NN's name of a weight, from its own rule of naming layers (0.3.5)."""
    module, _, kind = name.rpartition(".")
    numbers = [int(number) for number in re.findall(r"\.(\d+)", module)]
    block, conv = numbers[0], numbers[-2:][0]
    if module.startswith("heads."):
        layer = heads[block] if module.endswith(".last") else f"{heads[block]}.0"
        if ".hidden." in module:
            layer = f"pre_classification{numbers[1]}_fc"
        return f"model.head_layers.{block}.{layer}.{kind}"
    if ".encoder." in module:
        layer = f"encoders.0.encoder_stack.{block}.blocks.stack0_enc{block}_conv{conv}"
    elif ".middle." in module:
        what = ("expand", "contract")[block]
        layer = f"middle_blocks.{block}.blocks.stack0_enc{DOWN + 1 + block}_middle_{what}_conv{conv}"
    else:
        strides = f"s{8 >> block}_to_s{4 >> block}"
        layer = f"decoders.0.decoder_stack.{block}.blocks.stack0_dec{block}_{strides}_refine_conv{conv}"
    return f"model.backbone.{layer}.{kind}"
