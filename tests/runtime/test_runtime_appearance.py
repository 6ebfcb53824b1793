"""Features beside the heads' maps: the same on every runtime, and the maps stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_stages import KINDS, RUNTIMES, SHAPE, decode, maps_by_chance, plain, source, weights_by_chance

from ethopose.core import UsageError
from ethopose.models.build import build_trained
from ethopose.runtime import Compute, appearance, compile_stage

TOLD = {stage.network.heads[0].name: kind for kind, stage in KINDS.items() if not kind.startswith("boxes")}
FEW = "single, located", "single, simcc"


@pytest.fixture(scope="module")
def seeing():
    """A stage that keeps features, compiled."""

    def make(kind: str, runtime: str, wish: int | str):
        told = replace(source(KINDS[kind]), appearance=appearance(KINDS[kind], wish, "seed"))
        return compile_stage(told, SHAPE, Compute("cpu", runtime, threads=1))

    return make


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


@pytest.mark.parametrize("kind", TOLD.values())
def test_runtimes_agree_on_features(seeing, kind):
    stages = {runtime: seeing(kind, runtime, 2) for runtime in RUNTIMES}
    maps = {runtime: stage.network(pictures()) for runtime, stage in stages.items()}
    ours, theirs = (stages[runtime].features(maps[runtime]) for runtime in RUNTIMES)
    assert ours.shape == theirs.shape
    assert ours.shape[:2] == (SHAPE[0], 2)
    assert ours.dtype == theirs.dtype == np.float32
    assert np.ptp(theirs) > 1e-3, "flat features compare nothing"
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", FEW)
def test_maps_and_what_is_found_in_them_stay_as_they_are(compiled_once, seeing, kind, runtime):
    without, with_ = compiled_once(KINDS[kind], runtime), seeing(kind, runtime, "full")
    before, after = without.network(pictures()), with_.network(pictures())
    assert len(after) == len(before) + 1
    for one, other in zip(plain(before), plain(after), strict=False):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(one).max())
    known = [*maps_by_chance(KINDS[kind], 0), np.zeros(1, np.float32)]
    one, other = decode(without, known[:-1]), decode(with_, known)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


@pytest.mark.parametrize("kind", FEW)
def test_features_are_those_that_the_heads_read_and_their_shadows_in_the_directions_drawn(seeing, kind):
    graph = build_trained(KINDS[kind], weights_by_chance(KINDS[kind]))
    how = appearance(KINDS[kind], 2, "seed")
    with torch.no_grad():
        image = torch.from_numpy(pictures()).permute(0, 3, 1, 2) / 255
        whole = graph.features(image)[how.grid.stride].numpy()
    assert whole.shape[1] == how.channels > how.size
    full = seeing(kind, "torch", "full")
    np.testing.assert_allclose(full.features(full.network(pictures())), whole, rtol=1e-5, atol=1e-6)
    less = seeing(kind, "torch", 2)
    shadows = np.einsum("sc,bcyx->bsyx", how.directions, whole)
    np.testing.assert_allclose(less.features(less.network(pictures())), shadows, rtol=1e-4, atol=1e-5)


def test_what_a_network_cannot_give_is_told():
    stage = KINDS["bottom-up"]
    channels = appearance(stage, "full", "").size
    assert appearance(stage, "default", "").size == channels < 32
    assert appearance(stage, channels, "").directions is None
    with pytest.raises(UsageError, match=f"the network has {channels} at a keypoint") as told:
        appearance(stage, channels + 1, "")
    assert f"--features {channels} or fewer" in str(told.value.fix)
    for kind in ("boxes", "boxes, proposed"):
        with pytest.raises(UsageError, match="there is no appearance to keep"):
            appearance(KINDS[kind], "default", "")
