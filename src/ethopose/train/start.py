"""The network that a stage begins with: from nothing, from ImageNet, or from another model."""

from __future__ import annotations

from pathlib import Path

import torch

from ethopose.families import load
from ethopose.models.build import NetworkGraph, build
from ethopose.models.pretrained import Unreachable, imagenet_weights
from ethopose.train.inherit import take_over
from ethopose.train.journal import Watch
from ethopose.train.plan import Plan


def starting_network(plan: Plan, index: int, watch: Watch) -> tuple[NetworkGraph, bool]:
    """The network of a stage, and whether its encoder knows something already; what it starts from is said.

    Raises:
        ModelError: the weights to start from cannot be read.
    """
    config, stage = plan.config, plan.spec.stages[index]
    torch.manual_seed(config.loop.seed)
    graph = build(stage)
    if config.weights is not None:
        known = take_over(graph, stage, plan.spec.skeleton, load(config.weights, alone=True))
        told = ", ".join(known) if known else "none of these keypoints"
        watch.say(f"started from {config.weights}, which knows {told}")
        return graph, True
    backbone = stage.network.backbone
    if backbone.name != "timm" or config.imagenet is False:
        return graph, False
    file = config.imagenet if isinstance(config.imagenet, Path) else None
    weights = imagenet_weights(backbone, stage.network.in_channels, file)
    if isinstance(weights, Unreachable):
        watch.say(f"{weights.reason}: the encoder starts from nothing, which takes more images and time")
        return graph, False
    graph.backbone.load_state_dict(dict(weights), strict=False)
    watch.say(f"the encoder starts from ImageNet weights of {backbone.options['model']}")
    return graph, True
