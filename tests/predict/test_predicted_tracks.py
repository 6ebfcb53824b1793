"""Who is who, in the same command: several animals alike are tracked, unless somebody says no."""

import contextlib
import itertools
import json
import sys

import numpy as np
import pytest

import ethopose
from commands import fingerprint, parts
from ethopose.core import FormatError, ResultError, UsageError
from ethopose.formats import read_poses
from ethopose.predict import Options, predict_all
from ethopose.store import adoption, read

ENTRIES = {"manifest.json", "poses", "frames", "joins.parquet"}
PLAIN = {"runtime": "torch", "format": "none"}


@pytest.fixture(scope="module")
def whole(clip, tiny, tmp_path_factory):
    """A prediction that nothing disturbed."""
    return ethopose.predict(clip, tiny("bottom-up"), out=tmp_path_factory.mktemp("whole") / "r", **PLAIN)


def poses(result):
    return {name: data for name, data in parts(result).items() if name.startswith("poses")}


def test_the_result_has_tracks_and_is_else_what_it_was_without(own_clip, tiny, tmp_path):
    result = ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    assert result.path == own_clip.with_name("clip.mp4.bottom-up.ethopose")
    assert {entry.name for entry in result.path.iterdir()} == ENTRIES
    assert (result.track >= 0).mean() > 0.9
    assert result.track.max() < len(result.tracks)
    assert result.manifest.settings["track"] == {"method": "ethopose", "animals": None}
    plain = ethopose.predict(own_clip, tiny("bottom-up"), out=tmp_path / "plain", track=False, **PLAIN)
    assert plain.tracks == ()
    assert set(plain.track) == {-1}
    for name in ("frame", "xy", "confidence", "score"):
        np.testing.assert_array_equal(getattr(result, name), getattr(plain, name))


def test_tracks_are_those_of_the_command_that_tracks(own_clip, tiny, tmp_path):
    result = ethopose.predict(own_clip, tiny("bottom-up"), animals=2, **PLAIN)
    plain = ethopose.predict(own_clip, tiny("bottom-up"), out=tmp_path / "plain", track=False, **PLAIN)
    alone = ethopose.track(plain, animals=2)
    assert 0 < len(result.tracks) <= 2
    assert poses(result.path) == poses(alone.path)
    np.testing.assert_array_equal(result.joins.certainty, alone.joins.certainty)


def test_they_can_be_found_otherwise_in_a_result_of_its_own(own_clip, tiny):
    result = ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    before = fingerprint(result.path)
    other = ethopose.track(result, animals=1)
    assert other.path == own_clip.with_name("clip.mp4.bottom-up.tracked.ethopose")
    assert len(other.tracks) == 1
    assert fingerprint(result.path) == before
    with pytest.raises(UsageError, match="--redo"):
        ethopose.track(other, animals=2)


@pytest.mark.parametrize("stop", [3, 17, 18, 19])
def test_a_run_that_was_stopped_while_it_tracked_goes_on(clip, whole, tiny, tmp_path, stop):
    """Whether while poses were followed, gathered, written or before."""
    told = itertools.count()

    def progress(what, done, total):
        if next(told) == stop:
            raise KeyboardInterrupt

    def run(place, progress=None):
        options = Options(out=tmp_path / place, runtime="torch", format=("none",))
        report = predict_all([clip], tiny("bottom-up"), options, progress)
        return next(iter(report.results.values()))

    with pytest.raises(KeyboardInterrupt):
        run("stopped", progress)
    assert poses(run("stopped").path) == poses(whole.path)


@pytest.mark.parametrize("kill", range(1, 8))
def test_tracks_that_are_half_taken_in_are_completed(clip, whole, tiny, tmp_path, monkeypatch, kill):
    moved = itertools.count(1)

    class Killed(BaseException):
        pass

    def stopping(real):
        def once(*args):
            if next(moved) == kill:
                raise Killed
            return real(*args)

        return once

    for name in ("_move", "write_manifest", "remove_folder"):
        monkeypatch.setattr(adoption, name, stopping(getattr(adoption, name)))
    with contextlib.suppress(Killed):
        ethopose.predict(clip, tiny("bottom-up"), out=tmp_path / "r", **PLAIN)
    monkeypatch.undo()
    with contextlib.suppress(FormatError):
        assert len(read(tmp_path / "r").poses) == len(whole)  # or it is told what to do
    again = ethopose.predict(clip, tiny("bottom-up"), out=tmp_path / "r", **PLAIN)
    assert poses(again.path) == poses(whole.path)
    assert again.tracks == whole.tracks
    np.testing.assert_array_equal(again.joins.certainty, whole.joins.certainty)
    assert {entry.name for entry in again.path.iterdir()} == ENTRIES


@pytest.mark.parametrize(
    ("kind", "options"), [("single", {}), ("class-map", {}), ("bottom-up", {"track": False})]
)
def test_others_are_not_tracked(own_clip, tiny, kind, options):
    result = ethopose.predict(own_clip, tiny(kind), **PLAIN, **options)
    assert result.path == own_clip.with_name(f"clip.mp4.{kind}.ethopose")
    assert result.tracks == ()


@pytest.mark.parametrize(
    ("kind", "options"), [("single", {}), ("class-map", {}), ("bottom-up", {"track": False})]
)
def test_a_number_of_animals_is_for_those_that_are(own_clip, tiny, kind, options):
    with pytest.raises(UsageError, match="--animals is for tracking"):
        ethopose.predict(own_clip, tiny(kind), animals=2, **PLAIN, **options)
    assert list(own_clip.parent.iterdir()) == [own_clip]


