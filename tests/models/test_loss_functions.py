"""Losses against plain arithmetic; what targets leave open is not counted."""

import math

import pytest
import torch

from ethopose.models.losses import LOSSES

PROBABILITIES = {"binary_cross_entropy", "focal"}


def pair(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """An output and a target (batch, keypoint, height, width) that suit a loss."""
    chance = torch.Generator().manual_seed(1)
    output, target = (torch.rand(2, 3, 4, 5, generator=chance) * 0.8 + 0.1 for _ in range(2))
    if name == "cross_entropy":
        return 5 * output, target / target.sum((-2, -1), keepdim=True)
    return output, target


PLAIN = {
    "mse": lambda output, target: (output - target) ** 2,
    "huber": lambda output, target: (output - target) ** 2 / 2,
    "binary_cross_entropy": lambda output, target: (
        -(target * math.log(output) + (1 - target) * math.log(1 - output))
    ),
    "binary_cross_entropy_logits": lambda output, target: math.log(1 + math.exp(output)) - target * output,
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_loss_of_cells_is_the_mean_over_those_that_are_known_of_each_picture(name):
    output, target = pair(name)
    target[0, 1] = torch.nan
    pictures = []
    for o, t in zip(output, target, strict=True):
        known = t.isfinite()
        each = [PLAIN[name](*cell) for cell in zip(o[known].tolist(), t[known].tolist(), strict=True)]
        pictures.append(sum(each) / len(each))
    assert LOSSES[name](output, target).item() == pytest.approx(sum(pictures) / 2, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_may_be_split(name):
    """So that gradients can be gathered over its pieces; also where one knows less than the other."""
    output, target = pair(name)
    target[0, 0] = 0 if name in ("relative_mse", "focal", "cross_entropy") else torch.nan
    whole = LOSSES[name](output, target)
    pieces = [LOSSES[name](output[k : k + 1], target[k : k + 1]) for k in (0, 1)]
    torch.testing.assert_close(whole, sum(pieces) / 2)


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_is_nothing_where_nothing_is_known(name):
    output, target = pair(name)
    target[0] = torch.nan
    output.requires_grad_()
    LOSSES[name](output, target).backward()
    assert (output.grad[0] == 0).all()
    assert (output.grad[1] != 0).all()
    output.grad = None
    loss = LOSSES[name](output, torch.full_like(target, torch.nan))
    loss.backward()
    assert loss == 0
    assert (output.grad == 0).all()


def test_cross_entropy_is_the_divergence_of_the_softmax_from_the_target():
    output, target = pair("cross_entropy")
    mass = output.flatten(2).softmax(-1)
    share = target.flatten(2)
    wanted = (share * (share / mass).log()).sum(-1).mean()
    torch.testing.assert_close(LOSSES["cross_entropy"](output, target), wanted)
    target[:, 1] = 0
    wanted = (share * (share / mass).log()).sum(-1)[:, [0, 2]].mean()
    torch.testing.assert_close(LOSSES["cross_entropy"](output, target), wanted)


@pytest.mark.parametrize("name", ["mse", "relative_mse", "huber", "focal", "cross_entropy"])
def test_a_loss_is_nothing_at_its_target_and_more_elsewhere(name):
    output, target = pair(name)
    best = target.log() if name == "cross_entropy" else target
    assert abs(LOSSES[name](best, target)) < 1e-6
    assert LOSSES[name](output, target) > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_sure_and_wrong_outputs_leave_a_loss_finite(name):
    wrong = torch.tensor([0.0, 1.0]).repeat(1, 1, 2, 1)
    target = 1 - wrong if name in PROBABILITIES else (1 - wrong) / 2
    output = wrong.clone() if name in PROBABILITIES else 100 * wrong
    output.requires_grad_()
    loss = LOSSES[name](output, target)
    loss.backward()
    assert loss.isfinite()
    assert output.grad.isfinite().all()


def test_every_loss_has_a_test():
    assert set(LOSSES) == {*PLAIN, "relative_mse", "focal", "cross_entropy"}
