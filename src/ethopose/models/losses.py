"""The losses that a head can name: an output and its target in, a scalar out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ethopose.core import SpecError
from ethopose.models.registry import Registry


class Loss(Protocol):
    """A scalar in fp32. What the target leaves open (NaN) is not counted."""

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss."""


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    known = target.isfinite()
    return _mean((output - target.nan_to_num()).square(), known)


def relative_mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error as a share of the target's own squares, picture by picture: what is mostly empty counts
    as much as what is full."""
    known, target = target.isfinite(), target.nan_to_num()
    error = torch.where(known, output - target, 0).square().flatten(1).sum(1)
    return (error / target.square().flatten(1).sum(1).clamp(min=1)).mean()


def huber(output: Tensor, target: Tensor) -> Tensor:
    """Squared below 1, linear above (Huber 1964)."""
    known = target.isfinite()
    return _mean(functional.huber_loss(output, target.nan_to_num(), reduction="none"), known)


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Of logits over the cells of each map (batch, keypoint, ...) against probabilities that sum to 1, less
    the entropy of these, so that 0 is the best; a map without any, or with one that is open, is left out."""
    log_mass = functional.log_softmax(output.flatten(2), -1)
    share = target.flatten(2)
    share = torch.where(share.isfinite().all(-1, keepdim=True), share, 0)
    entropy = -torch.xlogy(share, share)
    return _mean((-share * log_mass - entropy).sum(-1), share.sum(-1) > 0)


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Of probabilities."""
    known = target.isfinite()
    p = output.clamp(1e-6, 1 - 1e-6)
    t = target.nan_to_num()
    return _mean(-(t * p.log() + (1 - t) * (1 - p).log()), known)


def binary_cross_entropy_logits(output: Tensor, target: Tensor) -> Tensor:
    """Of logits."""
    known = target.isfinite()
    each = functional.binary_cross_entropy_with_logits(output, target.nan_to_num(), reduction="none")
    return _mean(each, known)


def focal(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of probabilities, cell by cell times the squared error, so that the many cells that are
    nearly right count little; divided by the mass of each picture's targets.

    Source: the quality focal loss of Li et al. 2020 (beta 2), whose targets need not be 0 or 1.
    """
    known, target = target.isfinite(), target.nan_to_num()
    p = output.clamp(1e-6, 1 - 1e-6)
    entropy = target * p.log() + (1 - target) * (1 - p).log()
    each = -torch.where(known, (target - p).square() * entropy, 0).flatten(1).sum(1)
    return (each / target.flatten(1).sum(1).clamp(min=1)).mean()


LOSSES: Registry[Tensor] = Registry(
    "loss",
    {
        "mse": mse,
        "relative_mse": relative_mse,
        "huber": huber,
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": binary_cross_entropy,
        "binary_cross_entropy_logits": binary_cross_entropy_logits,
        "focal": focal,
    },
)


class Criteria:
    """A loss and a weight for each output of a head: its own, or as the spec says."""

    def __init__(
        self,
        own: Mapping[str, tuple[str, float]],
        loss: Mapping[str, str] | None = None,
        weight: Mapping[str, float] | None = None,
    ) -> None:
        for name in (*(loss or ()), *(weight or ())):
            if name not in own:
                raise SpecError(f"a loss for {name!r}, which is no output", fix=f"choose {', '.join(own)}")
        self._of: dict[str, tuple[Callable[..., Tensor], float]] = {}
        for name, (default, default_weight) in own.items():
            chosen = (loss or {}).get(name, default)
            if chosen not in LOSSES:
                raise SpecError(f"no loss is named {chosen!r}", fix=f"choose from {', '.join(LOSSES)}")
            self._of[name] = LOSSES[chosen], (weight or {}).get(name, default_weight)

    def __call__(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weighted losses by output."""
        return {
            name: weight * loss(outputs[name].float(), targets[name].float())
            for name, (loss, weight) in self._of.items()
        }


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Over what is known of each picture, then over pictures: so a batch may be split as one likes."""
    each = torch.where(known, values, 0).flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)
    return each.mean()
