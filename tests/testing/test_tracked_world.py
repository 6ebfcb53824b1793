"""From a rendered video to animals that are who they are in truth: a model, then tracking, end to end."""

import pytest

import ethopose
from ethopose.metrics import closeness, identity, sightings
from ethopose.testing import World
from ethopose.testing.demo import demo_model

WORLD = World(frames=300, seed=11)  # two look-alikes, who cross and leave the picture


@pytest.fixture(scope="module")
def told(tmp_path_factory, network_cache):
    video = WORLD.write(tmp_path_factory.mktemp("world") / "world.mp4")
    result = ethopose.predict(video, demo_model(), animals=2, format="none")
    assert len(result.tracks) == 2
    return identity(sightings(result.poses, WORLD.truth, likeness=closeness(WORLD.length)))


def test_animals_are_found_and_keep_their_tracks(told):
    print(told)
    assert told.idf1 > 0.9
