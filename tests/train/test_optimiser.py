"""The arithmetic of learning: optimiser, average, schedule, and which picture a step sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ethopose.train.augment import draw
from ethopose.train.average import Average
from ethopose.train.config import Augmentation
from ethopose.train.examples import order
from ethopose.train.learner import learning_rate
from ethopose.train.optimiser import MuonAdamW, orthogonal


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_vectors_follow_adamw(decay):
    torch.manual_seed(0)
    mine, its = (nn.Parameter(torch.arange(12.0).view(3, 4)) for _ in range(2))
    ours = MuonAdamW([{"params": [mine], "weight_decay": decay}], 1e-2)
    theirs = torch.optim.AdamW([its], lr=1e-2, weight_decay=decay)
    for step in range(10):
        for group in (*ours.param_groups, *theirs.param_groups):
            group["lr"] = 1e-2 / (1 + step)
        mine.grad = torch.randn(3, 4)
        its.grad = mine.grad.clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(mine, its, atol=1e-6, rtol=0)


def test_the_state_of_the_optimiser_can_be_stored():
    def steps(parameter: nn.Parameter, optimiser: MuonAdamW, seeds: range) -> None:
        for seed in seeds:
            parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
            optimiser.step()

    for matrix in (False, True):
        once, twice = (nn.Parameter(torch.ones(8, 4, 3, 3)) for _ in range(2))
        unbroken = MuonAdamW([{"params": [once], "matrix": matrix}], 1e-2)
        steps(once, unbroken, range(6))
        before = MuonAdamW([{"params": [twice], "matrix": matrix}], 1e-2)
        steps(twice, before, range(3))
        after = MuonAdamW([{"params": [twice], "matrix": matrix}], 1e-2)
        after.load_state_dict(before.state_dict())
        steps(twice, after, range(3, 6))
        assert torch.equal(once, twice)


@pytest.mark.parametrize("shape", [(16, 16), (8, 72), (72, 8), (64, 200)])
def test_a_matrix_becomes_nearly_orthogonal(shape):
    """Jordan et al. 2024: singular values fall between about 0.7 and 1.2."""
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrix = left @ torch.diag(torch.linspace(0.1, 1, min(shape))) @ right
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3
    nearest = left @ right
    assert nn.functional.cosine_similarity(orthogonal(matrix).flatten(), nearest.flatten(), dim=0) > 0.95


def test_the_average_follows_slower_the_longer_it_runs():
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = Average(network, 0.5)
    network.weight.data.fill_(1.0)
    expected = 0.0
    for step in range(20):
        average.update(step)
        decay = min(0.5, (step + 1) / (step + 10))
        expected = decay * expected + 1 - decay
        assert average.network.weight.item() == pytest.approx(expected)


def test_the_average_takes_statistics_along():
    network = nn.BatchNorm2d(2)
    average = Average(network, 0.0)
    network.train()(torch.randn(4, 2, 3, 3) + 5)
    average.update(1000)
    torch.testing.assert_close(average.network.running_mean, network.running_mean)


def test_the_rate_rises_to_its_peak_and_falls_on_half_a_cosine():
    rates = [learning_rate(progress, 0.1, 0.02) for progress in np.linspace(0, 1, 101)]
    assert 0 < rates[0] < 0.02
    assert max(rates) == pytest.approx(rates[10]) == pytest.approx(1)
    assert rates[55] == pytest.approx(0.51)
    assert rates[-1] == pytest.approx(0.02)
    assert all(np.diff(rates[:11]) > 0)
    assert all(np.diff(rates[10:]) < 0)
    assert learning_rate(0.0, 0.0, 0.0) == 1
    assert learning_rate(1.3, 0.1, 0.02) == pytest.approx(0.02)


@given(n=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_every_epoch_shows_every_example_once(n, batch, seed):
    steps = -(-3 * n // batch)
    shown = np.concatenate([order(n, batch, step, seed) for step in range(steps)])[: 3 * n]
    for epoch in shown.reshape(3, n):
        assert sorted(epoch) == list(range(n))


def test_epochs_differ():
    first, second = order(30, 30, 0, 1), order(30, 30, 1, 1)
    assert first.tolist() != second.tolist() != sorted(second)
    assert first.tolist() != order(30, 30, 0, 2).tolist()


@given(start=st.integers(0, 7), end=st.integers(1, 8), step=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_chance_of_a_picture_does_not_depend_on_its_micro_batch(start, end, step):
    how = Augmentation(flip=True, rotation=180)
    whole, part = draw(how, 8, (3, step)), draw(how, 8, (3, step))[slice(start, end)]
    for name in whole.__slots__:
        np.testing.assert_array_equal(getattr(whole, name)[start:end], getattr(part, name))


def test_without_strength_nothing_is_changed():
    chance = draw(Augmentation(flip=True, rotation=180), 16, (0, 0), 0.0)
    for name in ("angle", "shift", "bend", "flip", "blur"):
        assert not getattr(chance, name).any()
    assert (chance.zoom == 1).all()
    assert chance.light.tolist() == [[0, 1, 1]] * 16
    assert not chance.noise[:, 0].any()
    assert np.isnan(chance.hidden).any(-1).all()
