"""From a rendered video to animals that are who they are in truth: a model, then tracking, end to end."""

import ethopose
from ethopose.metrics import closeness, identity, sightings
from ethopose.testing import World
from ethopose.testing.demo import demo_model

WORLD = World(frames=300, seed=11)  # two look-alikes, who cross and leave the picture


def test_animals_that_cross_keep_their_tracks(tmp_path, network_cache):
    video = WORLD.write(tmp_path / "world.mp4")
    result = ethopose.predict(video, demo_model(), animals=2, format="none")
    told = identity(sightings(result.poses, WORLD.truth, likeness=closeness(WORLD.length)))
    assert told.tracks == 2
    assert told.switches == 0
    assert told.idf1 > 0.98
    assert told.misses < 10
