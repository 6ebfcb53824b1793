"""The `pytorch_config.yaml` of a SuperAnimal model: what DeepLabCut 3.0.1 builds its network from.

Only what decides a number is written; what is absent takes DeepLabCut's defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Config = dict[str, Any]
SURE = 0.6  # the score that boxes of animals have at least


def configuration(network: str, detector: str, keypoints: tuple[str, ...], animals: int) -> Config:
    """Of a network and a detector of so many animals at most, by their names."""
    return {
        "net_type": network,
        "method": "td",
        "metadata": {
            "bodyparts": list(keypoints),
            "unique_bodyparts": [],
            "individuals": [f"animal{number}" for number in range(animals)],
            "with_identity": False,
        },
        "data": _normalised(),
        "model": NETWORKS[network](len(keypoints)),
        "detector": {"model": DETECTORS[detector], "data": _normalised()},
    }


def _normalised() -> Config:
    return {"colormode": "RGB", "inference": {"normalize_images": True}}


def _hrnet(keypoints: int) -> Config:
    backbone = {"type": "HRNet", "model_name": "hrnet_w32"}
    return _with_maps(backbone, {"channels": [32, keypoints], "kernel_size": [1], "strides": [1]})


def _resnet(keypoints: int) -> Config:
    backbone = {"type": "ResNet", "model_name": "resnet50_gn", "output_stride": 16}
    maps, offsets = (
        {"channels": [2048, each * keypoints], "kernel_size": [3], "strides": [2]} for each in (1, 2)
    )
    return _with_maps(backbone, maps, offsets)


def _with_maps(backbone: Config, maps: Config, offsets: Config | None = None) -> Config:
    predictor = {
        "type": "HeatmapPredictor",
        "apply_sigmoid": False,
        "clip_scores": True,
        "location_refinement": offsets is not None,
        "locref_std": 7.2801,
    }
    head = {"type": "HeatmapHead", "predictor": predictor, "heatmap_config": maps}
    told = {} if offsets is None else {"locref_config": offsets}
    return {"backbone": backbone, "heads": {"bodypart": head | told}}


def _rtmpose(keypoints: int) -> Config:
    predictor = {"type": "SimCCPredictor", "simcc_split_ratio": 2.0, "sigma": [5.66, 5.66]}
    head = {
        "type": "RTMCCHead",
        "predictor": {**predictor, "decode_beta": 150.0},
        "input_size": [256, 256],
        "in_channels": 512,
        "out_channels": keypoints,
        "in_featuremap_size": [8, 8],
        "simcc_split_ratio": 2.0,
        "final_layer_kernel_size": 7,
        "gau_cfg": {"hidden_dims": 256, "s": 128, "expansion_factor": 2, "act_fn": "SiLU"},
    }
    backbone = {"type": "CSPNeXt", "model_name": "cspnext_s", "deepen_factor": 0.33, "widen_factor": 0.5}
    return {"backbone": backbone, "heads": {"bodypart": head}}


def _faster(variant: str) -> Config:
    return {"type": "FasterRCNN", "variant": variant, "box_score_thresh": SURE}


NETWORKS: dict[str, Callable[[int], Config]] = {
    "hrnet_w32": _hrnet,
    "resnet_50": _resnet,
    "rtmpose_s": _rtmpose,
}
DETECTORS: dict[str, Config] = {
    "fasterrcnn_mobilenet_v3_large_fpn": _faster("fasterrcnn_mobilenet_v3_large_fpn"),
    "fasterrcnn_resnet50_fpn_v2": _faster("fasterrcnn_resnet50_fpn_v2"),
    "ssdlite": {"type": "SSDLite"},  # which takes no notice of such a score
}
