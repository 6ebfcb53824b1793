"""Results are written and read back, continued, refused, replaced."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_result import MANIFEST, SKELETON, files, make, part_of

from ethopose import store
from ethopose.core import DataError, FormatError, Poses, ResultError, join_poses

COLUMNS = ("frame", "xy", "confidence", "score", "track", "individual", "identity_score")


@pytest.fixture
def result(tmp_path):
    return make(tmp_path / "made" / "clip.ethopose")


def expected_poses() -> Poses:
    return join_poses([part_of(MANIFEST, done)[1] for done in range(0, 30, 8)], SKELETON)


def test_arrays_come_back_as_they_were_written(result):
    again, expected = store.read(result.path), expected_poses()
    assert again.skeleton == SKELETON
    assert again.finished
    assert len(again) == len(expected)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name), strict=True)


def test_frames_without_animals_stand_in_the_frame_table_only(result):
    frames = store.read(result.path).frames
    assert frames.frame.tolist() == [*range(3, 12), *range(20, 41)]
    assert frames.animals.sum() == len(result)
    assert set(frames.frame[frames.animals == 0]) & set(result.frame) == set()
    np.testing.assert_array_equal(frames.time, frames.frame / 30)


def test_a_result_is_read_part_by_part(result):
    parts = list(store.read(result.path))
    assert [int(part.frames.frame[0]) for part in parts] == [3, 11, 27, 35]
    assert sorted(file.name for file in (result.path / "poses").iterdir())[1] == "00000011.parquet"
    np.testing.assert_array_equal(parts[2].poses.xy, part_of(MANIFEST, 16)[1].xy)


def test_pandas_and_polars_read_the_parts_alone(result):
    poses, frames = result.path / "poses" / "00000011.parquet", result.path / "frames" / "00000011.parquet"
    names = ["frame", "individual", "track", "score", "identity_score"]
    names += [f"{k}.{column}" for k in SKELETON.keypoints for column in ("x", "y", "confidence")]
    by_pandas, by_polars = pd.read_parquet(poses), pl.read_parquet(poses)
    assert list(by_pandas.columns) == by_polars.columns == names
    expected = part_of(MANIFEST, 8)[1]
    np.testing.assert_array_equal(by_pandas["left.ear.y"].to_numpy(), expected.xy[:, 1, 1], strict=True)
    np.testing.assert_array_equal(by_polars["left.ear.y"].to_numpy(), expected.xy[:, 1, 1], strict=True)
    assert list(pd.read_parquet(frames).columns) == ["frame", "time", "status", "animals"]


def test_writing_and_reading_do_not_load_pandas(tmp_path):
    code = "import sys, pathlib, small_result as s; s.make(pathlib.Path(sys.argv[1])).xy; print(*sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "r")]
    loaded = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    ).stdout
    assert "ethopose.store" in loaded.split()
    assert "pandas" not in loaded.split()


def test_to_pandas_is_all_parts_in_one(result):
    table = result.to_pandas()
    assert len(table) == len(result)
    assert list(table.columns) == list(result.manifest.columns)
    np.testing.assert_array_equal(table["tail.confidence"].to_numpy(), result.confidence[:, 2])


def test_an_unfinished_result_shows_the_parts_it_has(tmp_path):
    writer = store.start(tmp_path / "r", MANIFEST)
    assert len(store.read(tmp_path / "r").to_pandas()) == len(store.read(tmp_path / "r")) == 0
    writer.write_part(*part_of(MANIFEST, 0))
    result = store.read(tmp_path / "r")
    assert not result.finished
    np.testing.assert_array_equal(result.xy, part_of(MANIFEST, 0)[1].xy)


def test_a_result_without_animals_is_true_and_readable(tmp_path):
    manifest = MANIFEST.model_copy(update={"frames": ((3, 3),)})
    result = make(tmp_path / "r", manifest)
    assert result
    assert len(result) == len(result.xy) == 0
    assert result.frames.frame.tolist() == [3]


def test_starting_again_continues_after_the_last_part(tmp_path):
    with store.start(tmp_path / "r", MANIFEST) as writer:
        writer.write_part(*part_of(MANIFEST, 0))
    with store.start(tmp_path / "r", MANIFEST) as again:
        assert again.done == 8
    make(tmp_path / "r")
    make(tmp_path / "once")
    assert files(tmp_path / "r") == files(tmp_path / "once")


def test_a_finished_result_is_recognised_and_left_alone(result):
    before = files(result.path)
    writer = store.start(result.path, MANIFEST)
    assert writer.finished
    assert writer.finish({"seconds": 99}).manifest.provenance == {"seconds": 2.5}
    assert files(result.path) == before


def test_a_video_that_was_moved_is_the_same_video(result):
    moved = MANIFEST.model_copy(update={"video": {**MANIFEST.video, "path": "/elsewhere/clip.mp4"}})
    assert store.start(result.path, moved).finished


OTHERS = {
    "the model is 'mice (d1)' there and 'rats (d2)' here": {
        "model": store.ModelRecord(name="rats", digest="d2")
    },
    "the setting peak_threshold is 0.2 there and 0.3 here": {"settings": {"peak_threshold": 0.3}},
    "the setting flip is None there and True here": {"settings": {"peak_threshold": 0.2, "flip": True}},
    "the video's sha256 is '0a' there and '0b' here": {"video": {**MANIFEST.video, "sha256": "0b"}},
    "the setting batch is 1 there and 4 here": {"batch": 4},
    "the setting frames is [[3, 11], [20, 40]] there and [[0, 9]] here": {"frames": ((0, 9),)},
    "the setting skeleton is": {"skeleton": replace(SKELETON, edges=())},
}


@pytest.mark.parametrize("words", OTHERS)
def test_another_result_is_refused_by_name_and_left_alone(result, words):
    before = files(result.path)
    with pytest.raises(ResultError) as caught:
        store.start(result.path, MANIFEST.model_copy(update=OTHERS[words]))
    assert words in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert files(result.path) == before


def test_overwriting_leaves_nothing_of_the_old_result(tmp_path):
    old = MANIFEST.model_copy(update={"frames": ((0, 50),), "model": OTHERS[next(iter(OTHERS))]["model"]})
    make(tmp_path / "r", old)
    (tmp_path / "r" / "features").mkdir()
    (tmp_path / "r" / "features" / "00000048.parquet").write_bytes(b"old")
    (tmp_path / "r" / "joins.parquet").write_bytes(b"old")
    make(tmp_path / "r", overwrite=True)
    make(tmp_path / "once")
    assert files(tmp_path / "r") == files(tmp_path / "once")


def test_overwriting_a_finished_result_makes_it_anew(result):
    assert store.start(result.path, MANIFEST, overwrite=True).done == 0


def test_overwriting_continues_its_own_unfinished_run(tmp_path):
    with store.start(tmp_path / "r", MANIFEST) as writer:
        writer.write_part(*part_of(MANIFEST, 0))
    assert store.start(tmp_path / "r", MANIFEST, overwrite=True).done == 8


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_not_a_result_is_never_written_to(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ResultError, match="not a result"):
        store.start(tmp_path, MANIFEST, overwrite=overwrite)
    with pytest.raises(ResultError, match="not a result"):
        store.start(tmp_path / "thesis.txt", MANIFEST, overwrite=overwrite)
    assert files(tmp_path) == {"thesis.txt": b"years of work"}


def test_an_empty_folder_may_become_a_result(tmp_path):
    assert len(make(tmp_path)) == len(expected_poses())


def test_columns_that_a_step_adds_are_declared_and_come_back(tmp_path):
    columns = {**MANIFEST.columns, "nose.var_x": "px2"}
    writer = store.start(
        tmp_path / "r", MANIFEST.model_copy(update={"columns": columns, "frames": ((1, 2),)})
    )
    frames, poses = part_of(writer.manifest, 0)
    with pytest.raises(DataError, match=r"nose\.var_x"):
        writer.write_part(frames, poses)
    writer.write_part(frames, poses, {"nose.var_x": np.array([1, 2, 3], np.float32)})
    (part,) = writer.finish()
    assert part.extra["nose.var_x"].tolist() == [1, 2, 3]
    assert writer.finish().to_pandas().columns[-1] == "nose.var_x"


@settings(deadline=None)  # disks take their time
@given(order=st.permutations(range(4)), kept=st.integers(0, 4))
def test_parts_may_be_written_in_any_order(tmp_path_factory, order, kept):
    """Also by another process than the one that enters them, and after a stop at any moment."""
    folder = tmp_path_factory.mktemp("any")
    with store.start(folder / "r", MANIFEST) as writer:
        for part in order[:kept]:
            record = store.store_part(folder / "r", writer.manifest, *part_of(MANIFEST, 8 * part))
            writer.enter([record])
        missing = {position for run in writer.manifest.missing() for position in range(*run)}
        assert missing == {p for part in order[kept:] for p in range(8 * part, min(8 * part + 8, 30))}
        firsts = [part.first for part in store.read(folder / "r").manifest.parts]
        assert firsts == sorted(firsts)
    make(folder / "r")
    assert files(folder / "r") == files(make(folder / "once").path)


def test_track_names_may_be_told_at_the_end(tmp_path):
    writer = store.start(tmp_path / "r", MANIFEST.model_copy(update={"frames": ((3, 3),)}))
    writer.write_part(*part_of(writer.manifest, 0))
    writer.finish(tracks=["one", "two"])
    assert store.read(tmp_path / "r").tracks == ("one", "two")


def test_parts_out_of_place_are_refused(tmp_path):
    writer = store.start(tmp_path / "r", MANIFEST)
    frames, poses = part_of(MANIFEST, 0)
    later, _ = part_of(MANIFEST, 9)
    with pytest.raises(DataError, match=r"frames 20 to 27 are not a part of 8 selected ones"):
        writer.write_part(later, poses)
    with pytest.raises(DataError, match="numbers of animals"):
        writer.write_part(frames, poses[1:])
    with pytest.raises(DataError, match="skeleton"):
        writer.write_part(frames, replace(poses, skeleton=replace(SKELETON, name="other")))
    with pytest.raises(ResultError, match="30 of 30 frames are missing"):
        writer.finish()


def test_a_file_is_no_result(tmp_path):
    (tmp_path / "clip.slp").write_bytes(b"poses")
    with pytest.raises(FormatError, match=r"this is a file.*ethopose track makes a result"):
        store.read(tmp_path / "clip.slp")


def test_a_manifest_of_another_version_is_refused_with_both_versions(result):
    path = result.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 7}))
    with pytest.raises(FormatError, match="schema 7; this ethopose reads schema 1"):
        store.read(result.path)


def test_keys_that_a_reader_does_not_know_are_passed_over(result):
    path = result.path / "manifest.json"
    data = json.loads(path.read_text())
    data["skeleton"]["colour"] = data["parts"][0]["mood"] = data["weather"] = "fine"
    path.write_text(json.dumps(data))
    np.testing.assert_array_equal(store.read(result.path).xy, result.xy)


def test_a_folder_without_manifest_is_not_a_result(tmp_path):
    assert not store.is_result(tmp_path)
    with pytest.raises(FormatError, match="not a result"):
        store.read(tmp_path)


def runs() -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    def place(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        placed, at = [], 0
        for gap, length in pairs:
            placed.append((at + gap, at + gap + length))
            at += gap + length + 1
        return tuple(placed)

    return st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6).map(place)


@given(runs(), st.integers(0, 70), st.integers(0, 70))
def test_selected_frames_are_counted_across_runs(runs, start, count):
    every = [frame for first, last in runs for frame in range(first, last + 1)]
    manifest = MANIFEST.model_copy(update={"frames": runs})
    assert manifest.n_frames == len(every)
    assert manifest.selected(start, start + count).tolist() == every[start : start + count]


@pytest.mark.parametrize("wrong", [((5, 3),), ((0, 5), (5, 9)), ((4, 9), (0, 2)), ((-1, 2),)])
def test_runs_that_overlap_or_run_backwards_are_refused(wrong):
    with pytest.raises(ValueError, match="runs"):
        store.Manifest.model_validate({**MANIFEST.model_dump(), "frames": wrong})
