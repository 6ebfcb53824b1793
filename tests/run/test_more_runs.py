"""Plans, shares, limits, scripts, kills: the ways in and out of a run."""

import json
import re
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import bad_videos
import numpy as np
import pytest

import ethopose
from clips import write_clip
from commands import parts, start
from ethopose.core import ExitCode, UsageError, VideoError
from ethopose.predict import Options
from ethopose.run import api, read_status, retry, supervisor
from ethopose.run.hands import ProcessHand
from ethopose.run.plan import make_plan
from ethopose.run.sbatch import Job, sbatch_script
from ethopose.store import read


def names(plan) -> list[str]:
    return [Path(entry.name).name for entry in plan.entries]


def test_folders_patterns_and_lists_give_the_same_videos_in_the_same_order(videos, tiny):
    (videos / "a_labeled.mp4").write_bytes(b"drawn")
    (videos / "aDLC_resnet50_x1shuffle1_50000_labeled.mp4").write_bytes(b"drawn")
    (videos / "c.mp4.mice.labelled.mp4").write_bytes(b"drawn")
    (videos / "a.short.mp4").write_bytes(b"a snippet")
    (videos / "list.txt").write_text("# the first night\na.mp4\n\nb_bad.mp4\nc.mp4\n")
    wanted = ["a.mp4", "b_bad.mp4", "c.mp4"]
    for source in (videos, str(videos / "*.mp4"), videos / "list.txt"):
        plan = make_plan([source], [tiny()], Options())
        assert names(plan) == wanted
    assert names(make_plan([videos], [tiny()], Options(), match="[bc]*")) == ["b_bad.mp4", "c.mp4"]
    with pytest.raises(VideoError, match=r"none of its 3 videos is named like z"):
        make_plan([videos], [tiny()], Options(), match="z*")
    with pytest.raises(VideoError, match="neither videos nor images"):
        make_plan([videos], [tiny()], Options(), types=("avi",))


def test_a_table_names_models_options_and_segments(videos, tiny):
    other = tiny("bottom-up")
    (videos / "plan.csv").write_text(
        f"video,model,recording,peak_threshold\na.mp4,{tiny()},,0.3\nb_bad.mp4,{other},night,\nc.mp4,{other},night,\n"
    )
    plan = make_plan([videos / "plan.csv"], [], Options())
    assert names(plan) == ["a.mp4", "night"]
    assert [len(entry.videos) for entry in plan.entries] == [1, 2]
    assert [recipe.name for recipe in plan.recipes] == ["single", "bottom-up"]
    assert plan.recipes[0].options.peak_threshold == 0.3
    assert plan.entries[1].result.name == "night.bottom-up.ethopose"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video,modell\na.mp4,x\n", r"no column is named 'modell'"),
        ("model\nx\n", "no column `video`"),
        ("video,batch_size\na.mp4,many\n", "batch_size is 'many'"),
        ("video,overwrite\na.mp4,no\n", "overwrite is 'no' in a table; fix: write true or false"),
        ("video,device\na.mp4,cpu\n", r"no column is named 'device'"),
        ("video,recording,peak_threshold\na.mp4,n,0.1\nc.mp4,n,0.2\n", "the segments of n differ"),
        ("video,recording\na.mp4,x/y\n", "'x/y' is no name of a recording"),
        ("video,model\n,x\n", "line 2 names no video"),
        ("video\na.mp4\n", "no model is named for it"),
        ("video,peak_threshold\na.mp4,0.1\na.mp4,0.2\n", "would have one result"),
    ],
)
def test_a_table_that_cannot_be_is_one_clear_line(text, told, videos, tiny):
    (videos / "plan.csv").write_text(text)
    model = [] if "no model" in told else [tiny()]
    with pytest.raises(UsageError, match=told):
        make_plan([videos / "plan.csv"], model, Options())


