"""The `pytorch_config.yaml` of a SuperAnimal model: what DeepLabCut 3.0.1 builds its network from.

Only what decides a number is written; what is absent takes DeepLabCut's defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ethopose.families.superanimal.offers import Offer

Config = dict[str, Any]
PERSON = 1  # of COCO's categories
SIZES = {"rtmpose_x": {"width": 288, "height": 384}}  # of crops that are not 256 x 256
SURE = 0.6  # the score that boxes of animals have at least


def configuration(offer: Offer, detector: str, animals: int) -> Config:
    """Of an offer's network and a detector of so many animals at most."""
    data: Config = {"colormode": "RGB", "inference": {"normalize_images": True}}
    if size := SIZES.get(offer.network):
        data["inference"] = {"normalize_images": True, "top_down_crop": dict(size)}
    return {
        "net_type": offer.network,
        "method": "td",
        "metadata": {
            "bodyparts": list(offer.keypoints),
            "unique_bodyparts": [],
            "individuals": [f"animal{number}" for number in range(animals)],
            "with_identity": False,
            "skeleton": [list(edge) for edge in offer.edges],
        },
        "data": data,
        "model": NETWORKS[offer.network](len(offer.keypoints)),
        "detector": _of_coco(detector) if offer.elsewhere else _own(detector),
    }


def _own(detector: str) -> Config:
    kind: Config = {"type": "FasterRCNN", "variant": detector, "box_score_thresh": SURE}
    if detector == "ssdlite":
        kind = {"type": "SSDLite"}  # which takes no notice of such a score
    return {"model": kind, "data": {"colormode": "RGB", "inference": {"normalize_images": True}}}


def _of_coco(detector: str) -> Config:
    kind = {"type": "FilteredDetector", "variant": detector, "category": PERSON, "box_score_thresh": SURE}
    scaled = {"normalize_images": False, "scale_to_unit_range": True}
    return {"model": kind, "data": {"colormode": "RGB", "inference": scaled}}


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


def _rtmpose_s(keypoints: int) -> Config:
    backbone = {"model_name": "cspnext_s", "deepen_factor": 0.33, "widen_factor": 0.5}
    return _rtmpose(backbone, keypoints, channels=512, size=(256, 256), sigma=(5.66, 5.66))


def _rtmpose_x(keypoints: int) -> Config:
    backbone = {"model_name": "cspnext_p5", "deepen_factor": 1.33, "widen_factor": 1.25}
    return _rtmpose(backbone, keypoints, channels=1280, size=(288, 384), sigma=(6.0, 6.93))


def _rtmpose(
    backbone: Config, keypoints: int, *, channels: int, size: tuple[int, int], sigma: tuple[float, float]
) -> Config:
    predictor = {"type": "SimCCPredictor", "simcc_split_ratio": 2.0, "sigma": list(sigma)}
    head = {
        "type": "RTMCCHead",
        "predictor": {**predictor, "decode_beta": 150.0},
        "input_size": list(size),
        "in_channels": channels,
        "out_channels": keypoints,
        "in_featuremap_size": [side // 32 for side in size],
        "simcc_split_ratio": 2.0,
        "final_layer_kernel_size": 7,
        "gau_cfg": {"hidden_dims": 256, "s": 128, "expansion_factor": 2, "act_fn": "SiLU"},
    }
    return {"backbone": {"type": "CSPNeXt"} | backbone, "heads": {"bodypart": head}}


NETWORKS: dict[str, Callable[[int], Config]] = {
    "hrnet_w32": _hrnet,
    "resnet_50": _resnet,
    "rtmpose_s": _rtmpose_s,
    "rtmpose_x": _rtmpose_x,
}
