"""Recorded networks of DeepLabCut 3: folders as it writes them, pictures as it saw them."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch

SNAPSHOTS = {
    "manifest.json.gz": "snapshot-001.pt",
    "detector_manifest.json.gz": "snapshot-detector-best-030.pt",
}


@dataclass(frozen=True)
class Recorded:
    """A network's folder, with the outputs that the peer recorded for some pictures."""

    folder: Path
    images: tuple[Path, ...]
    outputs: dict[str, np.ndarray]

    def image(self, number: int) -> np.ndarray:
        """RGB, as it lies in its file."""
        return cv2.cvtColor(cv2.imread(str(self.images[number])), cv2.COLOR_BGR2RGB)

    def picture(self, number: int) -> np.ndarray:
        """Grown by its mirror image to the size that the peer drew, at the places that it drew."""
        image = self.image(number)
        height, width = self.outputs[f"img{number}/input_shape"][2:]
        left, top = (-self.outputs[f"img{number}/offsets"]).astype(int)
        bottom, right = height - image.shape[0] - top, width - image.shape[1] - left
        return np.pad(image, ((top, bottom), (left, right), (0, 0)), "reflect")


def make_net(data: Path, name: str, folder: Path) -> Recorded:
    """A `train` folder with the weights that the recordings were made with."""
    source, train = data / "dlc3/nets" / name, folder / name / "train"
    train.mkdir(parents=True)
    shutil.copy(source / "pytorch_config.yaml", train)
    for manifest, snapshot in SNAPSHOTS.items():
        if (source / manifest).is_file():
            _write_snapshot(data, source / manifest, train / snapshot)
    names = json.loads((source / "info.json").read_text())["images"]
    with np.load(source / "outputs.npz") as stored:
        outputs = dict(stored)
    return Recorded(train, tuple(data / "dlc3/images" / each for each in names), outputs)


def _write_snapshot(data: Path, stored: Path, snapshot: Path) -> None:
    synth = script(data / "synth_weights.py")
    manifest = synth.read_manifest(stored)
    state = synth.to_torch(synth.synth_state(manifest, int(manifest["seed"])))
    torch.save({"model": state, "metadata": {"epoch": 1, "metrics": {}, "losses": {}}}, snapshot)


def script(path: Path) -> ModuleType:
    """A script of the recordings, as a module."""
    module = ModuleType(path.stem)
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module