def test_segments_of_a_recording_are_one_result_with_frames_counted_on(videos, run_all, tiny):
    (videos / "plan.csv").write_text("video,recording\na.mp4,night\nb_bad.mp4,night\n")
    report = run_all(videos / "plan.csv")
    (video,) = report.videos.values()
    result = read(video.result)
    assert (video.state, video.frames) == ("done", 128)
    assert result.frames.frame.tolist() == list(range(128))
    assert result.video["segments"] == 2
    settings = {"device": "cpu", "threads": 1, "batch_size": 4, "format": "none"}
    alone = ethopose.predict(videos / "b_bad.mp4", tiny(), out=videos / "alone.ethopose", **settings)
    assert result.xy[result.frame >= 64].tolist() == alone.xy.tolist()


def test_one_video_twice_by_one_model_is_two_entries(videos, run_all):
    (videos / "plan.csv").write_text("video,peak_threshold,out\na.mp4,0.1,low\na.mp4,0.9,high\n")
    report = run_all(videos / "plan.csv")
    assert [video.state for video in report.videos.values()] == ["done", "done"]
    found = [read(video.result).manifest.settings["peak_threshold"] for video in report.videos.values()]
    assert found == [0.1, 0.9]
    assert [video.result for video in report.videos.values()] == [videos / "low", videos / "high"]
    assert [video.kept for video in run_all(videos / "plan.csv").videos.values()] == [True, True]


def test_shares_are_apart_and_together_all(videos, run_all):
    seen = []
    for share in (1, 2):
        report = run_all(videos, shard=(share, 2), folder=videos / "one.run")
        seen += [Path(name).name for name in report.videos]
    assert sorted(seen) == ["a.mp4", "b_bad.mp4", "c.mp4"]
    status = read_status(videos / "one.run")
    assert {video.state for video in status.videos.values()} == {"done"}
    (videos / "c.mp4").write_text("no video")
    again = retry(videos / "one.run")  # all shares, whichever was made last
    assert [video.state for video in again.videos.values()] == ["done", "done", "failed"]
    with pytest.raises(UsageError, match="shard 3/2; fix: give I/N with I from 1 to N"):
        run_all(videos, shard=(3, 2))


def test_after_its_limit_a_run_begins_nothing_more_and_can_go_on(videos, run_all):
    report = run_all(videos, limit=0.0)
    assert report.exit_code == ExitCode.STOPPED
    assert "done" not in {video.state for video in report.videos.values()}
    status = read_status(report.folder)
    assert (len(status.videos), status.planned, status.exit_code) == (0, 3, ExitCode.STOPPED)
    assert dict(status.lines())["to come"] == "3 videos"
    assert retry(report.folder).exit_code == ExitCode.DONE


def test_who_has_a_video_keeps_it_and_the_others_are_done(videos, run_all, monkeypatch):
    from ethopose.store import claims

    first = run_all(videos / "a.mp4", folder=videos / "x.run")
    place = next(iter(first.videos.values())).result
    shutil.rmtree(place)
    place.mkdir()
    held = claims.claim(place)
    refused = run_all(videos, folder=videos / "y.run")
    assert "another run is at work here" in next(iter(refused.videos.values())).error
    monkeypatch.setattr(supervisor, "SURE", 0.5)
    shared = run_all(videos, folder=videos / "z.run", claim=True)
    assert [video.state for video in shared.videos.values()] == ["busy", "done", "done"]
    assert shared.exit_code == ExitCode.DONE
    held.release()
    again = run_all(videos, folder=videos / "z.run", claim=True)
    assert {video.state for video in again.videos.values()} == {"done"}


@pytest.fixture
def fake_gpu(monkeypatch) -> list[ProcessHand]:
    """The GPU is played by a worker on the CPU; the workers that were hired, and its first is the GPU's."""
    hire, hired = api._hired, []

    def fake(*told) -> ProcessHand:
        if told[-1] == "cpu":
            monkeypatch.delenv("FAKE_GPU", raising=False)
        else:
            monkeypatch.setenv("FAKE_GPU", "1")
        hired.append(hire(*told[:-1], "cpu"))
        hired[-1].device = told[-1]
        return hired[-1]

    monkeypatch.setattr(api, "_hired", fake)
    monkeypatch.setattr(api, "choose_devices", lambda *_: ["cuda:0"])
    return hired


