"""Record what DeepLabCut 3 makes of a picture with the networks of its SuperAnimal models.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1
    python tools/record_dlc3_superanimal.py DATA OUT

DATA is the folder of shared recordings, whose `synth_weights.py` draws the weights: none are downloaded. Each
network and each detector becomes a folder of OUT, with the names of its weights and, of a network, what it
finds in boxes of a picture: `outputs.npz`.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import cv2
import numpy as np
import torch
import torchvision
from deeplabcut.pose_estimation_pytorch.config import PoseConfig
from deeplabcut.pose_estimation_pytorch.models import PoseModel
from deeplabcut.pose_estimation_pytorch.models.detectors import DETECTORS
from torchvision.models.detection import faster_rcnn

from record_dlc3_networks import IMAGE, _module, network

ANIMALS = 10
NETWORKS = {
    "superanimal_quadruped": ("hrnet_w32", "resnet_50", "rtmpose_s"),
    "superanimal_topviewmouse": ("hrnet_w32", "resnet_50"),
    "superanimal_bird": ("resnet_50",),
    "superanimal_humanbody": ("rtmpose_x",),
}
RECORDED = (
    "superanimal_quadruped_hrnet_w32",
    "superanimal_quadruped_rtmpose_s",
    "superanimal_bird_resnet_50",
    "superanimal_humanbody_rtmpose_x",
)
KINDS = ("fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn_v2", "ssdlite")
KEPT = ("img0/bboxes", "img0/final/bodyparts")


def main(data: Path, out: Path) -> None:
    torch.set_num_threads(2)
    synth = _module(data / "synth_weights.py")
    image = cv2.cvtColor(cv2.imread(str(data / "dlc3/images" / IMAGE)), cv2.COLOR_BGR2RGB)
    for name in ("resnet50", "mobilenet_v3_large"):  # none is downloaded
        build = getattr(torchvision.models, name)
        setattr(faster_rcnn, name, lambda build=build, weights=None, **told: build(weights=None, **told))
    for animal, networks in NETWORKS.items():
        for name in networks:
            config = _config(animal, name, None if animal == "superanimal_humanbody" else KINDS[0])
            state = PoseModel.build(config["model"]).state_dict()
            folder = _named(out / f"{animal}_{name}", state, synth)
            if folder.name in RECORDED:
                with TemporaryDirectory() as temporary:
                    place = Path(temporary)
                    (place / "manifest.json.gz").write_bytes((folder / "manifest.json.gz").read_bytes())
                    config.to_yaml(place / "pytorch_config.yaml")
                    found = network(place, image, synth)
                np.savez_compressed(folder / "outputs.npz", **{key: found[key] for key in KEPT})
    for kind in KINDS:
        told = dict(_config("superanimal_quadruped", "hrnet_w32", kind)["detector"]["model"])
        _named(
            out / kind, DETECTORS.build({k: v for k, v in told.items() if v is not None}).state_dict(), synth
        )


def _config(animal: str, name: str, detector: str | None) -> PoseConfig:
    return PoseConfig.build_for_superanimal_inference(
        animal, model_name=name, detector_name=detector, max_individuals=ANIMALS, device="cpu"
    )


def _named(folder: Path, state: dict[str, torch.Tensor], synth: ModuleType) -> Path:
    """The names and shapes of weights, and the sum of those that are drawn for them."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = synth.manifest_of(state)
    manifest |= {"seed": synth.SEED, "sha256": synth.digest(synth.synth_state(manifest))}
    with gzip.GzipFile(folder / "manifest.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(manifest).encode())
    return folder


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
