"""What every runtime promises of every kind of stage."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from small_stages import (
    CENTROID,
    KINDS,
    RUNTIMES,
    SHAPE,
    STRIDE,
    TALL,
    animals,
    decode,
    map_shapes,
    maps_by_chance,
    plain,
)

from ethopose.core import UsageError
from ethopose.models.build import build
from ethopose.models.heads import HEADS
from ethopose.runtime import Compute, resolve

COLOUR = (*SHAPE[:3], 3)
HEADLESS_NAMES = {"xy", "value", "next_value", "line_score", "probability", "centre", "box"} | {
    "nowhere",
    "unique_xy",
    "unique_value",
}
BOXES = {kind for kind in KINDS if kind.startswith("boxes")}
# of a flat top every cell is a peak there, as DeepLabCut has it
PLATEAUS = {"bottom-up, staged", "centres", "centres, named, and unique"}


def pictures(shape=SHAPE, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_every_head_stands_in_a_kind_that_is_tested():
    assert {head.name for stage in KINDS.values() for head in stage.network.heads} == set(HEADS)


@pytest.mark.parametrize("kind", KINDS)
def test_runtimes_agree_on_the_outputs_of_a_network(compiled_once, kind):
    ours, theirs = (plain(compiled_once(KINDS[kind], runtime).network(pictures())) for runtime in RUNTIMES)
    assert [one.shape for one in ours] == [other.shape for other in theirs] == map_shapes(KINDS[kind])
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype == np.float32
        assert np.ptp(other) > 0.01, "a flat map compares nothing"
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())


def test_runtimes_agree_on_colour_pictures_for_a_gray_network(compiled_once):
    ours, theirs = (
        plain(compiled_once(CENTROID, runtime, shape=COLOUR).network(pictures(COLOUR)))[0]
        for runtime in RUNTIMES
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_runtimes_agree_on_what_they_find(compiled_once, kind, seed):
    maps = maps_by_chance(KINDS[kind], seed)
    ours = decode(compiled_once(KINDS[kind], "openvino"), maps)
    theirs = decode(compiled_once(KINDS[kind], "torch"), maps)
    assert list(ours) == list(theirs)
    assert set(ours) <= HEADLESS_NAMES
    there = theirs["value"] > -np.inf
    assert there.sum() > 0
    if "next_value" in ours:
        np.testing.assert_array_equal(ours["value"], theirs["value"])
        np.testing.assert_array_equal(ours["next_value"], theirs["next_value"])
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=1e-5)
    rounding = 1e-3 if "gaussian" in kind else 1e-4  # a Gaussian fitted to mere noise is shaky
    if kind in BOXES:
        np.testing.assert_allclose(ours["box"], theirs["box"], rtol=0, atol=1e-6)
    else:
        np.testing.assert_allclose(ours["xy"][there], theirs["xy"][there], rtol=1e-6, atol=rounding)
    if "line_score" in ours:
        np.testing.assert_allclose(ours["line_score"], theirs["line_score"], rtol=1e-5, atol=1e-5)
    if "probability" in ours:
        np.testing.assert_allclose(ours["probability"], theirs["probability"], rtol=1e-6)
    found = [animals(KINDS[kind], arrays) for arrays in (ours, theirs)]
    assert len(found[0].frame) > 0
    np.testing.assert_allclose(found[0].xy, found[1].xy, rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(found[0].individual, found[1].individual)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_decodes_what_its_own_network_gave(compiled_once, kind, runtime):
    stage = compiled_once(KINDS[kind], runtime)
    found = stage.decode(stage.network(pictures()))
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    animals(KINDS[kind], found)


@pytest.mark.parametrize("kind", ["bottom-up", "class map"])
def test_room_for_more_peaks_changes_nothing_where_there_was_enough(compiled_once, kind):
    maps = maps_by_chance(KINDS[kind], 0)
    maps[0][maps[0] < 0.2] = 0  # without the peaks of the noise, which fill any room
    for runtime in RUNTIMES:
        stage = compiled_once(KINDS[kind], runtime)
        narrow, wide = (decode(stage, maps, wide=room) for room in (False, True))
        assert wide["value"].shape[2] > narrow["value"].shape[2]
        one, other = animals(KINDS[kind], narrow), animals(KINDS[kind], wide)
        assert len(one.frame) > 0
        np.testing.assert_allclose(one.xy, other.xy, rtol=0, atol=1e-5)
        np.testing.assert_allclose(one.score, other.score, rtol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_a_call_gave_stays_when_another_follows(compiled_once, runtime):
    stage = compiled_once(CENTROID, runtime)
    maps = stage.network(pictures())
    found = stage.decode(maps)
    kept = plain(maps)[0].copy(), {name: array.copy() for name, array in found.items()}
    stage.decode(stage.network(pictures(seed=9)))
    np.testing.assert_array_equal(plain(maps)[0], kept[0])
    for name, array in found.items():
        np.testing.assert_array_equal(array, kept[1][name])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_that_share_a_stage_get_their_own_answers(compiled_once, runtime):
    stage = compiled_once(CENTROID, runtime)
    together = threading.Barrier(4)

    def answer(seed: int) -> np.ndarray:
        together.wait()
        return stage.decode(stage.network(pictures(seed=seed)))["value"]

    alone = [stage.decode(stage.network(pictures(seed=seed)))["value"] for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for one, other in zip(pool.map(answer, range(4)), alone, strict=True):
                np.testing.assert_array_equal(one, other)


def far_away() -> np.ndarray:
    """A map whose 5 x 5 centre of mass around its peak lies at (1000.3, 700.7) px exactly."""
    column, row = 1000.3 / STRIDE, 700.7 / STRIDE
    cells = np.zeros((1, 1, TALL[1] // STRIDE, TALL[2] // STRIDE))
    left, top = int(column), int(row)
    x, y = column - left, row - top
    cells[0, 0, top : top + 2, left : left + 2] = np.outer((1 - y, y), (1 - x, x))
    return cells.astype(np.float32)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_peak_far_from_the_corner_is_exact_whatever_precision_the_network_runs_in(
    compiled_once, runtime, precision
):
    stage = compiled_once(CENTROID, runtime, shape=TALL, precision=precision)
    found = decode(stage, [far_away()])
    instances = animals(CENTROID, found)
    np.testing.assert_allclose(instances.xy[0, 0], (1000.3, 700.7), atol=0.01)
    assert found["xy"].dtype == np.float32


def test_maps_in_half_precision_are_decoded_in_full(compiled_once):
    stage = compiled_once(CENTROID, "torch", shape=TALL, precision="bf16")
    found = stage.decode([torch.from_numpy(far_away()).bfloat16()])
    np.testing.assert_allclose(animals(CENTROID, found).xy[0, 0], (1000.3, 700.7), atol=0.01)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_in_bf16_is_near_the_one_in_fp32_and_not_the_same(compiled_once, runtime):
    exact, rough = (
        plain(compiled_once(CENTROID, runtime, precision=precision).network(pictures()))[0]
        for precision in ("fp32", "bf16")
    )
    np.testing.assert_allclose(rough, exact, rtol=0, atol=0.05 * np.abs(exact).max())
    fast = resolve(Compute("cpu", runtime, "auto")).precision == "bf16"
    assert not (fast and np.array_equal(rough, exact))


def one_cell(value: float) -> np.ndarray:
    cells = np.zeros((2, 1, 24, 32), np.float32)
    cells[:, :, 9, 13] = value
    return cells


FLAT = {
    "zero": 0.0,
    "negative": -3.0,
    "nan": np.nan,
    "infinite": np.inf,
    "minus infinite": -np.inf,
}
ONE_CELL = {"nan in a cell": np.nan, "infinite cell": np.inf, "minus infinite cell": -np.inf}
DEGENERATE = {
    **{name: np.full((2, 1, 24, 32), value, np.float32) for name, value in FLAT.items()},
    **{name: one_cell(value) for name, value in ONE_CELL.items()},
}


def as_output(cells: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same for every keypoint; for an output of lines the row that differs."""
    maps = np.repeat(cells, shape[1], axis=1)
    if len(shape) == 4:
        lacking = [(0, max(wanted - there, 0)) for wanted, there in zip(shape, maps.shape, strict=True)]
        return np.pad(maps, lacking, mode="edge")[:, :, : shape[2], : shape[3]]
    return np.pad(maps[:, :, 9], ((0, 0), (0, 0), (0, shape[2] - maps.shape[3])), mode="edge")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in BOXES])
