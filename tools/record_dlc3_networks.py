"""Record what DeepLabCut 3 makes of pictures with networks that the shared recordings lack.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1
    python tools/record_dlc3_networks.py DATA OUT [CASE ...]

DATA is the folder of shared recordings: a case is a folder of DATA/dlc3/nets that holds a configuration and
the names of weights (`manifest.json.gz`), or `fasterrcnn_resnet50_fpn`, a detector. Weights are drawn by
DATA/synth_weights.py. Each case becomes a folder of OUT in the layout of those that are recorded there:
`outputs.npz` with what went in, the heads' raw outputs, the predictor's poses and the final ones, and beside
it configuration, manifest and `info.json`. Without cases, all of DATA that have no outputs. Some networks
take 2 GB of memory and a minute.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from deeplabcut.pose_estimation_pytorch.apis.utils import get_pose_inference_runner
from deeplabcut.pose_estimation_pytorch.config import PoseConfig
from deeplabcut.pose_estimation_pytorch.data.preprocessor import build_bottom_up_preprocessor
from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms
from deeplabcut.pose_estimation_pytorch.models.detectors import DETECTORS
from torchvision.models import resnet50
from torchvision.models.detection import faster_rcnn

IMAGE = "small_128x96.png"
BOXES = np.array([[10.0, 12, 50, 40], [70, 30, 45, 60]])  # of top-down models: left, top, width, height
DETECTOR = "fasterrcnn_resnet50_fpn"
DETECTOR_DATA = "rtmpose_s_frcnn_resnet50"  # whose detector is fed as that one is
DIGITS = 13  # of a large output's mantissa, binary
LARGE = 10_000


def main(data: Path, out: Path, *cases: str) -> None:
    torch.set_num_threads(2)
    nets = data / "dlc3/nets"
    lacking = sorted(folder.name for folder in nets.iterdir() if not (folder / "outputs.npz").exists())
    synth = _module(data / "synth_weights.py")
    image = cv2.cvtColor(cv2.imread(str(data / "dlc3/images" / IMAGE)), cv2.COLOR_BGR2RGB)
    for case in cases or (*lacking, DETECTOR):
        folder = out / case
        folder.mkdir(parents=True, exist_ok=True)
        if case == DETECTOR:
            recorded = detector(nets / DETECTOR_DATA, folder, image, synth)
        else:
            shutil.copyfile(nets / case / "manifest.json.gz", folder / "manifest.json.gz")
            config = yaml.safe_load((nets / case / "pytorch_config.yaml").read_text())
            (folder / "pytorch_config.yaml").write_text(yaml.safe_dump(_runnable(config), sort_keys=False))
            recorded = network(folder, image, synth)
        np.savez_compressed(folder / "outputs.npz", **recorded)
        info = {"case": case, "images": [IMAGE], "deeplabcut": version("deeplabcut")}
        (folder / "info.json").write_text(json.dumps(info, indent=1))


def network(folder: Path, image: np.ndarray, synth: ModuleType) -> dict[str, np.ndarray]:
    """What a network, in the peer's own runner, sees, says, and is taken to say."""
    config = PoseConfig.from_yaml(folder / "pytorch_config.yaml")
    manifest = synth.read_manifest(folder / "manifest.json.gz")
    state = synth.synth_state(manifest, int(manifest["seed"]))
    assert synth.digest(state) == manifest["sha256"]
    with TemporaryDirectory() as temporary:
        snapshot = Path(temporary) / "snapshot-001.pt"
        torch.save({"model": synth.to_torch(state), "metadata": {"epoch": 1}}, snapshot)
        runner = get_pose_inference_runner(config, snapshot, batch_size=8, device="cpu")
    context: dict[str, Any] = {}
    if config["method"] == "td":
        context = {"bboxes": BOXES}
    elif config["method"] == "ctd":
        context = {"cond_kpts": conditions(len(config["metadata"]["bodyparts"]), image.shape)}
    runner.model.eval()
    with torch.inference_mode():
        inputs, context = runner.preprocessor(image, context)
        heads = runner.model(inputs, **context.get("model_kwargs", {}))
        found = runner.model.get_predictions(heads)
        rows = [
            {head: {name: array[row].numpy() for name, array in told.items()} for head, told in found.items()}
            for row in range(len(inputs))
        ]
        kept = _input(inputs, context)
        kept |= {
            f"heads/{head}/{name}": _rounded(array)
            for head, told in heads.items()
            for name, array in told.items()
        }
        kept |= {
            f"predictor/{head}/{name}": array.numpy()
            for head, told in found.items()
            for name, array in told.items()
        }
        final, _ = runner.postprocessor(rows, context)
    kept |= {f"final/{name}": np.asarray(array) for name, array in final.items()}
    return {f"img0/{name}": array for name, array in kept.items()}


