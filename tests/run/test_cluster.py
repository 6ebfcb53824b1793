"""Parts as tasks of a real Dask cluster of several processes: each is there once, whoever dies."""

import gc
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import bad_videos
import distributed
import pytest

from commands import parts, start
from ethopose.core import ExitCode, InferenceError, UsageError
from ethopose.predict import Options
from ethopose.run.cluster import CLUSTERS, _worker_words, connect, jobqueue, start_cluster
from ethopose.run.journal import events
from ethopose.run.settings import Settings
from ethopose.store import read

UNRAISABLE = (
    "ignore::pytest.PytestUnraisableExceptionWarning"  # dask-jobqueue leaves files and processes open
)


@pytest.fixture(scope="module")
def cluster(network_cache):
    """Two worker processes on this machine."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", nanny=True
    ) as local:
        yield local


@pytest.fixture
def twenty(clips, tmp_path) -> Path:
    folder = tmp_path / "twenty"
    folder.mkdir()
    for number in range(20):
        (folder / f"v{number:02}.mp4").write_bytes(clips["a.mp4"])
    return folder


def each_part_once(report, single) -> None:
    assert report.exit_code == ExitCode.DONE, report.lines()
    for name, video in report.videos.items():
        result = read(video.result)
        firsts = [part.first for part in result.manifest.parts]
        assert firsts == sorted(set(firsts)) == list(range(0, 64, bad_videos.PART))
        assert parts(video.result) == parts(single.videos[name].result)
        assert len(parts(video.result)) == 2 * len(firsts)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_part(twenty, run_all, cluster, tmp_path):
    single = run_all(twenty, out=tmp_path / "one", folder=tmp_path / "one.run", opener=bad_videos.plain)
    killed = []

    def kill(works, hands) -> None:
        if not killed and sum(work.state == "done" for work in works) >= 3:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    told = {"scheduler": cluster.scheduler_address, "opener": bad_videos.plain, "watch": kill}
    report = run_all(twenty, out=tmp_path / "many", folder=tmp_path / "many.run", **told)
    assert killed
    each_part_once(report, single)


@pytest.mark.slow
def test_a_driver_that_is_killed_and_started_again_goes_on(twenty, run_all, tiny, cluster, tmp_path):
    single = run_all(twenty, out=tmp_path / "one", folder=tmp_path / "one.run")
    line = [
        "run",
        twenty,
        "-m",
        tiny(),
        "--scheduler",
        cluster.scheduler_address,
        "--run",
        tmp_path / "x.run",
    ]
    line += ["--device", "cpu", "--threads", 1, "-b", 4, "--format", "none", "--json"]
    driver = start(*line)
    deadline = time.monotonic() + 180
    while sum(event["state"] == "done" for event in events(tmp_path / "x.run")) < 5:
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    again = start(*line)
    out, err = again.communicate()
    assert again.returncode == ExitCode.DONE, (err, out)
    told = json.loads(out)["videos"]
    assert sum(video["kept"] for video in told.values()) >= 5
    assert {video["state"] for video in told.values()} == {"done"}
    for name, video in told.items():
        made, whole = read(video["result"]), read(single.videos[name].result)
        assert made.frames.frame.tolist() == list(range(64))
        assert made.xy.tolist() == whole.xy.tolist()


def test_a_video_that_fails_on_a_cluster_fails_alone(videos, run_all, cluster):
    (videos / "b_bad.mp4").write_text("no video")
    report = run_all(videos, scheduler=cluster.scheduler_address, opener=bad_videos.plain)
    assert [video.state for video in report.videos.values()] == ["done", "failed", "done"]


@pytest.mark.parametrize(
    ("kind", "walltime", "seconds"),
    [
        ("slurm", "01:00:00", 3300),
        ("slurm", "1-00:00:00", 86100),
        ("slurm", "30:00", 1620),
        ("lsf", "30:00", 107700),
        ("pbs", "10", 540),
    ],
)
def test_a_jobs_worker_goes_before_the_jobs_time_is_over(kind, walltime, seconds):
    words = _worker_words(kind, {"walltime": walltime}, gpus=False)
    assert words == ["--lifetime", f"{seconds}s"]


def test_what_a_site_says_of_its_workers_is_kept_and_a_gpu_is_told():
    given = {"walltime": "01:00:00", "worker_extra_args": ["--lifetime", "10m", "--nanny-port", 5]}
    words = _worker_words("slurm", given, gpus=True)
    assert words == ["--lifetime", "10m", "--nanny-port", "5", "--resources", "GPU=1"]


@pytest.mark.slow
@pytest.mark.filterwarnings(UNRAISABLE)
def test_jobs_of_a_batch_system_do_a_run(videos, run_all, monkeypatch, tmp_path):
    """The batch system is dask-jobqueue's stand-in, which runs a job's script on this machine."""
    stand_in = importlib.import_module(f"{jobqueue().__name__}.local").LocalCluster
    monkeypatch.setattr(jobqueue(), "HereCluster", stand_in, raising=False)
    monkeypatch.setitem(CLUSTERS, "here", "HereCluster")
    site = "cores: 1\nprocesses: 1\nmemory: 2GB\nwalltime: '00:10:00'\n"
    (tmp_path / "site.yaml").write_text(site + "scheduler_options: {dashboard_address: ':0'}\n")
    report = run_all(videos, cluster="here", cluster_options=str(tmp_path / "site.yaml"), jobs=2)
    assert {video.state for video in report.videos.values()} == {"done"}, report.lines()


@pytest.mark.filterwarnings(UNRAISABLE)
def test_options_that_a_batch_system_does_not_know_are_one_clear_line(tmp_path):
    (tmp_path / "site.yaml").write_text("cores: 1\nmemory: 2GB\nwall_time: 1\n")
    with pytest.raises(UsageError, match=r"the cluster's options do not do .*wall_time"):
        start_cluster("slurm", 1, tmp_path / "site.yaml", gpus=False)
    (tmp_path / "site.yaml").write_text("cores: 4\nprocesses: 4\nmemory: 2GB\n")
    with pytest.raises(UsageError, match="4 processes of a job would share its GPU"):
        start_cluster("slurm", 1, tmp_path / "site.yaml", gpus=True)
    gc.collect()


def test_a_place_that_computes_otherwise_is_refused(videos, run_all, tiny):
    """As where a cluster's machines are of two kinds."""
    from ethopose.run.making import Maker
    from ethopose.run.plan import make_plan

    report = run_all(videos / "a.mp4")
    plan = make_plan([videos / "a.mp4"], [tiny()], Options(device="cpu", threads=1, runtime="torch"))
    (video,) = report.videos.values()
    manifest = read(video.result).manifest
    Maker(plan.recipes[0]).check(
        manifest.model_copy(update={"settings": {**manifest.settings, "runtime": "torch"}})
    )
    other = manifest.model_copy(
        update={"settings": {**manifest.settings, "runtime": "torch", "device": "cuda"}}
    )
    with pytest.raises(InferenceError, match="device is 'cpu' on this machine, and 'cuda' in the result"):
        Maker(plan.recipes[0]).check(other)


