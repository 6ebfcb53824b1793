"""A small model folder as DeepLabCut 3 writes it."""

from pathlib import Path
from typing import Any

import torch
import yaml

from ethopose.families import deeplabcut3
from ethopose.models.build import build

GROWTH = {"kernel_size": [3], "strides": [2]}
CONFIG: dict[str, Any] = {
    "config_version": 0,
    "net_type": "resnet_10",
    "method": "bu",
    "device": "auto",
    "metadata": {
        "project_path": "/gone",
        "pose_config_path": None,
        "bodyparts": ["nose", "tail"],
        "unique_bodyparts": [],
        "individuals": ["animal"],
        "with_identity": None,
    },
    "data": {"colormode": "RGB", "inference": {"normalize_images": True, "resize": None}},
    "model": {
        "backbone": {"type": "ResNet", "model_name": "test_resnet", "output_stride": 16},
        "heads": {
            "bodypart": {
                "type": "HeatmapHead",
                "predictor": {"type": "HeatmapPredictor", "apply_sigmoid": False, "clip_scores": True},
                "heatmap_config": {"channels": [96, 2], **GROWTH},
                "locref_config": {"channels": [96, 4], **GROWTH},
            },
            "identity": None,
        },
    },
}
THEIRS = {
    "backbone.encoder.model.": "backbone.model.",
    "heads.0.maps.grow.": "heads.bodypart.heatmap_head.deconv_layers.",
    "heads.0.offsets.grow.": "heads.bodypart.locref_head.deconv_layers.",
}


def write(folder: Path) -> None:
    """A model of one animal, with weights by chance."""
    folder.mkdir(parents=True)
    (folder / "pytorch_config.yaml").write_text(yaml.safe_dump(CONFIG))
    snapshot = folder / "snapshot-007.pt"
    torch.save({}, snapshot)
    torch.manual_seed(3)
    state = build(deeplabcut3.read([folder]).spec.stages[0]).state_dict()
    metadata = {"epoch": 7, "metrics": {}, "losses": {}}
    torch.save(
        {"model": {_theirs(name): tensor for name, tensor in state.items()}, "metadata": metadata}, snapshot
    )


def _theirs(name: str) -> str:
    for ours, theirs in THEIRS.items():
        name = name.replace(ours, theirs)
    return name
