"""A conditional network beside the really trained one of the recordings, with weights by their recipe."""

import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from dlc3_nets import script

PROJECT, CASE = "real/openfield-Pranav-2018-10-30", "ctd_prenet_rtmpose_s"
FRAMES = 30


def make_pair(data: Path, folder: Path) -> tuple[Path, Path]:
    """The recorded project in `folder`, and in its second shuffle a conditional network of its keypoints,
    which is told what the first one finds; the `train` folders of both."""
    shutil.copytree(data / "dlc3" / PROJECT, folder, copy_function=shutil.copyfile)
    first = next(folder.glob("dlc-models-pytorch/*/*shuffle1/train"))
    second = first.parents[1] / first.parent.name.replace("shuffle1", "shuffle2") / "train"
    second.mkdir(parents=True)
    told = yaml.safe_load((first / "pytorch_config.yaml").read_text())["metadata"]
    config = yaml.safe_load((data / "dlc3/nets" / CASE / "pytorch_config.yaml").read_text())
    _count(config["model"], len(config["metadata"]["bodyparts"]), len(told["bodyparts"]))
    config |= {"metadata": told, "inference": {"conditions": {"shuffle": 1}}}
    (second / "pytorch_config.yaml").write_text(yaml.safe_dump(config))
    return first, second


def write_weights(data: Path, train: Path, manifest: dict[str, Any]) -> None:
    """A snapshot of weights of a manifest's names and shapes."""
    synth = script(data / "synth_weights.py")
    state = synth.to_torch(synth.synth_state(manifest))
    torch.save({"model": state, "metadata": {"epoch": 1}}, train / "snapshot-001.pt")


def _count(config: dict[str, Any], before: int, keypoints: int) -> None:
    """Another number of keypoints wherever a network says how many it has."""
    for name, value in config.items():
        if isinstance(value, dict):
            _count(value, before, keypoints)
        elif name in ("num_joints", "out_channels") and value == before:
            config[name] = keypoints
