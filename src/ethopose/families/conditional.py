"""Conditional models of any tool, and the models that find what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ethopose.core import UsageError
from ethopose.families.model import Model

if TYPE_CHECKING:
    from torch import Tensor


def is_conditional(model: Model) -> bool:
    """Whether a model needs the poses of another."""
    return model.spec.stages[0].preparation.conditions is not None


def paired(first: Model, second: Model) -> Model:
    """The conditional model `second` with `first`, which finds what it is told.

    Raises:
        UsageError: they are not of the same animals, or `first` is no model of whole frames.
    """
    told, wanted = first.spec.skeleton, second.spec.skeleton
    if len(first.spec.stages) > 1 or first.spec.stages[0].preparation.crop is not None:
        what = f"no pair: conditions come from a bottom-up model, not from one that is {first.spec.kind}"
        raise UsageError(what, where=first.paths[0])
    if told.keypoints != wanted.keypoints:
        what = f"no pair: keypoints {', '.join(told.keypoints)} and {', '.join(wanted.keypoints)}"
        raise UsageError(what, where=f"{first.paths[0]}, {second.paths[0]}")
    provenance = {**second.spec.provenance, "conditions": first.spec.name}
    stages = first.spec.stages + second.spec.stages
    spec = second.spec.model_copy(update={"stages": stages, "provenance": provenance})

    def weights(stage: int) -> dict[str, Tensor]:
        return (first, second)[stage].weights(0)

    return Model(
        spec, spec.digest(first.digest, second.digest), second.paths + first.paths, weights, second.window
    )
