"""Worlds whose animals cross in a hut, as videos and as results."""

import pytest
from rendered import found, write_found

from ethopose.reid import learning
from ethopose.testing import World

HUT = 30.0  # px


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """What these animals look like is learned fast."""
    monkeypatch.setattr(learning, "STEPS", 60)
    monkeypatch.setattr(learning, "CHECKS", 4)


@pytest.fixture(scope="session")
def coats(tmp_path_factory):
    """Animals with coats of their own, and their video."""
    world = World(animals=4, frames=400, alike=False)
    return world, world.write(tmp_path_factory.mktemp("coats") / "coats.mp4")


@pytest.fixture
def source(coats, tmp_path):
    """A result of it: no names, and nobody is found in the hut."""
    world, video = coats
    return write_found(tmp_path / "coats.mp4.mice.ethopose", world, video, poses=found(world, hut=HUT)[0])


@pytest.fixture
def animal(coats):
    """Who is who, row by row."""
    return found(coats[0], hut=HUT)[1]
