"""A small top-down model folder as DeepLabCut 3 writes it."""

from pathlib import Path
from typing import Any

import torch
import yaml
from dlc_folders import CONFIG, THEIRS

from ethopose.families import deeplabcut3
from ethopose.models.build import build

CROP = {"width": 96, "height": 64, "margin": 5, "crop_with_context": False}
TOP_DOWN: dict[str, Any] = {
    **CONFIG,
    "net_type": "rtmpose_s",
    "method": "TD",
    "metadata": {**CONFIG["metadata"], "individuals": ["one", "other"]},
    "data": {"colormode": "RGB", "inference": {"normalize_images": True, "top_down_crop": CROP}},
    "detector": {
        "model": {"type": "SSDLite", "variant": None, "box_score_thresh": None},
        "data": {"colormode": "RGB", "inference": {"normalize_images": True}},
    },
}
DETECTOR = {"backbone.encoder.": "model.backbone.", "heads.0.layers.": "model.head."}
SNAPSHOTS = {"snapshot-detector-best-020.pt": DETECTOR, "snapshot-007.pt": THEIRS}  # and names of weights


def write_config(folder: Path, config: dict[str, Any]) -> None:
    (folder / "pytorch_config.yaml").write_text(yaml.safe_dump(config))


def write(folder: Path) -> None:
    """A detector of two animals at most and a network, with weights by chance."""
    folder.mkdir(parents=True)
    write_config(folder, TOP_DOWN)
    for name in SNAPSHOTS:
        torch.save({}, folder / name)
    torch.manual_seed(3)
    stages = deeplabcut3.read([folder]).spec.stages
    for stage, (name, table) in zip(stages, SNAPSHOTS.items(), strict=True):
        state = {_theirs(ours, table): tensor for ours, tensor in build(stage).state_dict().items()}
        torch.save({"model": state, "metadata": {"epoch": 7, "metrics": {}, "losses": {}}}, folder / name)


def _theirs(name: str, table: dict[str, str]) -> str:
    for ours, theirs in table.items():
        name = name.replace(ours, theirs)
    return name