@pytest.mark.slow
@pytest.mark.parametrize("opener", [bad_videos.small_gpu, bad_videos.broken_gpu])
def test_a_video_that_a_gpu_does_not_do_goes_to_the_cpu(opener, videos, run_all, fake_gpu, caplog):
    report = run_all(videos, opener=opener, device="auto")
    assert {video.state for video in report.videos.values()} == {"done"}
    assert "b_bad.mp4: " in caplog.text
    assert "it goes on, anew, on the CPU" in caplog.text
    assert [video.on_cpu for video in report.videos.values()] == [False, True, False]
    devices = [hand.device for hand in fake_gpu]
    replaced = opener is bad_videos.broken_gpu  # one whose memory is full is as good as before
    assert sorted(devices) == ["cpu", *["cuda:0"] * (2 if replaced else 1)]
    for video in report.videos.values():
        assert read(video.result).frames.frame.tolist() == list(range(64))
        assert video.deaths == 0


@pytest.mark.slow
@pytest.mark.parametrize("way", ["retry", "stop"])
def test_it_is_tried_again_or_the_run_stops_if_that_is_asked_for(way, videos, run_all, fake_gpu, caplog):
    report = run_all(videos, opener=bad_videos.small_gpu, device="auto", on_gpu_failure=way, attempts=2)
    told = {Path(name).name: video for name, video in report.videos.items()}
    assert told["b_bad.mp4"].state == "failed"
    assert "out of memory" in told["b_bad.mp4"].error
    assert [hand.device for hand in fake_gpu] == ["cuda:0"]
    if way == "retry":
        assert caplog.text.count("it is tried again") == 1
        assert (told["a.mp4"].state, told["c.mp4"].state) == ("done", "done")
        assert report.exit_code == ExitCode.LOSSES
    else:
        assert "out of memory" in dict(report.lines())["stopped"]
        assert report.exit_code in (ExitCode.LOSSES, ExitCode.FAILED)


