"""Started again: what is done stays done, what has changed is noticed, and who says so gets it replaced."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import bad_videos
import pytest

from clips import write_clip
from commands import parts, start
from ethopose.core import ExitCode, UsageError
from ethopose.run import read_status, retry
from ethopose.run.journal import events
from ethopose.run.supervisor import Supervisor
from ethopose.store import read


def stamps(report) -> dict[str, int]:
    firsts = {v.result.name: next(v.result.glob("poses/*"), None) for v in report.videos.values()}
    return {name: file.stat().st_mtime_ns for name, file in firsts.items() if file is not None}


class Killed(BaseException):
    """The run is gone."""


def killed_after(videos: int):
    def watch(works, hands) -> None:
        if sum(work.state == "done" for work in works) >= videos:
            raise Killed

    return watch


def test_overwrite_begins_a_finished_run_anew_and_goes_on_with_one_that_was_ended(videos, run_all):
    first = stamps(run_all(videos, folder=videos / "x.run"))
    with pytest.raises(Killed):
        run_all(videos, folder=videos / "x.run", overwrite=True, watch=killed_after(1))
    status = read_status(videos / "x.run")
    done = {v.result.name for v in status.videos.values() if v.state == "done"}
    assert len(done) >= 1
    middle = stamps(status)
    assert all(middle[name] != first[name] for name in done)
    last = run_all(videos, folder=videos / "x.run", overwrite=True)
    assert {v.result.name for v in last.videos.values() if v.kept} >= done
    assert all(stamps(last)[name] == middle[name] for name in done)
    assert all(stamps(last)[name] != first[name] for name in first)


def test_what_an_ended_overwrite_had_not_come_to_is_overwritten_by_the_next_start(clips, run_all, tmp_path):
    folder = tmp_path / "six"
    folder.mkdir()
    for number in range(6):
        (folder / f"v{number}.mp4").write_bytes(clips["a.mp4"])
    first = stamps(run_all(folder, peak_threshold=0.2))
    with pytest.raises(Killed):
        run_all(folder, peak_threshold=0.3, overwrite=True, watch=killed_after(1))
    report = run_all(folder, peak_threshold=0.3, overwrite=True)
    assert {read(v.result).manifest.settings["peak_threshold"] for v in report.videos.values()} == {0.3}
    assert sum(video.kept for video in report.videos.values()) >= 1
    with pytest.raises(Killed):
        run_all(folder, peak_threshold=0.3, overwrite=True, watch=killed_after(1))
    last = retry(next(folder.glob("*.run")))
    assert all(stamps(last)[name] != first[name] for name in first)
    assert stamps(retry(last.folder)) == stamps(last)  # nothing is left to do


def test_a_run_killed_when_only_the_last_word_was_missing_goes_on(videos, run_all):
    report = run_all(videos / "a.mp4")
    place = next(iter(report.videos.values())).result
    told = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps({**told, "state": "running"}))
    shutil.rmtree(report.folder)
    (again,) = run_all(videos / "a.mp4").videos.values()
    assert again.state == "done"
    assert read(place).finished


def test_a_run_is_the_same_from_wherever_it_is_started(videos, run_all, monkeypatch):
    monkeypatch.chdir(videos)
    first = run_all("a.mp4", folder="x.run")
    monkeypatch.chdir(videos.parent)
    again = run_all(Path("videos/a.mp4"), folder="videos/x.run")
    assert [video.kept for video in again.videos.values()] == [True]
    assert list(again.videos) == list(first.videos) == [str(videos / "a.mp4")]
    assert list(read_status("videos/x.run").videos) == list(first.videos)


def test_one_video_by_two_models_is_two_recordings(videos, run_all, tiny):
    (videos / "plan.csv").write_text(f"video,model\na.mp4,{tiny()}\na.mp4,{tiny('bottom-up')}\n")
    report = run_all(videos / "plan.csv")
    names = [str(videos / f"a.mp4{told}") for told in (" (single)", " (bottom-up)")]
    assert list(report.videos) == list(read_status(report.folder).videos) == names
    assert len({video.result for video in report.videos.values()}) == 2


def test_after_its_limit_a_long_video_is_left_where_it_is_and_goes_on(clips, run_all, tmp_path):
    path = write_clip(tmp_path / "long.mp4", 400)
    report = run_all(path, opener=bad_videos.slow, limit=1.5)
    (video,) = report.videos.values()
    assert report.exit_code == ExitCode.STOPPED
    assert (video.state, video.error) == ("stopped", None)
    assert read_status(report.folder).videos[video.name].state == "stopped"
    assert ("to go on", "start the same line again") in report.lines()
    assert 0 < video.frames < 400
    (video,) = run_all(path, opener=bad_videos.plain).videos.values()
    assert (video.state, video.frames) == ("done", 400)
    assert read(video.result).frames.frame.tolist() == list(range(400))


def test_another_option_is_refused_and_with_overwrite_everything_is_made_with_it(videos, run_all):
    run_all(videos, folder=videos / "x.run", peak_threshold=0.2)
    with pytest.raises(UsageError, match=r"done there by another model or with other options.*--overwrite"):
        run_all(videos, folder=videos / "x.run", peak_threshold=0.9)
    report = run_all(videos, folder=videos / "x.run", peak_threshold=0.9, overwrite=True)
    assert {read(v.result).manifest.settings["peak_threshold"] for v in report.videos.values()} == {0.9}
    assert not any(video.kept for video in report.videos.values())


def test_a_video_that_was_replaced_is_noticed_and_one_that_was_moved_away_is_done(videos, run_all, clips):
    first = run_all(videos, folder=videos / "x.run")
    before = stamps(first)["a.mp4.single.ethopose"]
    (videos / "a.mp4").write_bytes(clips["a.mp4"] + b"more")
    again = run_all(videos, folder=videos / "x.run")
    assert [v.state for v in again.videos.values()] == ["failed", "done", "done"]
    assert "the result here is another one: the video's bytes" in next(iter(again.videos.values())).error
    assert "--overwrite" in next(iter(again.videos.values())).error
    os.utime(videos / "b_bad.mp4")  # touched, and the same
    (videos / "list.txt").write_text("a.mp4\nb_bad.mp4\nc.mp4\n")
    last = run_all(videos, folder=videos / "x.run", overwrite=True)
    assert [v.state for v in last.videos.values()] == ["done"] * 3
    assert not any(video.kept for video in last.videos.values())  # a run that was through begins anew
    assert stamps(last)["a.mp4.single.ethopose"] != before


def test_overwrite_after_a_run_that_was_not_overwriting_replaces_all(videos, run_all):
    report = run_all(videos, limit=0.0)
    done = run_all(videos / "a.mp4", folder=report.folder)
    before = stamps(done)
    last = run_all(videos, overwrite=True)
    assert not any(video.kept for video in last.videos.values())
    assert stamps(last)["a.mp4.single.ethopose"] != before["a.mp4.single.ethopose"]


def test_an_overwriting_run_that_ended_at_opening_has_replaced_nothing_yet(videos, run_all, monkeypatch):
    first = stamps(run_all(videos / "a.mp4"))

    def at_opening(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Supervisor, "_opened", at_opening)
        with pytest.raises(Killed):
            run_all(videos / "a.mp4", overwrite=True)
    assert stamps(run_all(videos / "a.mp4", overwrite=True)) != first


def test_a_video_that_went_to_the_cpu_stays_there(videos, run_all, tmp_path):
    """Its result was begun there; another device would be refused."""
    report = run_all(videos / "a.mp4")
    path = next((report.folder / "events").glob("*.jsonl"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "on_cpu": True}) + "\n" for line in lines))
    (again,) = run_all(videos / "a.mp4").videos.values()
    assert (again.kept, again.on_cpu) == (True, True)


def test_sharing_and_replacing_are_not_for_one_run(videos, run_all):
    with pytest.raises(UsageError, match="leave out --overwrite, or --claim"):
        run_all(videos, claim=True, overwrite=True)


def test_retry_does_what_failed_and_leaves_what_is_done(videos, run_all, clips):
    (videos / "b_bad.mp4").write_text("no video")
    report = run_all(videos, limit=1000.0)
    before = stamps(run_all(videos / "a.mp4", folder=videos / "y.run"))
    (videos / "b_bad.mp4").write_bytes(clips["b_bad.mp4"])
    again = retry(report.folder)
    assert [v.state for v in again.videos.values()] == ["done"] * 3
    assert [v.kept for v in again.videos.values()] == [True, False, True]
    assert stamps(again)["a.mp4.single.ethopose"] == before["a.mp4.single.ethopose"]


@pytest.mark.slow
def test_two_processes_that_share_make_each_part_once(clips, run_all, tiny, tmp_path):
    folder = tmp_path / "twelve"
    folder.mkdir()
    for number in range(12):
        (folder / f"v{number:02}.mp4").write_bytes(clips["a.mp4"])
    line = ["run", folder, "-m", tiny(), "--device", "cpu", "--threads", 1, "-b", 4, "--format", "none"]
    both = [start(*line, "--claim", "--json") for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    whole = run_all(folder, out=tmp_path / "whole", folder=tmp_path / "w.run")
    status = read_status(next(folder.glob("*.run")))
    assert Counter(v.state for v in status.videos.values()) == {"done": 12}
    for name, video in status.videos.items():
        assert parts(video.result) == parts(whole.videos[name].result)
    made = [e["video"] for e in events(status.folder) if e["state"] == "wrapping" and not e.get("kept")]
    shares = [
        {name for name, v in json.loads(out)["videos"].items() if v["state"] == "done" and not v["kept"]}
        for out, _ in said
    ]
    assert not shares[0] & shares[1]
    assert shares[0] | shares[1] == set(made) == set(status.videos)


def test_what_follows_is_made_once_and_again_only_when_it_is_lacking(videos, run_all):
    assert run_all(videos / "a.mp4").videos[str(videos / "a.mp4")].files == ()
    report = run_all(videos / "a.mp4", then=("render",))
    (video,) = report.videos.values()
    assert [file.suffix for file in video.files] == [".mp4", ".png"]
    before = video.files[0].stat().st_mtime_ns
    (again,) = run_all(videos / "a.mp4", then=("render",)).videos.values()
    assert (again.kept, video.files[0].stat().st_mtime_ns) == (True, before)
    shutil.rmtree(report.folder)
    (again,) = run_all(videos / "a.mp4", then=("render",)).videos.values()
    assert (again.state, video.files[0].stat().st_mtime_ns) == ("done", before)
    video.files[1].unlink()
    (again,) = run_all(videos / "a.mp4", then=("render",)).videos.values()
    assert again.state == "done"
    assert video.files[1].exists()


def test_vectors_that_are_asked_for_are_kept(videos, run_all):
    (video,) = run_all(videos / "a.mp4", features=2).videos.values()
    result = read(video.result)
    assert set(result.manifest.features) == {"keypoints"}
    assert all(len(result.features(part)["keypoints"]) == len(part.poses) for part in result)


def test_of_a_result_with_tracks_the_strip_of_identities_is_drawn_and_listed(videos, run_all):
    report = run_all(videos / "a.mp4")
    (video,) = report.videos.values()
    path = video.result / "manifest.json"
    path.write_text(path.read_text().replace('"tracks": []', '"tracks": ["anna"]'))
    shutil.rmtree(report.folder)
    (again,) = run_all(videos / "a.mp4", then=("render",)).videos.values()
    names = [f"a.mp4.single.{end}" for end in ("labelled.mp4", "sheet.png", "identities.png")]
    assert [file.name for file in again.files] == names
    assert set(names) <= read(video.result).manifest.exports.keys()


def test_a_file_that_is_nobodys_is_not_replaced_by_what_follows(videos, run_all):
    (path,) = [videos / "a.mp4.single.labelled.mp4"]
    path.write_text("mine")
    report = run_all(videos / "a.mp4", then=("render",))
    (video,) = report.videos.values()
    assert "not from this result" in video.error
    assert path.read_text() == "mine"
    assert report.exit_code == ExitCode.FAILED


@pytest.mark.slow
def test_a_packet_in_a_later_segment_is_found_and_the_recording_is_drawn(videos, run_all):
    (videos / "plan.csv").write_text("video,recording\na.mp4,night\nb_bad.mp4,night\n")
    report = run_all(videos / "plan.csv", opener=bad_videos.crashing_segment, then=("render",))
    (video,) = report.videos.values()
    assert (video.state, video.deaths) == ("done", 3)
    result = read(video.result)
    assert result.frames.frame.tolist() == list(range(128))
    lost = result.frames.frame[result.frames.status == 1]
    assert len(lost) == video.lost >= 1
    assert lost.min() >= 64 + bad_videos.PACKET - 4
    assert all(file.exists() for file in video.files)
    assert Path(video.files[0]).name == "night.single.labelled.mp4"
