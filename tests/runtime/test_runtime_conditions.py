"""Networks that see conditions beside the picture say the same in every runtime."""

import numpy as np
import pytest
from small_stages import RUNTIMES, grown, light, plain

from ethopose.models.spec import Part

SIZE = (32, 64)
CONDITIONED = {
    "conditioned": {"inner": "cspnext", "options": {"width": 0.125, "depth": 0.1}},
    "conditioned_hrnet": {"size": SIZE, "model": "hrnet_w18_small", "attended": (1, 2), "lookers": 2},
}


def stage(backbone: str):
    part = Part(name=backbone, options={"conditions": 3, **CONDITIONED[backbone]})
    return light("located_map", source=4, maps=grown(3), neck=False, backbone=part)


def pictures(colours: int) -> np.ndarray:
    """By chance; in the first a keypoint in the middle and one in a corner, in the second none."""
    seen = np.zeros((2, *SIZE, colours + 3), np.uint8)
    seen[..., :colours] = np.random.default_rng(0).integers(0, 256, (2, *SIZE, colours))
    seen[0, 15, 40, colours], seen[0, 0, 0, colours + 2] = 255, 255
    return seen


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("backbone", CONDITIONED)
def test_runtimes_agree_on_what_a_network_sees_in_the_light_of_conditions(compiled_once, backbone, colours):
    seen = pictures(colours)
    ours, theirs = (
        plain(compiled_once(stage(backbone), runtime, shape=seen.shape).network(seen))[0]
        for runtime in RUNTIMES
    )
    assert np.ptp(theirs) > 0.01
    rounding = 1e-5 if backbone == "conditioned" else 2e-4  # attention that is all or nothing magnifies it
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=rounding * np.abs(theirs).max())


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("backbone", CONDITIONED)
def test_conditions_change_what_is_seen_of_their_own_picture_alone(compiled_once, backbone, runtime):
    seen = pictures(1)
    told = compiled_once(stage(backbone), runtime, shape=seen.shape)
    before = plain(told.network(seen))[0].copy()
    seen[0, ..., 1:] = 0
    after = plain(told.network(seen))[0]
    assert np.abs(before[0] - after[0]).max() > 1e-3 * np.abs(before[0]).max()
    np.testing.assert_array_equal(before[1], after[1])
