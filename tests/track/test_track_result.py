"""`ethopose track`: results in, results out."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from herds import BODY, apart, herd, switches, write_herd

import ethopose
from ethopose import store
from ethopose.core import BusyError, FormatError, ResultError, UsageError
from ethopose.media import open_video
from ethopose.store import read
from ethopose.store.claims import claim
from ethopose.store.manifest import write_manifest
from ethopose.track import result as tracking
from ethopose.track.peers import METHODS
from ethopose.track.tracks import swap


@pytest.fixture
def source(tmp_path):
    return write_herd(tmp_path / "herd.mp4.mice.ethopose", herd(apart(300)))


def test_a_result_is_tracked_beside_itself_and_stays_as_it_was(source, tmp_path):
    before = (source.path / "manifest.json").read_bytes()
    tracked = ethopose.track(source.path, animals=3)
    assert tracked.path == tmp_path / "herd.mp4.mice.tracked.ethopose"
    assert (source.path / "manifest.json").read_bytes() == before
    assert tracked.finished
    assert tracked.tracks == ("track_1", "track_2", "track_3")
    assert switches(herd(apart(300)), tracked.track) == 0
    assert np.array_equal(tracked.xy, source.xy)
    assert tracked.manifest.settings["track"] == {"method": "ethopose", "animals": 3}
    assert {entry.name for entry in tracked.path.iterdir()} == {
        "manifest.json",
        "poses",
        "frames",
        "joins.parquet",
    }


def test_joins_are_stored_with_their_certainty(tmp_path):
    some = herd(apart(300))
    source = write_herd(tmp_path / "herd.ethopose", some.without((some.frame >= 100) & (some.frame < 120)))
    joins = ethopose.track(source, animals=3).joins
    assert len(joins) == 3
    assert set(joins.before) == {99}
    assert set(joins.after) == {120}
    assert (joins.certainty > 0.5).all()
    assert set(joins.track) == {0, 1, 2}
    assert np.isfinite(joins.x).all()


@pytest.mark.parametrize("harm", ["missing", "cut short", "another's"])
def test_joins_that_are_not_its_own_are_never_read_and_made_anew(tmp_path, harm):
    some = herd(apart(300))
    source = write_herd(tmp_path / "herd.ethopose", some.without((some.frame >= 100) & (some.frame < 120)))
    tracked = ethopose.track(source, animals=3, format=["slp"])
    other = ethopose.track(source, tmp_path / "other.ethopose", step="tracklets")
    file = tracked.path / "joins.parquet"
    content = file.read_bytes()
    told = {"missing": None, "cut short": content[:-1], "another's": (other.path / file.name).read_bytes()}
    file.unlink()
    if told[harm] is not None:
        file.write_bytes(told[harm])
    with pytest.raises(FormatError, match="start the command that made the result again") as caught:
        _ = read(tracked.path).joins
    assert caught.value.where == file
    again = ethopose.track(source, animals=3, format=["slp"])  # its own file beside it is known again
    assert file.read_bytes() == content
    (size,) = again.manifest.exports.values()
    assert size == (tmp_path / "herd.tracked.predictions.slp").stat().st_size


def test_a_killed_run_goes_on_and_comes_to_the_same(source, tmp_path, monkeypatch):
    whole = ethopose.track(source, tmp_path / "whole.ethopose", animals=3)
    monkeypatch.setattr(tracking, "AT_ONCE", 2)
    store, calls = tracking.store_part, []

    def killed(*told):
        calls.append(told)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return store(*told)

    monkeypatch.setattr(tracking, "store_part", killed)
    with pytest.raises(KeyboardInterrupt):
        ethopose.track(source, tmp_path / "again.ethopose", animals=3)
    assert read(tmp_path / "again.ethopose").manifest.n_done == 2 * 64
    monkeypatch.setattr(tracking, "store_part", store)
    again = ethopose.track(source, tmp_path / "again.ethopose", animals=3)
    assert again.finished
    for folder in ("poses", "frames"):
        for file in (whole.path / folder).iterdir():
            assert file.read_bytes() == (again.path / folder / file.name).read_bytes()
    assert (whole.path / "joins.parquet").read_bytes() == (again.path / "joins.parquet").read_bytes()


def test_tracks_that_are_there_are_kept(source, tmp_path):
    tracked = ethopose.track(source, animals=3)
    with pytest.raises(UsageError, match="tracks already"):
        ethopose.track(tracked, tmp_path / "more.ethopose", animals=3)
    assert not (tmp_path / "more.ethopose").exists()
    anew = ethopose.track(tracked, tmp_path / "more.ethopose", animals=2, redo=True)
    assert len(anew.tracks) == 2


def test_another_number_of_animals_is_another_result(source):
    ethopose.track(source, animals=3)
    with pytest.raises(ResultError, match="setting track"):
        ethopose.track(source, animals=2)
    assert len(ethopose.track(source, animals=2, overwrite=True).tracks) == 2


def test_an_unfinished_result_is_refused(source, tmp_path):
    path = source.path / "manifest.json"
    path.write_text(path.read_text().replace('"finished"', '"running"'))
    with pytest.raises(ResultError, match="not finished"):
        ethopose.track(source.path, animals=3)
    assert not tracking.tracked_path(source.path).exists()


def test_a_file_of_another_tool_is_tracked(source, tmp_path):
    slp = ethopose.convert(source, tmp_path / "poses.slp")
    tracked = ethopose.track(slp, animals=3)
    assert tracked.path == tmp_path / "poses.slp.tracked.ethopose"
    assert np.array_equal(tracked.track, ethopose.track(source, animals=3).track)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".ethopose-")] == []


def test_a_file_is_tracked_into_a_folder_that_is_not_there_yet(source, tmp_path):
    slp = ethopose.convert(source, tmp_path / "poses.slp")
    tracked = ethopose.track(slp, tmp_path / "new" / "one.ethopose", animals=3)
    assert tracked.finished
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["one.ethopose"]


def test_what_a_killed_run_left_of_an_imported_file_is_gone_after_the_next(source, tmp_path):
    slp = ethopose.convert(source, tmp_path / "poses.slp")
    before = {entry.name for entry in tmp_path.iterdir()}
    killed = """if True:
        import os, sys, ethopose
        from ethopose.reid import tracking
        tracking.track_result = lambda *_, **more: os._exit(9)
        ethopose.track(sys.argv[1], animals=3)
    """
    assert subprocess.run([sys.executable, "-c", killed, slp], check=False).returncode == 9
    assert {entry.name for entry in tmp_path.iterdir()} != before
    tracked = ethopose.track(slp, animals=3)
    assert {entry.name for entry in tmp_path.iterdir()} == before | {tracked.path.name}
    assert len(tracked) == len(source)


def test_two_runs_do_not_share_an_imported_file(source, tmp_path):
    slp = ethopose.convert(source, tmp_path / "poses.slp")
    there = tmp_path / ".partial-poses.slp.tracked.ethopose"
    there.mkdir()
    with claim(there), pytest.raises(BusyError):
        ethopose.track(slp, animals=3)
    assert there.exists()


@pytest.mark.parametrize("name", ["folder", ".", "gone.slp"])
def test_what_is_neither_result_nor_file_is_refused_in_one_line(tmp_path, monkeypatch, ethopose_says, name):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    said = ethopose_says("track", name, "-n", 3, "-o", tmp_path / "new" / "one.ethopose")
    assert said.code == (2 if name == "gone.slp" else 1)
    assert "no such result or file" in said.err if name == "gone.slp" else "folder is no result" in said.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_the_folder_where_one_is_may_be_the_result(source, monkeypatch):
    monkeypatch.chdir(source.path)
    tracked = ethopose.track(".", animals=3)
    assert tracked.path == source.path.with_name("herd.mp4.mice.tracked.ethopose")


@pytest.mark.parametrize("name", ["nothing.slp", "notes.txt"])
def test_what_is_no_file_of_poses_is_refused(tmp_path, name):
    (tmp_path / name).write_text("no poses")
    with pytest.raises(FormatError, match=name):
        ethopose.track(tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_individuals_of_a_model_name_the_tracks_over_all(tmp_path):
    """Frame by frame the model is wrong in a third of the rows; over a track it is not."""
    some = herd(apart(300))
    random = np.random.default_rng(1)
    skeleton = replace(BODY, individuals=("anna", "bert", "cleo"))
    wrong = random.random(len(some.frame)) < 0.33
    said = np.where(wrong, random.integers(0, 3, len(some.frame)), some.animal).astype(np.int16)
    source = write_herd(
        tmp_path / "herd.ethopose",
        some,
        skeleton=skeleton,
        individual=said,
        identity_score=np.full(len(said), 0.8, np.float32),
    )
    tracked = ethopose.track(source, animals=3)
    assert set(tracked.tracks) == {"anna", "bert", "cleo"}
    assert np.array_equal(tracked.individual, some.animal)


def test_counted_names_are_none_that_the_model_knows(tmp_path):
    some = herd(apart(300))
    said = np.where(some.animal < 2, some.animal, -1).astype(np.int16)
    source = write_herd(
        tmp_path / "herd.ethopose",
        some,
        skeleton=replace(BODY, individuals=("track_2", "track_3")),
        individual=said,
        identity_score=np.full(len(said), 0.8, np.float32),
    )
    names = ethopose.track(source, animals=3).tracks
    assert len(set(names)) == 3
    assert {"track_2", "track_3"} < set(names)


@pytest.mark.parametrize("animals", [None, 2])
@pytest.mark.parametrize("method", METHODS)
def test_rows_of_unique_keypoints_are_no_animals(tmp_path, method, animals):
    from clips import write_clip

    some = herd(apart(100))
    corners = ("corner_1", "corner_2", "corner_3")
    skeleton = replace(BODY, keypoints=(*BODY.keypoints, *corners), unique=corners)
    row = some.animal == 2
    xy = np.full((len(row), 7, 2), np.nan, np.float32)
    xy[~row, :4] = some.xy[~row]
    xy[row, 4:] = some.xy[row, :3]  # three of them that move would be followed as an animal
    wide = replace(some, xy=xy, confidence=np.full(xy.shape[:2], 0.9, np.float32))
    source = write_wide(tmp_path / "herd.ethopose", wide, skeleton)
    video = write_clip(tmp_path / "clip.mp4", 100) if method == "flow" else None
    if video is not None:
        seen = {**open_video(video).fingerprint(), "channels": 3}
        write_manifest(source.path, source.manifest.model_copy(update={"video": seen}))
        source = read(source.path)
    tracked = ethopose.track(source, animals=animals, method=method, video=video)
    alone = np.isfinite(tracked.xy[:, 4:]).any((1, 2))
    assert alone.sum() == row.sum()
    assert np.array_equal(alone, row) or method == "box"  # whose stitching loses rows
    assert (tracked.track[alone] == -1).all()
    assert len(tracked.tracks) == 2 or (method, animals) == ("box", None)  # whose boxes turn


def write_wide(folder, some, skeleton):
    from unittest.mock import patch

    import herds

    with patch.object(herds, "BODY", skeleton):
        return write_herd(folder, some, skeleton=skeleton)


def test_the_command_says_what_it_did(source, ethopose_says):
    said = ethopose_says("track", source.path, "--animals", "3", "--json")
    assert said.code == 0
    assert '"unsure_joins": 0' in said.out
    said = ethopose_says("track", source.path, "--animals", "0")
    assert said.code == 2


def test_appearance_vectors_go_with_their_rows(source, tmp_path):
    manifest = source.manifest.model_copy(update={"features": {"keypoints": 4}, "parts": ()})
    with store.start(tmp_path / "seen.ethopose", manifest) as writer:
        for part in source:
            vectors = np.repeat(part.poses.xy[:, :1, 0], 4, 1).astype(np.float16)
            writer.write_part(part.frames, part.poses, features={"keypoints": vectors})
        seen = writer.finish()
    tracked = ethopose.track(seen, animals=3, appearance="none")
    assert tracked.manifest.features == {"keypoints": 4}
    swapped = swap(tracked, "track_1", "track_2", 100)
    for result in (tracked, swapped):
        for before, after in zip(seen, result, strict=True):
            assert len(after.poses)
            found = result.features(after)["keypoints"]
            np.testing.assert_array_equal(found, seen.features(before)["keypoints"])
    named = ethopose.track(seen, tmp_path / "ellipse.ethopose", animals=3, method="ellipse")
    assert named.manifest.features == {}  # its rows may be others