def test_ctrl_c_stays_what_it_was():
    """dask-jobqueue takes it over when it is imported, which it may have been before."""
    before = signal.getsignal(signal.SIGINT)
    sys.modules.pop("dask_jobqueue.runner", None)
    sys.modules.pop("dask_jobqueue", None)
    jobqueue()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"scheduler": "tcp://x:1", "attempts": 2}, "attempts is for worker processes on this machine"),
        ({"cluster": "slurm", "hang_after": 9.0}, "hang_after is for worker processes"),
        ({"cluster_gpus": True}, "cluster_gpus is for a Dask cluster"),
        ({"scheduler": "tcp://x:1", "jobs": 2}, "jobs is for the jobs of a cluster"),
        ({"scheduler": "tcp://x:1", "cluster": "slurm"}, "both a scheduler and a cluster"),
    ],
)
def test_what_would_count_for_nothing_is_an_error(settings, told):
    with pytest.raises(UsageError, match=told):
        Settings(**settings)


def test_a_gpu_of_this_machine_cannot_be_asked_of_a_cluster(videos, run_all):
    with pytest.raises(UsageError, match=r"device 0,1 is of this machine"):
        run_all(videos, scheduler="tcp://x:1", device="0,1")


def test_who_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(sys.modules["ethopose.run.cluster"], "ANSWER", 2)
    with pytest.raises(UsageError, match=r"no scheduler answers at tcp://127.0.0.1:1 "):
        connect("tcp://127.0.0.1:1", gpus=False)
    with pytest.raises(UsageError, match="no cluster is called 'sun'"):
        Settings(cluster="sun")
