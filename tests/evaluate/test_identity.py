"""Whether named animals were given their own names."""

from dataclasses import replace

import numpy as np
import pytest

from ethopose.evaluate.found import Found
from ethopose.evaluate.sample import make_sample
from ethopose.evaluate.summary import summarise
from ethopose.testing import World

FRAMES = tuple(range(0, 40, 4))


def accuracy(found, labels) -> float | None:
    images = np.arange(len(FRAMES))
    rows = summarise(make_sample(labels, Found(found, images, images[:0]), {}), 0.6)
    return rows[0].tools.get("identity.accuracy")


def test_identities_are_counted_animal_by_animal():
    labels = World(animals=2, seed=3).labels(FRAMES)
    found = labels.poses
    assert accuracy(found, labels) == 1
    swapped = found.individual.copy()
    swapped[0] = 1 - swapped[0]
    wrong = replace(found, individual=swapped)
    assert accuracy(wrong, labels) == pytest.approx(1 - 1 / len(found))


def test_identities_are_told_by_name_not_by_number():
    labels = World(animals=2, seed=3).labels(FRAMES)
    names = labels.poses.skeleton.individuals
    other_order = replace(labels.poses.skeleton, individuals=names[::-1])
    found = replace(labels.poses, skeleton=other_order, individual=1 - labels.poses.individual)
    assert accuracy(found, labels) == 1


def test_poses_without_individuals_have_no_such_number():
    labels = World(animals=2, seed=3).labels(FRAMES)
    nameless = replace(labels.poses.skeleton, individuals=())
    found = replace(labels.poses, skeleton=nameless, individual=np.full(len(labels.poses), -1, np.int16))
    assert accuracy(found, labels) is None