def test_a_device_on_which_the_model_cannot_be_loaded_is_left_out_and_named(
    videos, run_all, tiny, monkeypatch, caplog
):
    hire, hired = api._hired, []

    def fake(setup, *told) -> ProcessHand:
        broken = told[-1] == "cuda:1"
        if told[-1] == "cuda:0":
            hired[0].line.poll(60)  # or all may be done before the broken one has said anything
        recipes = tuple(replace(recipe, digest="other") if broken else recipe for recipe in setup.recipes)
        hand = hire(replace(setup, recipes=recipes), *told[:-1], "cpu")
        hand.device = told[-1]
        hired.append(hand)
        return hand

    monkeypatch.setattr(api, "_hired", fake)
    monkeypatch.setattr(api, "choose_devices", lambda *_: ["cuda:1", "cuda:0"])
    assert run_all(videos, device="auto").exit_code == ExitCode.DONE
    assert "cuda:1 is not used any more: it has changed since the run began" in caplog.text
    monkeypatch.setattr(api, "choose_devices", lambda *_: ["cuda:1"])
    told = {"device": "auto", "folder": videos / "y.run", "out": videos / "y"}
    report = run_all(videos, on_gpu_failure="stop", **told)
    assert report.exit_code == ExitCode.FAILED
    assert "it has changed since the run began" in dict(report.lines())["stopped"]
    report = run_all(videos, **told)  # the CPU is there
    assert {(video.state, video.on_cpu) for video in report.videos.values()} == {("done", True)}


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_goes_on_to_the_same_bytes(sent, videos, run_all, tiny, tmp_path):
    for number in range(3):  # long enough to be still at work
        write_clip(videos / f"long{number}.mp4", 1500)
    line = ["run", videos, "-m", tiny(), "--device", "cpu", "--threads", 1, "-b", 4, "--format", "none"]
    whole = run_all(videos, out=tmp_path / "whole", folder=tmp_path / "w.run")
    process = start(*line, "--run", tmp_path / "x.run")
    events = tmp_path / "x.run/events"
    deadline = time.monotonic() + 60
    while not any('"predicting"' in path.read_text() for path in events.glob("*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    began = time.monotonic()
    process.send_signal(sent)
    last = process.communicate()
    assert time.monotonic() - began < 20
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 75, signal.SIGINT: 130}[sent], last
    said = start(*line, "--run", tmp_path / "x.run", "--json")
    out, err = said.communicate()
    assert said.returncode == 0, err
    told = json.loads(out)["videos"]
    assert {video["state"] for video in told.values()} == {"done"}
    for name, video in told.items():
        assert parts(Path(video["result"])) == parts(whole.videos[name].result)
    assert children
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a worker outlives its run"
        time.sleep(0.1)


def test_a_script_holds_what_a_job_needs():
    text = sbatch_script(
        ["run", "nights/*.mp4", "-m", "mice"], Job(jobs=10, mail="me@lab.org", setup="module load x")
    )
    assert text.startswith("#!/bin/bash\n")
    for word in ("--array=1-10", "--gres=gpu:1", "--mem=64G", "--time=08:00:00", "--mail-user=me@lab.org"):
        assert f"#SBATCH {word}\n" in text
    assert re.search(r"^module load x$", text, re.MULTILINE)
    assert "srun --cpus-per-task=4 ethopose run 'nights/*.mp4' -m mice --claim\n" in text
    text = sbatch_script(["train", "labels", "-o", "mice"], Job(gpus=4))
    assert "srun --cpus-per-task=4 ethopose train labels -o mice --resume --devices 4\n" in text
    assert "#SBATCH --ntasks-per-node=4\n" in text
    with pytest.raises(UsageError, match="one training in 3 jobs"):
        sbatch_script(["train", "labels"], Job(jobs=3))
    with pytest.raises(UsageError, match="leave out --overwrite"):
        sbatch_script(["run", "nights", "-m", "mice", "--overwrite"], Job())
    with pytest.raises(UsageError, match="--time tonight is nothing that SLURM knows"):
        sbatch_script(["run", "nights", "-m", "mice"], Job(time="tonight"))
    with pytest.raises(UsageError, match="--mem lots is nothing that SLURM knows"):
        sbatch_script(["run", "nights", "-m", "mice"], Job(memory="lots"))
    with pytest.raises(UsageError, match="a script is for run or train"):
        sbatch_script(["predict", "x.mp4"], Job())


def test_what_is_wrong_in_a_line_is_told_before_it_is_queued(ethopose_says):
    said = ethopose_says("sbatch", "--", "run", "nights", "-m", "mice", "--no-such")
    assert said.code == 2
    assert "--no-such" in said.err
    assert not said.out
    assert ethopose_says("sbatch", "--", "run", "nights", "-m", "mice").code == 0


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"limit": "1m"}, "limit is '1m'"),
        ({"attempts": "two"}, "attempts is 'two'"),
        ({"run": "x.run"}, "no option is named 'run'.*folder"),
        ({"format": "foo"}, "no format is named 'foo'"),
        ({"cluster": "foo"}, "no cluster is called 'foo'"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_written(videos, run_all, settings, why):
    before = sorted(videos.rglob("*"))
    with pytest.raises(UsageError, match=why):
        run_all(videos, **settings)
    assert sorted(videos.rglob("*")) == before


def test_a_worker_goes_on_telling_that_it_lives_while_torch_is_imported(monkeypatch):
    from ethopose.run import worker

    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert worker._gpu_memory() == 0


def test_a_video_whose_frames_hang_together_is_made_by_one_worker_in_order(videos, tiny, run_all):
    told = {"dynamic": "0.1,4", "batch_size": None, "opener": bad_videos.plain}
    report = run_all(videos, workers=2, **told)
    assert report.exit_code == 0
    video = videos / "a.mp4"
    alone = ethopose.predict(video, tiny(), out=videos / "alone", dynamic="0.1,4", threads=1, format="none")
    together = report.videos[str(video)].result
    np.testing.assert_array_equal(ethopose.read(together).xy, alone.xy)
    assert len(ethopose.read(together).manifest.parts) == 4
