"""DeepLabCut's detectors as first stages. In its configurations null means absent."""

from __future__ import annotations

from typing import Any

from ethopose.families.deeplabcut3.networks import Config, given, known
from ethopose.models.spec import Network, Part

SIZE = [320, 320]
OF_COCO = "FilteredDetector"  # torchvision's own, of which one category counts
CATEGORIES = 91
LOWEST = {
    "SSDLite": 0.001,
    "FasterRCNN": 0.01,
    OF_COCO: 0.01,
}  # scores that count; SSDLite's is torchvision's
EXACT = "fasterrcnn_resnet50_fpn"  # whose weights of COCO torchvision runs without an epsilon
RESNET = {"levels": [4, 8, 16, 32, 64], "sizes": [[32], [64], [128], [256], [512]]}
MOBILENET = {"levels": [32, 32, 64], "sizes": [[32, 64, 128, 256, 512]] * 3, "min_score": 0.05}
LARGE = {"shortest": 800, "longest": 1333, "multiple": 32}
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # options of the pyramid, and of the head
    "fasterrcnn_resnet50_fpn": ({"body": "resnet50", **LARGE}, RESNET),
    "fasterrcnn_resnet50_fpn_v2": (
        {"body": "resnet50", "norm": "batch", "even": True, **LARGE},
        {**RESNET, "depth": 2, "convolutions": 4},
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": ({"body": "mobilenet_v3_large", **LARGE}, MOBILENET),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (
        {"body": "mobilenet_v3_large", **LARGE, "shortest": 320, "longest": 640},
        {**MOBILENET, "proposals": 150},
    ),
}


def network(config: Config) -> Network:
    """The network of a detector.

    Raises:
        ModelError: it is none that is known.
    """
    if _is_ssdlite(config):
        backbone = Part(name="ssdlite", options={"size": SIZE})
        return Network(in_channels=3, backbone=backbone, heads=(Part(name="anchored_boxes"),))
    variant = given(config, "variant", "fasterrcnn_mobilenet_v3_large_fpn")
    pyramid, head = known(VARIANTS, variant, "detector")
    if is_of_coco(config):
        pyramid = pyramid | {"times": 1} | ({"eps": 0.0} if variant == EXACT else {})
        head = head | {"classes": CATEGORIES, "kept": config["category"]}
    heads = (Part(name="proposed_boxes", options=head),)
    return Network(in_channels=3, backbone=Part(name="pyramid", options=pyramid), heads=heads)


def is_of_coco(config: Config) -> bool:
    """Whether it is one of torchvision's, with its weights: pictures are scaled from 0 to 1, no more."""
    return config.get("type") == OF_COCO


def grouping(config: Config, animals: int) -> Part:
    """What chooses among its boxes."""
    if _is_ssdlite(config):
        return Part(name="boxes", options={"overlap": 0.55, "animals": min(animals, 300)})
    # torchvision takes 0.01 px of the enlarged picture, whose sides are 800 to 1333
    return Part(name="boxes", options={"overlap": 0.5, "animals": min(animals, 100), "smallest": 1e-5})


def threshold(config: Config) -> float:
    """The score that boxes must be above."""
    lowest = known(LOWEST, config.get("type"), "detector")
    return lowest if _is_ssdlite(config) else float(given(config, "box_score_thresh", lowest))


def _is_ssdlite(config: Config) -> bool:
    known(LOWEST, config.get("type"), "detector")
    return bool(config["type"] == "SSDLite")
