"""Killed at random moments, stopped, interrupted: the same line goes on to the same bytes."""

import os
import random
import signal
import time

import pytest

from clips import BATCH, write_clip
from commands import parts, run, same_slp, start
from ethopose import store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
LINE = ("-b", BATCH, "--format", "csv", "--format", "slp", "-q", "--no-track")


def wait_until(process, condition, seconds=60):
    """Wait for what a process does; a process that ends first is reported with what it said."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"ended with {process.wait()} before the moment came: {process.communicate()}")
        time.sleep(0.002)


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("centroid")


@pytest.fixture(scope="module")
def whole(long_clip, model, tmp_path_factory):
    """The result of a run that nobody disturbed; its networks are converted from now on."""
    out = tmp_path_factory.mktemp("whole") / "r.ethopose"
    said = run("predict", long_clip, "-m", model, "-o", out, *LINE)
    assert (said.code, said.err) == (0, "")
    assert len(parts(out)) == 6
    return out


def assert_same(out, whole):
    assert parts(out) == parts(whole)
    name = {suffix: out.name.removesuffix(".ethopose") + suffix for suffix in (".csv", ".predictions.slp")}
    csv, slp = (out.with_name(file) for file in name.values())
    assert csv.read_bytes() == whole.with_name("r.csv").read_bytes()
    assert same_slp(slp, whole.with_name("r.predictions.slp"))
    assert not list(out.parent.rglob(".partial-*"))


def test_a_run_killed_at_random_moments_goes_on_to_the_same_bytes(long_clip, model, whole, tmp_path):
    out, chance = tmp_path / "r.ethopose", random.Random(0)
    for n_parts in (0, 0, 1, 2):
        process = start("predict", long_clip, "-m", model, "-o", out, *LINE)
        wait_until(process, lambda n=n_parts: len(list(out.glob("frames/0*.parquet"))) >= n)
        time.sleep(chance.uniform(0, 0.1 if n_parts else 2))
        process.kill()
        process.communicate()
        if store.is_result(out):
            kept = {name: content for name, content in parts(out).items() if ".partial-" not in name}
            firsts = [part.first for part in store.read(out).manifest.parts]
            listed = {f"{kind}/{first:08d}.parquet" for kind in ("poses", "frames") for first in firsts}
            assert listed <= kept.keys()
            assert kept.items() <= parts(whole).items()
    said = run("predict", long_clip, "-m", model, "-o", out, *LINE)
    assert (said.code, said.out, said.err) == (0, "", "")
    assert_same(out, whole)


@pytest.fixture(scope="module")
def longer_clip(tmp_path_factory):
    """20,000 frames: enough for a signal to meet the run at work."""
    return write_clip(tmp_path_factory.mktemp("longer") / "longer.mp4", 20_000)


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGTERM, 75, "stopped"), (signal.SIGINT, 130, "interrupted")],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_ends_a_run_at_once_with_one_line_that_says_how_to_go_on(
    longer_clip, model, whole, sent, code, word, tmp_path
):
    out = tmp_path / "r.ethopose"
    process = start("predict", longer_clip, "-m", model, "-o", out, *LINE)
    wait_until(process, lambda: store.is_result(out) and store.read(out).manifest.n_done >= 2048)
    begin = time.monotonic()
    process.send_signal(sent)
    said, complaint = process.communicate()
    assert time.monotonic() - begin < 2
    assert process.returncode == code
    assert said == ""
    assert complaint == f"ethopose: {word}; start the same command again to continue\n"
    stopped = store.read(out)
    assert not stopped.finished
    assert 2048 <= stopped.manifest.n_done < 20_000
    assert stopped.frames.frame.tolist() == list(range(stopped.manifest.n_done))
    assert not list(tmp_path.glob("*.csv"))
