"""Record what DeepLabCut 3 makes of a picture with the networks that the shared recordings lack.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1
    python tools/record_dlc3_networks.py DATA [CASE ...]

DATA is the folder of shared recordings, whose synth_weights.py draws weights by their names. Each case, one
that is told or all of `CASES`, is built by DeepLabCut as for a project of its own and becomes a file of
tests/families/golden/dlc3, as tests/families/dlc3_rows.py reads it: the configuration, the names and shapes
of its weights, and of the heads' raw outputs and of poses what tests compare. Some networks take 3 GB of
memory; all of them take four minutes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from deeplabcut.pose_estimation_pytorch.apis.utils import (
    get_detector_inference_runner,
    get_pose_inference_runner,
)
from deeplabcut.pose_estimation_pytorch.config import PoseConfig
from deeplabcut.pose_estimation_pytorch.models.detectors import DETECTORS
from deeplabcut.pose_estimation_pytorch.models.model import PoseModel
from torchvision import models
from torchvision.models.detection import faster_rcnn

FAMILIES = Path(__file__).parents[1] / "tests/families"
sys.path.insert(0, str(FAMILIES))
import dlc3_rows as rows  # noqa: E402  it stands beside the tests

KEYPOINTS, ANIMALS = ["nose", "ear", "tail"], ["one", "other"]
PLACE = "dlc-models-pytorch/iteration-0/rowsOct30-trainset95shuffle1/train/pytorch_config.yaml"
BOXES = np.array([[10.0, 12, 50, 40], [40, 6, 45, 50]])  # of top-down models: left, top, width, height
CONDITIONS = np.array(  # x, y and score; a keypoint is missing, one lies at the border
    [[[20, 20, 0.9], [45, 31, 0.0], [50, 44, 0.7]], [[60, 12, 0.8], [93, 40, 0.6], [70, 50, 0.4]]]
)
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network by its name; a detector by its own. `seed` is of its weights: not every one finds anybody."""

    net: str
    detector: str | None = None
    told: str = "network"  # or "detector", or "both", of frames
    resnet: str | None = None  # of timm, in place of the network's own
    seed: int = 20240601
    gain: float = 0.6  # of its weights: with the recipe's own, deep networks tell offsets of 1e7 px


CASES = {
    name: Case(name)
    for name in (
        *("resnet_101", "hrnet_w48", "cspnext_m", "cspnext_x", "dekr_w32", "dekr_w48", "rtmpose_x"),
        *("ctd_coam_w48", "ctd_coam_w48_human", "ctd_prenet_hrnet_w48"),
        *("ctd_prenet_rtmpose_m", "ctd_prenet_rtmpose_x", "ctd_prenet_rtmpose_x_human"),
    )
} | {
    "resnet_18": Case("resnet_50", resnet="resnet18"),
    "fasterrcnn_resnet50_fpn": Case("rtmpose_s", "fasterrcnn_resnet50_fpn", told="detector", gain=0.8),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Case(
        "rtmpose_s", "fasterrcnn_mobilenet_v3_large_320_fpn", told="detector", gain=0.8
    ),
    "animaltokenpose_base": Case("animaltokenpose_base", "ssdlite", told="both"),
}


def main(data: Path, *cases: str) -> None:
    torch.set_num_threads(2)
    _without_downloads()
    rows.GOLDEN.mkdir(exist_ok=True)
    cv2.imwrite(str(rows.PICTURE), picture())
    for name in cases or CASES:
        with TemporaryDirectory() as temporary:
            recorded = record(data, CASES[name], Path(temporary))
        np.savez_compressed(rows.GOLDEN / f"{name}.npz", **recorded)


def picture() -> np.ndarray:
    """Spots by chance."""
    chance = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    return cv2.resize(chance, (96, 64), interpolation=cv2.INTER_CUBIC)


def record(data: Path, case: Case, train: Path) -> Arrays:
    """All that a test needs of a case."""
    config = configuration(case)
    path = train / "pytorch_config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    kept: Arrays = {"config": np.array(path.read_text())}
    built = {
        "manifest": ("network", lambda: PoseModel.build(config["model"])),
        "detector_manifest": ("detector", lambda: DETECTORS.build(dict(config["detector"]["model"]))),
    }
    for manifest, (what, build) in built.items():
        if case.told in (what, "both"):
            told = rows.recipe(data).manifest_of(build().state_dict()) | {
                "seed": case.seed,
                "gain": case.gain,
            }
            kept[manifest] = np.array(json.dumps(told, separators=(",", ":")))
            rows.write_weights(data, str(kept[manifest]), train / rows.SNAPSHOTS[manifest])
    record_of = {"network": network, "detector": detector, "both": both}[case.told]
    with torch.inference_mode():
        return kept | record_of(PoseConfig.from_yaml(path), train)


