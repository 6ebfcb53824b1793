"""Converted networks are made once, whole or not at all, where the user wants them."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from small_stages import CENTROID, SHAPE, source

from ethopose.core import EthoposeError, InferenceError
from ethopose.runtime import Compute, compile_stage, openvino
from ethopose.runtime.cache import cache_folder, cached

COMPUTE = Compute("cpu", "openvino", "fp32", threads=1)
PICTURES = np.zeros(SHAPE, np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ETHOPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A cache with the one stage that these tests run, and the entries of its graphs."""
    folder, entries = tmp_path_factory.mktemp("converted"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETHOPOSE_CACHE", str(folder))
        stage = compile_stage(source(CENTROID), SHAPE, COMPUTE)
        (entries["network"],) = names(folder)
        stage.decode(stage.network(PICTURES))
        (entries["decode"],) = names(folder) - set(entries.values())
    return folder, entries


@pytest.fixture
def warm(cache, converted) -> dict[str, Path]:
    """A copy of it."""
    shutil.copytree(converted[0], cache)
    return {graph: cache / "networks" / name for graph, name in converted[1].items()}


def names(cache: Path) -> set[str]:
    return {path.name for path in (cache / "networks").iterdir()}


def never() -> dict:
    pytest.fail("the weights were asked for, though the conversion was there")


def run_both_graphs() -> dict[str, np.ndarray]:
    stage = compile_stage(replace(source(CENTROID), weights=never), SHAPE, COMPUTE)
    return stage.decode(stage.network(PICTURES))


def touch(folder: Path) -> None:
    (folder / "file").write_text("made")


def test_the_cache_is_where_the_variable_says(cache, monkeypatch):
    assert cache_folder() == cache
    assert cached("key", touch) == cache / "networks" / "key"
    monkeypatch.setenv("ETHOPOSE_CACHE", "")
    assert cache_folder() == Path(platformdirs.user_cache_dir("ethopose"))
    monkeypatch.delenv("ETHOPOSE_CACHE")
    assert cache_folder() == Path(platformdirs.user_cache_dir("ethopose"))


def test_an_entry_is_made_once(cache):
    made = []
    for _ in range(3):
        folder = cached("key", lambda folder: (made.append(folder), touch(folder)))
    assert len(made) == 1
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_an_entry_that_cannot_be_finished_leaves_nothing(cache):
    def half(folder: Path) -> None:
        touch(folder)
        raise KeyError

    with pytest.raises(KeyError):
        cached("key", half)
    assert list((cache / "networks").iterdir()) == []
    assert (cached("key", touch) / "file").read_text() == "made"


def test_of_two_that_make_the_same_the_first_to_finish_is_kept(cache):
    def late(folder: Path) -> None:
        (folder / "file").write_text("late")
        cached("key", touch)

    folder = cached("key", late)
    assert (folder / "file").read_text() == "made"
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_many_may_make_the_same_at_once(cache):
    together = threading.Barrier(6)

    def slow(folder: Path) -> None:
        together.wait(timeout=10)
        touch(folder)

    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: cached("key", slow), range(6)))
    assert folders == {cache / "networks" / "key"}
    assert [path.name for path in (cache / "networks").iterdir()] == ["key"]
    assert (cache / "networks/key/file").read_text() == "made"


@pytest.mark.parametrize("blocked", [".", "networks"])
def test_a_cache_that_cannot_be_written_is_said_with_a_way_out(cache, blocked):
    (cache / blocked).parent.mkdir(parents=True, exist_ok=True)
    (cache / blocked).write_text("a file in the way")
    with pytest.raises(EthoposeError, match="ETHOPOSE_CACHE"):
        cached("key", touch)


def test_conversions_are_found_by_the_next_run(cache, warm):
    before = names(cache)
    assert "xy" in run_both_graphs()
    assert names(cache) == before
    for entry in warm.values():
        assert sorted(path.suffix for path in entry.iterdir()) == [".bin", ".xml"]


@pytest.mark.parametrize("change", ["shape", "digest", "code"])
def test_a_conversion_of_something_else_is_not_taken(cache, warm, monkeypatch, change):
    class AskedError(Exception):
        pass

    def asked() -> dict:
        raise AskedError

    before = names(cache)
    told = replace(source(CENTROID), weights=asked)
    shape = (1, *SHAPE[1:]) if change == "shape" else SHAPE
    if change == "digest":
        told = replace(told, digest="another")
    if change == "code":
        monkeypatch.setattr(openvino, "code_digest", lambda: "newer")
    with pytest.raises(AskedError):
        compile_stage(told, shape, COMPUTE)
    assert names(cache) == before


@pytest.mark.usefixtures("warm")
def test_threads_and_precision_share_a_conversion():
    for compute in (replace(COMPUTE, threads=2), replace(COMPUTE, precision="bf16")):
        compile_stage(replace(source(CENTROID), weights=never), SHAPE, compute)


@pytest.mark.parametrize("digests", [("same", "same"), ("one", "other")], ids=["same", "different"])
def test_threads_that_convert_at_once_all_get_their_stage(cache, digests):
    together = threading.Barrier(2)

    def convert(digest: str) -> np.ndarray:
        together.wait(timeout=60)
        return compile_stage(replace(source(CENTROID), digest=digest), SHAPE, COMPUTE).network(PICTURES)[0]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(convert, digests)
    np.testing.assert_array_equal(one, other)
    assert len(names(cache)) == len(set(digests))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {
    "cut": _cut,
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 9),
}


@pytest.mark.parametrize(
    ("graph", "name", "damage"),
    [
        *(("network", "graph.xml", damage) for damage in DAMAGE),
        *(("network", "graph.bin", damage) for damage in ("cut", "empty", "gone")),
        ("decode", "graph.xml", "cut"),
        ("decode", "graph.bin", "gone"),
    ],
)
def test_a_broken_conversion_is_named_with_a_way_out(warm, graph, name, damage):
    DAMAGE[damage](warm[graph] / name)
    with pytest.raises(InferenceError) as told:
        run_both_graphs()
    assert str(warm[graph]) in str(told.value)
    assert "delete" in told.value.fix


@pytest.mark.usefixtures("warm")
def test_pictures_of_another_size_are_refused_in_one_line():
    stage = compile_stage(replace(source(CENTROID), weights=never), SHAPE, COMPUTE)
    with pytest.raises(InferenceError):
        stage.network(np.zeros((2, 8, 8, 1), np.uint8))
    assert stage.network(PICTURES)[0].shape == (2, 1, 24, 32)
