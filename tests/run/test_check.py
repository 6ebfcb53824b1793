"""Looking ahead: what would go wrong is told, and nothing is computed or written."""

import json
from collections import namedtuple
from pathlib import Path

import bad_videos
import pytest

from ethopose.core import ExitCode, InferenceError, ModelError
from ethopose.predict.predictor import Predictor
from ethopose.run import check, preflight

SETTINGS = {"device": "cpu", "threads": 1}


def told(found) -> dict[str, str]:
    return {Path(finding.video).name: finding.what for finding in found if finding.fatal}


def test_what_is_no_video_what_is_missing_and_what_is_in_the_way_are_told(videos, tiny):
    (videos / "b_bad.mp4").write_text("no video")
    (videos / "list.txt").write_text("a.mp4\nb_bad.mp4\nc.mp4\ngone.mp4\n")
    (videos / "c.mp4.single.ethopose").mkdir()
    (videos / "c.mp4.single.ethopose/mine.txt").write_text("mine")
    before = sorted(videos.rglob("*"))
    found = told(check(videos / "list.txt", tiny(), **SETTINGS))
    assert set(found) == {"b_bad.mp4", "c.mp4", "gone.mp4"}
    assert "not a video that can be read" in found["b_bad.mp4"]
    assert "there is no such video" in found["gone.mp4"]
    assert "is no result and in the way" in found["c.mp4"]
    assert sorted(videos.rglob("*")) == before


def test_files_in_the_way_of_exports_and_steps_are_told(videos, run_all, tiny):
    (videos / "a.mp4.single.labelled.mp4").write_text("mine")
    (videos / "b_bad.mp4.single.csv").write_text("mine")
    found = told(check(videos, tiny(), format=("csv",), then=("render",), **SETTINGS))
    assert set(found) == {"a.mp4", "b_bad.mp4"}
    report = run_all(videos, format=("csv",), then=("render",))
    assert [video.state for video in report.videos.values()] == ["failed", "failed", "done"]
    assert not any(video.frames for video in report.videos.values() if video.state == "failed")


def test_a_file_in_the_place_of_a_result_is_told(videos, tiny):
    (videos / "a.mp4.single.ethopose").write_text("a file")
    assert "in the way" in told(check(videos, tiny(), **SETTINGS))["a.mp4"]


def test_results_that_are_there_are_told_and_their_videos_are_not_opened_again(videos, run_all, tiny):
    run_all(videos)
    (videos / "a.mp4").unlink()
    (videos / "list.txt").write_text("a.mp4\nb_bad.mp4\nc.mp4\n")
    found = check(videos / "list.txt", tiny(), **SETTINGS)
    assert [finding.what for finding in found] == ["its result is there and is kept"] * 3
    found = check(videos / "list.txt", tiny(), overwrite=True, **SETTINGS)
    assert "there is no such video" in told(found)["a.mp4"]


def test_a_disk_without_room_is_told_by_its_need(videos, tiny, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    (finding,) = check(videos, tiny(), **SETTINGS)
    assert finding.fatal
    assert "MB of results are to come, 0 MB are free" in finding.what
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(10**9, 0, 10**9))
    assert check(videos, tiny(), **SETTINGS) == []


def test_a_model_that_does_not_run_is_told_before_any_video(videos, run_all, tiny, monkeypatch):
    def fail(*_: object) -> None:
        raise InferenceError("no such operation")

    monkeypatch.setattr(Predictor, "__call__", fail)
    with pytest.raises(ModelError, match=r"it loads, but does not run \(no such operation\)"):
        check(videos, tiny(), **SETTINGS)
    report = run_all(videos, opener=bad_videos.no_operation)
    assert {video.state for video in report.videos.values()} == {"failed"}
    assert all("does not run" in video.error for video in report.videos.values())
    assert report.exit_code == ExitCode.FAILED


def test_the_command_line_lists_them_and_counts(videos, ethopose_says, tiny):
    (videos / "b_bad.mp4").write_text("no video")
    said = ethopose_says("run", videos, "-m", tiny(), "--device", "cpu", "--check")
    assert said.code == 1
    assert "1 to be mended" in said.out
    assert not list(videos.glob("*.run"))
    said = ethopose_says("run", videos, "-m", tiny(), "--device", "cpu", "--check", "--json")
    assert [finding["fatal"] for finding in json.loads(said.out)] == [True]


def test_a_result_of_another_model_is_told(videos, run_all, tiny, tmp_path):
    run_all(videos / "a.mp4", folder=tmp_path / "x.run")
    other = tiny(seed=5)
    assert "made with another model" in told(check(videos / "a.mp4", other, **SETTINGS))["a.mp4"]
    assert told(check(videos / "a.mp4", other, overwrite=True, **SETTINGS)) == {}
    assert told(check(videos / "a.mp4", tiny(), **SETTINGS)) == {}