def configuration(case: Case) -> dict[str, Any]:
    """As DeepLabCut writes it for a project of three keypoints, but for what keeps it from running: its crops
    of some networks are not of the size that these read, and it would fetch weights."""
    several = not case.net.startswith(("resnet", "hrnet", "cspnext"))
    project = {"Task": "rows", "scorer": "lab", "date": "Oct30", "project_path": "/gone", "video_sets": {}}
    project |= {"multianimalproject": several, "bodyparts": "MULTI!" if several else KEYPOINTS}
    if several:
        project |= {"individuals": ANIMALS, "multianimalbodyparts": KEYPOINTS, "uniquebodyparts": []}
    conditions = 1 if case.net.startswith("ctd") else None
    with TemporaryDirectory() as folder:
        path = Path(folder) / PLACE
        path.parent.mkdir(parents=True)
        options = {"top_down": bool(case.detector), "ctd_conditions": conditions, "save": True}
        kind = "ssdlite" if case.detector == "ssdlite" else "fasterrcnn_mobilenet_v3_large_fpn"
        PoseConfig.build(project, path, net_type=case.net, detector_type=kind, **options)
        config = yaml.safe_load(path.read_text().replace(folder, "/gone"))
    model, inference = config["model"], config["data"]["inference"]
    if case.resnet:
        model["backbone"]["model_name"] = case.resnet
        for head in ("heatmap_config", "locref_config"):
            model["heads"]["bodypart"][head]["channels"][0] = 512
    if case.detector and case.detector != "ssdlite":
        config["detector"]["model"] |= {"variant": case.detector, "box_score_thresh": 0.01}
    width, height = model["heads"]["bodypart"].get("input_size") or (None, None)
    height, width = model["backbone"].get("img_size") or (height, width)
    if height:
        inference["top_down_crop"] |= {"height": height, "width": width}
    config["inference"]["conditions"] = None
    _set(config, "pretrained", False)
    return config


def network(config: PoseConfig, train: Path) -> Arrays:
    """What a network, in the peer's own runner, says of the picture, and is taken to say."""
    runner = get_pose_inference_runner(config, train / rows.SNAPSHOTS["manifest"], device="cpu")
    runner.model.eval()
    context = {"td": {"bboxes": BOXES}, "ctd": {"cond_kpts": CONDITIONS}}.get(config["method"], {})
    kept = {name: array.copy() for name, array in context.items()}
    inputs, context = runner.preprocessor(rows.picture(), context)
    heads = runner.model(inputs, **context.get("model_kwargs", {}))
    kept |= _kept({f"heads/{head}/{name}": a for head, told in heads.items() for name, a in told.items()})
    found = runner.model.get_predictions(heads)
    each = [
        {head: {name: array[row].numpy() for name, array in told.items()} for head, told in found.items()}
        for row in range(len(inputs))
    ]
    final, _ = runner.postprocessor(each, context)
    return kept | {"offsets": context["offsets"], "scales": context["scales"], "poses": final["bodyparts"]}


def detector(config: PoseConfig, train: Path) -> Arrays:
    """The boxes of a detector in the picture, and the last of the features that they were told by."""
    runner = get_detector_inference_runner(config, train / rows.SNAPSHOTS["detector_manifest"], device="cpu")
    runner.model.eval()
    raw: dict[str, torch.Tensor] = {}
    runner.model.model.backbone.register_forward_hook(lambda *call: raw.update(features=call[2]["pool"][0]))
    inputs, _ = runner.preprocessor(rows.picture(), {})
    _, (found,) = runner.model(inputs)
    return _kept(raw) | {"boxes": found["boxes"].numpy(), "sure": found["scores"].numpy()}


def both(config: PoseConfig, train: Path) -> Arrays:
    """The poses of a top-down model in frames, and the boxes that it found first."""
    first = get_detector_inference_runner(config, train / rows.SNAPSHOTS["detector_manifest"], device="cpu")
    boxes = first.inference(list(rows.frames()))
    second = get_pose_inference_runner(config, train / rows.SNAPSHOTS["manifest"], device="cpu")
    poses = second.inference(list(zip(rows.frames(), boxes, strict=True)))
    return {
        "boxes": np.stack([frame["bboxes"] for frame in boxes]),
        "sure": np.stack([frame["bbox_scores"] for frame in boxes]),
        "poses": np.stack([frame["bodyparts"] for frame in poses]),
    }


def _kept(arrays: dict[str, torch.Tensor]) -> Arrays:
    return {
        f"{name}/{what}": value
        for name, array in arrays.items()
        for what, value in rows.kept(array.numpy()).items()
    }


def _set(config: Any, key: str, value: Any) -> None:
    """Wherever a configuration has a key."""
    if isinstance(config, dict):
        config |= {key: value} if key in config else {}
        for each in config.values():
            _set(each, key, value)


def _without_downloads() -> None:
    """torchvision would fetch weights of ImageNet for a detector, all of which are drawn here."""
    for name in ("resnet50", "mobilenet_v3_large"):
        made = partial(getattr(models, name))
        setattr(faster_rcnn, name, lambda weights=None, made=made, **told: made(weights=None, **told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
