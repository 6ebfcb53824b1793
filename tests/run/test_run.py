"""Many videos: everything is done, or listed with its reason; what is there equals what predict makes."""

import json

import bad_videos
import numpy as np
import pytest

import ethopose
from commands import parts
from ethopose.core import ExitCode, UsageError
from ethopose.store import UNDECODABLE, read


def states(report) -> dict[str, str]:
    return {video.result.name.split(".")[0]: video.state for video in report.videos.values()}


def result_of(report, name: str):
    return read(next(v.result for v in report.videos.values() if v.result.name.startswith(name)))


def test_results_are_those_of_predict(videos, run_all, tiny, tmp_path):
    report = run_all(videos, opener=bad_videos.plain)
    assert report.exit_code == ExitCode.DONE
    assert states(report) == {"a": "done", "b_bad": "done", "c": "done"}
    for name, video in report.videos.items():
        settings = {"device": "cpu", "threads": 1, "batch_size": 4, "format": "none"}
        alone = ethopose.predict(name, tiny(), out=tmp_path / "alone" / video.result.name, **settings)
        made = read(video.result)
        assert made.finished
        np.testing.assert_array_equal(made.xy, alone.xy)
        np.testing.assert_array_equal(made.frames.frame, alone.frames.frame)
        assert made.manifest.settings == alone.manifest.settings
        assert (video.frames, video.total, video.animals) == (64, 64, len(alone))


def test_without_small_parts_the_files_are_equal_byte_by_byte(videos, run_all, tiny, tmp_path):
    report = run_all(videos / "a.mp4", out=tmp_path / "run")
    settings = {"device": "cpu", "threads": 1, "batch_size": 4, "format": "none"}
    alone = ethopose.predict(videos / "a.mp4", tiny(), out=tmp_path / "alone", **settings)
    assert parts(next(iter(report.videos.values())).result) == parts(alone.path)


def test_a_corrupt_a_vanished_and_a_text_file_fail_alone_and_are_named(videos, run_all):
    (videos / "b_bad.mp4").write_bytes((videos / "b_bad.mp4").read_bytes()[:700])
    (videos / "notes.mp4").write_text("no video")
    (videos / "list.txt").write_text("a.mp4\nb_bad.mp4\nc.mp4\nnotes.mp4\ngone.mp4\n")
    report = run_all(videos / "list.txt")
    assert report.exit_code == ExitCode.LOSSES
    told = states(report)
    assert told == {"a": "done", "b_bad": "failed", "c": "done", "notes": "failed", "gone": "failed"}
    errors = {v.result.name.split(".")[0]: v.error for v in report.videos.values() if v.error}
    assert "not a video that can be read" in errors["notes"]
    assert "there is no such video" in errors["gone"]
    again = run_all(videos / "list.txt")
    assert states(again) == told
    assert [v.kept for v in again.videos.values() if v.state == "done"] == [True, True]


def test_fail_fast_stops_at_the_first(videos, run_all):
    (videos / "a.mp4").write_text("no video")
    report = run_all(videos, fail_fast=True)
    assert report.halted is not None
    assert states(report)["a"] == "failed"
    assert report.exit_code == ExitCode.FAILED
    assert "done" not in states(report).values()
    assert dict(report.lines())["stopped"] == str(report.halted)


def test_a_video_whose_opening_ends_the_process_at_a_packet_loses_only_that(videos, run_all):
    report = run_all(videos, opener=bad_videos.crashing_first)
    bad = next(v for v in report.videos.values() if "bad" in v.name)
    assert (bad.state, bad.deaths) == ("done", 3)
    assert result_of(report, "b_bad").frames.status.nonzero()[0].tolist() == [0]


def test_nothing_but_videos_is_a_failure(tmp_path, run_all):
    (tmp_path / "x.mp4").write_text("no video")
    assert run_all(tmp_path / "x.mp4").exit_code == ExitCode.FAILED


