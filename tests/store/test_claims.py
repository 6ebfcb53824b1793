"""Whose a result is: one run at a time, and nobody waits for the dead."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
from small_result import MANIFEST, files, make, part_of

from ethopose import store
from ethopose.core import BusyError, ResultError
from ethopose.store import claims, filling, scratch
from ethopose.store.claims import NAME, Holder, claim


def left_behind(folder, **other) -> Holder:
    """A claim that somebody made and does not renew."""
    holder = replace(Holder.here(), token="other", **other)
    (folder / NAME).write_text(json.dumps(asdict(holder)))
    return holder


def test_a_second_run_is_refused_and_named_while_the_first_is_at_work(tmp_path):
    with store.start(tmp_path / "r", MANIFEST) as writer:
        with pytest.raises(ResultError, match=rf"another run is at work here \(process {os.getpid()} on"):
            store.start(tmp_path / "r", MANIFEST)
        writer.write_part(*part_of(MANIFEST, 0))
    with store.start(tmp_path / "r", MANIFEST) as writer:
        assert writer.done == 8


def test_a_finished_result_is_nobodys(tmp_path):
    make(tmp_path / "r")
    assert not (tmp_path / "r" / NAME).exists()
    with store.start(tmp_path / "r", MANIFEST) as one, store.start(tmp_path / "r", MANIFEST) as two:
        assert one.finished
        assert two.finished


def test_who_is_dead_holds_nothing(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left_behind(tmp_path, pid=gone.pid)
    with claim(tmp_path) as mine:
        assert json.loads((tmp_path / NAME).read_bytes())["token"] == mine.holder.token
    assert not list(tmp_path.iterdir())


def test_an_earlier_process_of_our_own_number_holds_nothing(tmp_path):
    left_behind(tmp_path)
    with claim(tmp_path):
        pass


def test_a_run_on_another_machine_holds_as_long_as_it_is_renewed(tmp_path):
    holder = left_behind(tmp_path, machine="elsewhere", host="node7", pid=1)
    with pytest.raises(ResultError, match="process 1 on node7"):
        claim(tmp_path)
    assert json.loads((tmp_path / NAME).read_bytes()) == asdict(holder)
    past = time.time() - claims.STALE - 5
    os.utime(tmp_path / NAME, (past, past))
    with claim(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_claim_that_cannot_be_read_counts_until_it_is_old(tmp_path):
    """It is being written at this moment, perhaps."""
    (tmp_path / NAME).write_text("")
    with pytest.raises(ResultError, match=r"at work here \(a process\)"):
        claim(tmp_path)
    past = time.time() - claims.STALE - 5
    os.utime(tmp_path / NAME, (past, past))
    with claim(tmp_path):
        pass


def test_a_claim_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claim(tmp_path):
        past = time.time() - 1000
        os.utime(tmp_path / NAME, (past, past))
        deadline = time.monotonic() + 5
        while (tmp_path / NAME).stat().st_mtime < past + 500:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_who_was_taken_for_dead_writes_no_more(tmp_path, monkeypatch):
    """A machine that slept: another run has gone on meanwhile."""
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with store.start(tmp_path / "r", MANIFEST) as slept:
        left_behind(tmp_path / "r", machine="elsewhere")
        time.sleep(0.2)
        before = files(tmp_path / "r")
        with pytest.raises(ResultError, match="another run has taken over here"):
            slept.write_part(*part_of(MANIFEST, 0))
        assert files(tmp_path / "r")["manifest.json"] == before["manifest.json"]
    assert (tmp_path / "r" / NAME).exists()


def take(folder, queue, start) -> None:
    start.wait()
    try:
        claim(folder)
        queue.put(True)
    except ResultError:
        queue.put(False)
    time.sleep(1)


@pytest.mark.parametrize("stale", [False, True])
def test_of_many_at_one_moment_one_gets_it(tmp_path, stale):
    context = multiprocessing.get_context("spawn")
    queue, start = context.Queue(), context.Event()
    if stale:
        left_behind(tmp_path, machine="elsewhere")
        past = time.time() - claims.STALE - 5
        os.utime(tmp_path / NAME, (past, past))
    processes = [context.Process(target=take, args=(tmp_path, queue, start)) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    got = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert got.count(True) == 1


def test_scratch_is_ones_own_and_gone_at_the_end(tmp_path):
    target = tmp_path / "clip.review"
    with scratch(target) as folder:
        (folder / "half.mp4").write_text("x")
        with pytest.raises(BusyError), scratch(target):
            pass
        assert (folder / "half.mp4").exists()
    assert not any(tmp_path.iterdir())
    folder.mkdir()
    (folder / "half.mp4").write_text("of a run that was killed")
    with pytest.raises(KeyboardInterrupt), scratch(target):
        raise KeyboardInterrupt
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_nothing_was_put_into_is_as_it_was(tmp_path, there):
    folder = tmp_path / "pictures"
    if there:
        folder.mkdir()
    with pytest.raises(KeyboardInterrupt), filling(folder):
        raise KeyboardInterrupt
    assert folder.exists() == there
    with pytest.raises(FileNotFoundError), filling(folder):
        (folder / "one.png").touch() or (folder / "two.png").unlink()
    assert (folder / "one.png").exists()