def test_half_taken_in_it_says_how_to_go_on(own_clip, tiny, monkeypatch):
    monkeypatch.setattr(adoption, "write_manifest", stopped)
    with pytest.raises(KeyboardInterrupt):
        ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    with pytest.raises(FormatError, match="start the same command again"):
        _ = read(own_clip.with_name("clip.mp4.bottom-up.ethopose")).poses


def stopped(*_):
    raise KeyboardInterrupt


def test_a_part_that_is_made_anew_is_tracked_anew(own_clip, tiny):
    result = ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    before = poses(result.path)
    (result.path / "poses" / "00000000.parquet").unlink()
    assert poses(ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN).path) == before
    assert read(result.path).tracks == result.tracks


def test_joins_that_are_gone_are_made_anew(own_clip, tiny):
    result = ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    file = result.path / "joins.parquet"
    content = file.read_bytes()
    file.unlink()
    again = ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    np.testing.assert_array_equal(again.track, result.track)
    assert file.read_bytes() == content
    assert len(again.joins) == again.manifest.joins.rows


def test_what_a_person_corrected_is_kept(own_clip, tiny):
    result = ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    corrected = ethopose.tracks.rename(result, result.tracks[0], "anna")
    with pytest.raises(UsageError, match="--redo"):
        ethopose.track(corrected, animals=2)


def test_poses_that_wait_for_their_tracks_have_none_yet(own_clip, tiny, monkeypatch):
    monkeypatch.setattr(sys.modules["ethopose.track"], "track_in_place", stopped)
    with pytest.raises(KeyboardInterrupt):
        ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN)
    place = own_clip.with_name("clip.mp4.bottom-up.ethopose")
    with pytest.raises(UsageError, match="no tracks to stitch"):
        ethopose.track(place, step="stitch", animals=2)
    with pytest.raises(ResultError, match="no tracks"):
        ethopose.convert(place, own_clip.with_name("clip_el.h5"))
    monkeypatch.undo()
    assert ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN).tracks


def test_files_beside_it_have_tracks_but_those_that_are_written_before(own_clip, tiny):
    formats = ("slp", "dlc-h5", "dlc-assemblies", "dlc-tracks")
    ethopose.predict(own_clip, tiny("bottom-up"), runtime="torch", format=formats)
    slp = read_poses(own_clip.with_name("clip.mp4.bottom-up.predictions.slp"))[1]
    assert len(slp.tracks) > 0
    assert len(read_poses(own_clip.with_name("clipbottom-up_el.h5"))[1].tracks) == len(slp.tracks)
    own, plain = (own_clip.with_name(f"clip{name}.h5") for name in ("bottom-up", "plain"))
    result = ethopose.predict(own_clip, tiny("bottom-up"), out=own_clip.parent / "p", track=False, **PLAIN)
    ethopose.convert(result.path, plain)
    tables = [read_poses(file)[1].poses for file in (own, plain)]
    np.testing.assert_array_equal(tables[0].xy, tables[1].xy)
    assert set(tables[0].track) == {-1}


def test_another_number_of_animals_is_another_result(own_clip, tiny):
    ethopose.predict(own_clip, tiny("bottom-up"), animals=1, **PLAIN)
    for options in ({}, {"animals": 2}, {"track": False}):
        with pytest.raises(ResultError, match=r"setting track.*ethopose track finds other tracks"):
            ethopose.predict(own_clip, tiny("bottom-up"), **PLAIN, **options)
    replaced = ethopose.predict(own_clip, tiny("bottom-up"), overwrite=True, **PLAIN)
    assert replaced.manifest.settings["track"]["animals"] is None


def test_the_command_line_says_how_many(own_clip, tiny, ethopose_says):
    words = ("predict", own_clip, "-m", tiny("bottom-up"), "--runtime", "torch", "--format", "none")
    said = ethopose_says("--json", *words, "--animals", 2)
    told = json.loads(said.out)["videos"][str(own_clip)]
    assert read(told["result"]).manifest.settings["track"]["animals"] == 2
    assert (told["tracks"], told["unsure_joins"]) == (2, int(read(told["result"]).joins.unsure.sum()))
    assert "2 tracks" in ethopose_says(*words, "--animals", 2).out
    said = ethopose_says("--json", *words, "--no-track", "--overwrite")
    told = json.loads(said.out)["videos"][str(own_clip)]
    assert read(told["result"]).tracks == ()


def test_runs_of_many_videos_do_the_same(own_clip, tiny):
    model = tiny("bottom-up")
    settings = {"runtime": "torch", "device": "cpu", "threads": 1, "batch_size": 4}
    report = ethopose.run(own_clip, model, workers=1, animals=2, then=("render",), **settings)
    (video,) = report.videos.values()
    assert video.state == "done", video.error
    out = own_clip.parent / "alone"
    alone = ethopose.predict(own_clip, model, out=out, animals=2, **settings, format="none")
    assert poses(video.result) == poses(alone.path)
    assert any(file.name == "clip.mp4.bottom-up.identities.png" for file in video.files)
    again = ethopose.run(own_clip, model, workers=1, animals=2, then=("render",), **settings)
    assert [told.kept for told in again.videos.values()] == [True]
