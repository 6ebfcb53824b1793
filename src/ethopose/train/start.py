"""The network that a stage begins with: from nothing, from ImageNet, or from another model."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ethopose.families import Model, load
from ethopose.models.build import NetworkGraph, build
from ethopose.models.pretrained import Unreachable, imagenet_weights
from ethopose.models.spec import Stage
from ethopose.train.inherit import role
from ethopose.train.journal import Watch
from ethopose.train.plan import Plan
from ethopose.train.state import State
from ethopose.train.takeover import Taken, take_over

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
        taken = _taken(graph, plan, stage, load(config.weights, alone=True))
        if taken is None:
            log.warning("%s has no %s stage: it starts from nothing", config.weights, role(stage))
            return False
        watch.say(f"{role(stage)} starts from {config.weights}, which {taken.told()}")
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


def _taken(graph: NetworkGraph, plan: Plan, stage: Stage, donor: Model) -> Taken | None:
    """What a network took from the donor's stage of the same role; None where it has no such stage."""
    index = next((i for i, given in enumerate(donor.spec.stages) if role(given) == role(stage)), None)
    if index is None:
        return None
    given = donor.spec.stages[index], donor.spec.skeleton
    return take_over(graph, given, donor.weights(index), (stage, plan.spec.skeleton))
