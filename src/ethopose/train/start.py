"""The network that a stage begins with: from nothing, from ImageNet, or from another model."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ethopose.families import load
from ethopose.models.build import NetworkGraph, build
from ethopose.models.pretrained import Unreachable, imagenet_weights
from ethopose.train.inherit import role, take_over
from ethopose.train.journal import Watch
from ethopose.train.plan import Plan
from ethopose.train.state import State

log = logging.getLogger(__name__)


def starting_network(fabric: Fabric, plan: Plan, index: int, state: State, watch: Watch) -> NetworkGraph:
    """The network of a stage, with what it starts from, which is said; `state.pretrained` notes whether that
    is anything. Where a stage goes on its weights are known, and nobody is asked for others.

    Raises:
        ModelError: the weights to start from cannot be read.
    """
    torch.manual_seed(plan.config.loop.seed)
    graph = build(plan.spec.stages[index])
    if not state.network:
        knows = _begin_with(graph, plan, index, watch) if fabric.is_global_zero else False
        state.pretrained = fabric.broadcast(knows)
    return graph


def _begin_with(graph: NetworkGraph, plan: Plan, index: int, watch: Watch) -> bool:
    """Enter the weights that the network starts from; gives whether there are any."""
    config, stage = plan.config, plan.spec.stages[index]
    if config.weights is not None:
        known = take_over(graph, stage, plan.spec.skeleton, load(config.weights, alone=True))
        if known is None:
            log.warning("%s has no %s stage: it starts from nothing", config.weights, role(stage))
            return False
        watch.say(
            f"{role(stage)} starts from {config.weights}, which knows {', '.join(known) or 'no keypoint'}"
        )
        return True
    backbone = stage.network.backbone
    if backbone.name != "timm" or config.imagenet is False:
        return False
    file = config.imagenet if isinstance(config.imagenet, Path) else None
    weights = imagenet_weights(backbone, stage.network.in_channels, file)
    if isinstance(weights, Unreachable):
        log.warning("%s: the encoder starts from nothing, which takes more images and time", weights.reason)
        return False
    graph.backbone.load_state_dict(dict(weights), strict=False)
    watch.say(f"the encoder starts from ImageNet weights of {backbone.options['model']}")
    return True