@pytest.mark.slow
def test_a_decoder_that_ends_the_process_once_costs_nothing(videos, run_all):
    report = run_all(videos, opener=bad_videos.crashing_once)
    assert set(states(report).values()) == {"done"}
    bad = next(v for v in report.videos.values() if "bad" in v.name)
    assert bad.deaths <= 1  # none where another video was under way as well: nobody knows whose fault it was
    assert (bad.lost, bad.frames) == (0, 64)


@pytest.mark.slow
def test_a_packet_that_always_ends_it_is_found_and_its_frame_marked(videos, run_all):
    whole = run_all(videos, opener=bad_videos.plain, out=videos / "whole", folder=videos / "one.run")
    report = run_all(videos, opener=bad_videos.crashing, folder=videos / "two.run")
    assert set(states(report).values()) == {"done"}
    bad = next(v for v in report.videos.values() if "bad" in v.name)
    assert bad.deaths == 3
    assert 1 <= bad.lost <= 12  # the frame of the packet, and those that are made from it
    made, plain = result_of(report, "b_bad"), result_of(whole, "b_bad")
    assert made.frames.frame.tolist() == list(range(64))
    assert made.manifest.provenance["avoided_packets"] == [bad_videos.PACKET]
    before = made.frame < bad_videos.PACKET - 4
    np.testing.assert_array_equal(made.xy[before], plain.xy[: before.sum()])
    lost = made.frames.frame[made.frames.status == UNDECODABLE]
    assert len(lost) == bad.lost
    assert not np.isin(lost, made.frame).any()


@pytest.mark.slow
def test_a_video_that_ends_every_process_is_set_aside(videos, run_all):
    report = run_all(videos, opener=bad_videos.poisonous, attempts=2)
    assert states(report) == {"a": "done", "b_bad": "failed", "c": "done"}
    bad = next(v for v in report.videos.values() if "bad" in v.name)
    assert "set aside: it ended 2 processes (exit -11)" in bad.error


@pytest.mark.slow
def test_a_worker_that_gives_no_sign_is_replaced(videos, run_all):
    report = run_all(videos, opener=bad_videos.hanging_once, hang_after=12.0)
    assert set(states(report).values()) == {"done"}
    assert max(video.deaths for video in report.videos.values()) == 1


@pytest.mark.slow
def test_a_worker_that_hangs_at_opening_a_video_is_replaced(videos, run_all):
    report = run_all(videos, opener=bad_videos.hanging_at_opening_once, hang_after=12.0)
    assert set(states(report).values()) == {"done"}
    assert max(video.deaths for video in report.videos.values()) == 1


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room(videos, run_all):
    report = run_all(videos, opener=bad_videos.filling)
    assert report.exit_code == ExitCode.STOPPED
    assert "No space left" in str(report.halted)
    report = run_all(videos, opener=bad_videos.plain)
    assert set(states(report).values()) == {"done"}
    for video in report.videos.values():
        assert read(video.result).frames.frame.tolist() == list(range(64))


def test_another_model_in_the_same_run_is_refused(videos, run_all, tiny):
    from ethopose.run import run

    run_all(videos, folder=videos / "x.run")
    with pytest.raises(UsageError, match=r"done there by another model or .*--run FOLDER"):
        run(videos, tiny(seed=3), folder=videos / "x.run", device="cpu")


def test_the_record_can_be_read_after_a_kill_cut_a_line(videos, run_all):
    report = run_all(videos, folder=videos / "x.run")
    path = next((report.folder / "events").glob("*.jsonl"))
    lines = path.read_text().splitlines()
    assert {json.loads(line)["state"] for line in lines} == {"opening", "predicting", "wrapping", "done"}
    path.write_text("\n".join(lines) + '\n{"time": 1')
    again = run_all(videos, folder=videos / "x.run")
    assert all(video.kept for video in again.videos.values())
    assert again.exit_code == ExitCode.DONE
    assert [v.animals for v in again.videos.values()] == [v.animals for v in report.videos.values()]
