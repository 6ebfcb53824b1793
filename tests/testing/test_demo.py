"""The demonstration: what a new user sees, measured against the truth."""

import time
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

import ethopose
from ethopose.core import ResultError
from ethopose.media import VideoWriter
from ethopose.testing import World, compare
from ethopose.testing.demo import DEMO_WORLD, demo_model, run_demo

UNSEEN = (11, 12)  # seeds below 1000 are not trained on


def nobody(what: str, done: int, total: int) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Networks converted anew, as on a machine that ethopose was just installed on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETHOPOSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with the demonstration in it, its report, what it said on the way, and its seconds."""
    folder, said = tmp_path_factory.mktemp("demo"), []
    begin = time.perf_counter()
    report = run_demo(folder, lambda *told: said.append(told))
    return folder, report, said, time.perf_counter() - begin


def test_the_demo_finds_both_animals_where_they_are(demo):
    _, report, _, _ = demo
    assert report.found >= 0.98
    assert report.median <= 1.5
    assert report.p95 <= 4
    assert report.extra <= 0.05  # animals less than half in the picture, which the truth leaves out
    assert report.animals == len(DEMO_WORLD.truth) > 1.5 * report.frames


def test_the_demo_takes_less_than_a_minute(demo):
    assert demo[3] < 60


@pytest.mark.parametrize("seed", UNSEEN)
def test_the_model_holds_on_clips_that_it_has_not_seen(seed, tmp_path):
    world = World(seed=seed)
    result = ethopose.predict(world.write(tmp_path / "clip.mp4"), demo_model())
    found = compare(result.poses, world.truth)
    assert found.found >= 0.98
    assert found.extra <= 0.05
    assert found.missing <= 0.05
    assert found.median <= 1.5
    assert found.p95 <= 4


def test_the_demo_trained_on_neither_its_own_seed_nor_the_tests():
    spec = yaml.safe_load((demo_model() / "model.yaml").read_text())
    first, last = (int(seed) for seed in spec["provenance"]["world_seeds"])
    assert not {DEMO_WORLD.seed, *UNSEEN} & set(range(first, last + 1))


def test_the_demo_writes_a_clip_a_result_a_table_a_labelled_video_and_a_sheet(demo):
    folder, report, _, _ = demo
    names = {file.name for file in report.files}
    assert names == {path.name for path in folder.iterdir()}
    stem = "clip.mp4.demo"
    assert names == {
        "clip.mp4",
        *(stem + end for end in (".ethopose", ".csv", ".labelled.mp4", ".sheet.png")),
    }
    with av.open(str(folder / f"{stem}.labelled.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == DEMO_WORLD.frames


def test_the_demo_tells_how_far_it_is(demo):
    _, report, said, _ = demo
    steps = list(dict.fromkeys(what for what, _, _ in said))
    assert steps == ["render", "predict", "draw"]
    for step in steps:
        done = [(now, total) for what, now, total in said if what == step]
        assert done == sorted(done)
        assert done[-1] == (DEMO_WORLD.frames, DEMO_WORLD.frames)
    told = dict(report.lines())
    assert f"{report.found:.1%}" in told["animals found"]
    assert f"{report.median:.2f} px" in told["error"]
    assert "frames/s" in told["speed"]
    assert all(str(file) in told["files"] for file in report.files)


def test_the_demo_run_again_computes_nothing_and_says_the_same(demo):
    folder, first, _, _ = demo
    said = []
    again = run_demo(folder, lambda *told: said.append(told))
    assert {what for what, _, _ in said} == {"draw"}
    assert again.frames_per_second is None
    assert "frames/s" not in dict(again.lines())["speed"]
    assert (again.found, again.median, again.files) == (first.found, first.median, first.files)


def test_the_demo_leaves_a_clip_of_somebody_else_alone(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 30, (64, 64)) as video:
        video.write(np.zeros((64, 64, 3), np.uint8))
    before = (tmp_path / "clip.mp4").read_bytes()
    with pytest.raises(ResultError, match="not the demonstration's"):
        run_demo(tmp_path, nobody)
    assert (tmp_path / "clip.mp4").read_bytes() == before


def test_the_clip_is_the_same_every_time(demo, tmp_path):
    again = DEMO_WORLD.write(tmp_path / "clip.mp4")
    assert again.read_bytes() == (demo[0] / "clip.mp4").read_bytes()


def test_the_model_is_small_enough_to_ship():
    sizes = [file.stat().st_size for file in Path(demo_model()).iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= 1_500_000
