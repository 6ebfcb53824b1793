"""A top-down pair in SLEAP-NN's own two folders, made from our tiny one."""

import re
from pathlib import Path

import torch
import yaml

from ethopose.families import native
from ethopose.testing.models import EDGES, KEYPOINTS, STRIDE

NAMES = (
    (
        r"backbone\.encoder\.(\d+)\.(\d+)\.0",
        r"backbone.encoders.0.encoder_stack.\1.blocks.stack0_enc\1_conv\2",
    ),
    (r"backbone\.middle\.(\d+)\.0\.0", r"backbone.middle_blocks.\1.blocks.stack0_enc3_middle_block_conv0"),
    (
        r"backbone\.decoder\.(\d+)\.refine\.(\d+)\.0",
        r"backbone.decoders.0.decoder_stack.\1.blocks.stack0_dec_refine_conv\2",
    ),
    (r"heads\.(\d+)\.layer", r"head_layers.\1.ConfmapsHead.0"),
)


def write_pair(folder: Path, tiny: Path) -> tuple[Path, Path]:
    """The folders `finder` and `reader` of a tiny top-down model: its centroid and its second stage."""
    model = native.read([tiny])
    heads = {
        "finder": {"centroid": {"confmaps": {"anchor_part": None, "output_stride": STRIDE}}},
        "reader": {"centered_instance": {"confmaps": {"part_names": [*KEYPOINTS], "output_stride": STRIDE}}},
    }
    for stage, (name, head) in enumerate(heads.items()):
        (folder / name).mkdir(parents=True)
        config = {"data_config": _data(), "model_config": _model(head)}
        (folder / name / "training_config.yaml").write_text(yaml.safe_dump(config))
        state = {_theirs(ours): tensor for ours, tensor in model.weights(stage).items()}
        torch.save({"state_dict": state}, folder / name / "best.ckpt")
    return folder / "finder", folder / "reader"


def _data() -> dict:
    nodes = [{"name": name} for name in KEYPOINTS]
    edges = [{"source": nodes[one], "destination": nodes[other]} for one, other in EDGES]
    skeleton = {"name": "animal", "nodes": nodes, "edges": edges, "symmetries": []}
    return {"skeletons": [skeleton], "preprocessing": {"ensure_grayscale": True, "crop_size": 24}}


def _model(head: dict) -> dict:
    unet = {"in_channels": 1, "filters": 4, "max_stride": 8, "output_stride": STRIDE}
    return {"backbone_config": {"unet": unet}, "head_configs": head}


def _theirs(name: str) -> str:
    module, _, kind = name.rpartition(".")
    for ours, theirs in NAMES:
        if match := re.fullmatch(ours, module):
            return f"model.{match.expand(theirs)}.{kind}"
    raise KeyError(name)
