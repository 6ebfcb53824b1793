"""The network that a stage begins with: from nothing, from ImageNet, or from another model."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from ethopose.families import load
from ethopose.models.build import NetworkGraph, build
from ethopose.models.pretrained import Unreachable, imagenet_weights
from ethopose.train.inherit import role, take_over
from ethopose.train.journal import Watch
from ethopose.train.plan import Plan

log = logging.getLogger(__name__)


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
        if known is None:
            log.warning("%s has no %s stage: it starts from nothing", config.weights, role(stage))
            return graph, False
        watch.say(
            f"{role(stage)} starts from {config.weights}, which knows {', '.join(known) or 'no keypoint'}"
        )
        return graph, True
    backbone = stage.network.backbone
    if backbone.name != "timm" or config.imagenet is False:
        return graph, False
    file = config.imagenet if isinstance(config.imagenet, Path) else None
    weights = imagenet_weights(backbone, stage.network.in_channels, file)
    if isinstance(weights, Unreachable):
        log.warning("%s: the encoder starts from nothing, which takes more images and time", weights.reason)
        return graph, False
    graph.backbone.load_state_dict(dict(weights), strict=False)
    watch.say(f"the encoder starts from ImageNet weights of {backbone.options['model']}")
    return graph, True