@pytest.mark.parametrize("content", DEGENERATE)
def test_maps_without_a_peak_give_nobody(compiled_once, kind, runtime, content):
    stage = KINDS[kind]
    maps = maps_by_chance(stage, 0)
    names = [name.partition(".")[2] for name in build(stage).names]
    for index in [index for index, name in enumerate(names) if name == names[0]]:
        maps[index] = as_output(DEGENERATE[content], maps[index].shape)
    found = decode(compiled_once(stage, runtime), maps)
    instances = animals(stage, found)
    assert len(instances.frame) == 0, f"{instances.xy} {instances.confidence}"


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", sorted(BOXES))
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_broken_scores_or_ways_give_no_box(compiled_once, kind, runtime, place, value):
    maps = maps_by_chance(KINDS[kind], 0)
    maps[place][:] = value
    instances = animals(KINDS[kind], decode(compiled_once(KINDS[kind], runtime), maps))
    assert len(instances.frame) == 0


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in PLATEAUS | BOXES and not re.search("single|vector", kind)]
)
def test_a_map_that_is_bright_throughout_has_no_local_peak(compiled_once, kind, runtime):
    maps = maps_by_chance(KINDS[kind], 0)
    maps[0][:] = 0.7
    assert len(animals(KINDS[kind], decode(compiled_once(KINDS[kind], runtime), maps)).frame) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ["bottom-up", "class map", "class vector"])
def test_a_broken_second_head_neither_joins_nor_names_anybody(compiled_once, kind, runtime, value):
    maps = maps_by_chance(KINDS[kind], 0)
    maps[1][:] = value
    instances = animals(KINDS[kind], decode(compiled_once(KINDS[kind], runtime), maps))
    assert not np.any(instances.individual >= 0)
    assert kind == "class vector" or len(instances.frame) == 0


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"runtime": "onnx"}, "no runtime is named"),
        ({"precision": "int8"}, "no precision is named"),
        ({"threads": 0}, "0 threads"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(asked, why):
    with pytest.raises(UsageError, match=why):
        Compute(**asked)


def test_openvino_is_not_quietly_replaced_on_another_device():
    with pytest.raises(UsageError, match=r"CPU only|no device"):
        resolve(Compute("cuda", "openvino"))


def test_a_cpu_runs_openvino_unless_torch_is_asked_for():
    assert resolve(Compute("cpu")).runtime == "openvino"
    assert resolve(Compute("cpu", "torch")).runtime == "torch"
    assert resolve(Compute("cpu")).threads >= 1
