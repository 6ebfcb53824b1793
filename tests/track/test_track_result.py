"""`ethopose track`: results in, results out."""

from dataclasses import replace

import numpy as np
import pytest
from herds import BODY, apart, herd, switches, write_herd

import ethopose
from ethopose import store
from ethopose.core import FormatError, ResultError, UsageError
from ethopose.store import read
from ethopose.track import result as tracking
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


def test_rows_of_unique_keypoints_are_no_animals(tmp_path):
    some = herd(apart(200))
    skeleton = replace(BODY, keypoints=(*BODY.keypoints, "corner"), unique=("corner",))
    row = some.animal == 2
    xy = np.full((len(row), 5, 2), np.nan, np.float32)
    xy[:, :4] = np.where(row[:, None, None], np.nan, some.xy)
    xy[row, 4] = (10, 20)
    wide = replace(some, xy=xy, confidence=np.full(xy.shape[:2], 0.9, np.float32))
    source = write_wide(tmp_path / "herd.ethopose", wide, skeleton)
    tracked = ethopose.track(source, animals=3)
    assert (tracked.track[row] == -1).all()
    assert len(tracked.tracks) == 2


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