def conditions(keypoints: int, shape: tuple[int, ...]) -> np.ndarray:
    """Three poses in a picture, by chance: one lacks a keypoint, one lies at the border, one is unsure."""
    chance = np.random.default_rng(0)
    low = np.array([[20, 20], [-10, 40], [50, 10]])[:, None]
    poses = np.concatenate(
        [low + chance.uniform(0, 45, (3, keypoints, 2)), chance.uniform(0.3, 1, (3, keypoints, 1))], -1
    )
    poses[0, 1, 2] = 0
    poses[1] = np.where(poses[1, :, :1] < 0, [0, 0, 0], poses[1])
    poses[2, :, 2] *= 0.04
    return poses


def detector(source: Path, folder: Path, image: np.ndarray, synth: ModuleType) -> dict[str, np.ndarray]:
    """The boxes of a detector, and what they were made of."""
    config = PoseConfig.from_yaml(source / "pytorch_config.yaml")
    faster_rcnn.resnet50 = lambda weights, **told: resnet50(weights=None, **told)  # none is downloaded
    told = {"type": "FasterRCNN", "variant": DETECTOR, "pretrained": False, "box_score_thresh": 0.01}
    model = DETECTORS.build(told)
    model.eval()
    manifest = synth.manifest_of(model.state_dict())
    state = synth.synth_state(manifest)
    manifest |= {"seed": synth.SEED, "sha256": synth.digest(state)}
    with gzip.open(folder / "detector_manifest.json.gz", "wt") as file:
        json.dump(manifest, file)
    model.load_state_dict(synth.to_torch(state))
    preprocessor = build_bottom_up_preprocessor(
        "RGB", build_transforms(config["detector"]["data"]["inference"])
    )
    inputs, _ = preprocessor(image, {})
    kept: dict[str, torch.Tensor] = {}
    parts = model.model
    parts.backbone.register_forward_hook(lambda *call: kept.update(raw_fpn_pool=call[2]["pool"][0, :8]))
    parts.rpn.register_forward_hook(lambda *call: kept.update(raw_proposals=call[2][0][0]))
    parts.roi_heads.box_predictor.register_forward_hook(
        lambda *call: kept.update(raw_logits=call[2][0], raw_deltas=call[2][1])
    )
    with torch.inference_mode():
        _, (found,) = model(inputs)
    kept |= {name: array[:40] for name, array in found.items()}
    kept["n_total"] = torch.tensor(len(found["boxes"]))
    return {f"img0/detector/{name}": array.numpy() for name, array in kept.items()}


def _input(inputs: torch.Tensor, context: dict[str, Any]) -> dict[str, np.ndarray]:
    kept = {
        "input_shape": np.array(inputs.shape),
        "input_sum": inputs.double().sum((2, 3)).numpy(),
        "input_sumsq": inputs.double().square().sum((2, 3)).numpy(),
        "offsets": np.array(context["offsets"], np.float64),
        "scales": np.array(context["scales"], np.float64),
    }
    if "bboxes" in context:
        kept["bboxes"] = np.array(context["bboxes"], np.float64)
    if "model_kwargs" in context:
        kept["model_cond_kpts"] = context["model_kwargs"]["cond_kpts"]
    return kept


def _rounded(array: torch.Tensor) -> np.ndarray:
    """Large outputs with fewer digits, as the shared recordings have them."""
    values = array.numpy().astype(np.float32)
    if values.size < LARGE:
        return values
    step = 1 << (23 - DIGITS)
    digits = values.view(np.uint32).astype(np.uint64) + step // 2
    return (digits // step * step).astype(np.uint32).view(np.float32)


def _runnable(config: dict[str, Any]) -> dict[str, Any]:
    """Without weights of ImageNet, since all are drawn; and with crops of the size that the network reads,
    which some of the peer's own configurations lack."""
    model = config["model"]
    _forbid_downloads(model)
    width, height = model["heads"]["bodypart"].get("input_size") or (None, None)
    height, width = model["backbone"].get("img_size") or (height, width)
    if height and config["method"] != "bu":
        config["data"]["inference"]["top_down_crop"] |= {"height": height, "width": width}
    return config


def _forbid_downloads(config: Any) -> None:
    if isinstance(config, dict):
        config |= {"pretrained": False} if "pretrained" in config else {}
        for value in config.values():
            _forbid_downloads(value)


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]), *sys.argv[3:])
