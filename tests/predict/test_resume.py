"""A run that stops at any batch goes on to the same bytes."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ethopose
from clips import BATCH, SIZE, write_images
from commands import fingerprint, parts
from ethopose.core import VideoError
from ethopose.predict import Options, predict_all, video
from ethopose.store import Writer, read

PART = 20  # frames


class Stopped(BaseException):
    """What a signal raises."""


@pytest.fixture
def short_parts(monkeypatch):
    """Parts of twenty frames."""
    monkeypatch.setattr(video, "PART_FRAMES", PART - 1)  # rounded up to whole batches of five


def stopping(after: int):
    """A progress callback that stops the run once so many batches were told."""
    told = itertools.count()

    def progress(path, done, total):
        if next(told) == after:
            raise Stopped

    return progress


def run(clip, model, out, *, progress=None, frames=None):
    """A prediction in batches of five."""
    options = Options(out=out, batch_size=5, runtime="torch", format=("csv",), frames=frames, track=False)
    return predict_all([clip], model, options, progress)


def same(one, other) -> bool:
    return (
        parts(one) == parts(other)
        and one.with_suffix(".csv").read_bytes() == other.with_suffix(".csv").read_bytes()
    )


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """47 images of three sizes, and one that cannot be read."""
    sizes = [SIZE] * 7 + [(40, 80), SIZE] * 6 + [(32, 32)] * 11 + [SIZE] * 17
    return write_images(tmp_path_factory.mktemp("mixed") / "images", sizes, broken=[9])


@pytest.mark.parametrize("kind", ["bottom-up", "top-down"])
@pytest.mark.parametrize("source", ["clip", "mixed"])
@pytest.mark.usefixtures("short_parts")
def test_a_run_stopped_at_any_batch_goes_on_to_the_same_bytes(kind, source, request, tiny, tmp_path_factory):
    folder, given_video = tmp_path_factory.mktemp("stopped"), request.getfixturevalue(source)
    whole = folder / "whole.ethopose"
    report = run(given_video, tiny(kind), whole)
    assert not report.failures
    assert len(parts(whole)) == (8 if source == "clip" else 6)
    assert len(report.results[given_video]) > 40

    @settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow], deadline=None, database=None)
    @given(stops=st.lists(st.integers(0, 13), min_size=1, max_size=3))
    def stop_and_go_on(stops):
        out = folder / f"{next(names)}.ethopose"
        for stop in stops:
            try:
                run(given_video, tiny(kind), out, progress=stopping(stop))
            except Stopped:
                assert not read(out).finished
                kept = parts(out)
                assert kept.items() <= parts(whole).items()
        run(given_video, tiny(kind), out)
        assert read(out).finished
        assert same(out, whole)

    names = itertools.count()
    stop_and_go_on()


@pytest.mark.usefixtures("short_parts")
def test_frames_picked_here_and_there_go_on_as_well(clip, tiny, tmp_path):
    frames = "3-31,40,50-60"
    run(clip, tiny("bottom-up"), tmp_path / "whole.ethopose", frames=frames)
    with pytest.raises(Stopped):
        run(clip, tiny("bottom-up"), tmp_path / "r.ethopose", frames=frames, progress=stopping(6))
    assert read(tmp_path / "r.ethopose").frames.frame.tolist() == list(range(3, 23))
    run(clip, tiny("bottom-up"), tmp_path / "r.ethopose", frames=frames)
    assert same(tmp_path / "r.ethopose", tmp_path / "whole.ethopose")


@pytest.mark.usefixtures("short_parts")
def test_only_what_is_missing_is_computed(clip, tiny, tmp_path):
    out = tmp_path / "r.ethopose"
    with pytest.raises(Stopped):
        run(clip, tiny(), out, progress=stopping(10))
    kept, told = fingerprint(out), []
    report = run(clip, tiny(), out, progress=lambda path, done, total: told.append((done, total)))
    assert told[0] == (40, 64)
    assert told[-1] == (64, 64)
    assert report.profile.frames == 24
    now = fingerprint(out)
    old = [name for name in kept if name.startswith(("poses", "frames"))]
    assert len(old) == 4
    assert all(now[name] == kept[name] for name in old)


@pytest.mark.usefixtures("short_parts")
def test_a_run_killed_between_its_last_part_and_its_end_is_finished(clip, tiny, tmp_path, monkeypatch):
    out = tmp_path / "r.ethopose"
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "finish", lambda *_: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            run(clip, tiny(), out)
    assert not read(out).finished
    report = run(clip, tiny(), out)
    assert report.results[clip].finished
    assert report.profile.frames == 0
    run(clip, tiny(), tmp_path / "whole.ethopose")
    assert same(out, tmp_path / "whole.ethopose")


def test_a_finished_result_is_given_as_it_is_and_nothing_is_computed(clip, tiny, tmp_path):
    out = tmp_path / "r.ethopose"
    run(clip, tiny(), out)
    before = fingerprint(tmp_path)
    report = run(clip, tiny(), out)
    assert fingerprint(tmp_path) == before
    assert report.profile.frames == 0
    assert len(report.results[clip]) == 64
    assert report.files[clip] == (out.with_suffix(".csv"),)


def test_a_finished_result_gets_the_file_that_a_kill_kept_from_it(clip, tiny, tmp_path):
    out = tmp_path / "r.ethopose"
    run(clip, tiny(), out)
    csv = out.with_suffix(".csv").read_bytes()
    out.with_suffix(".csv").unlink()
    run(clip, tiny(), out)
    assert out.with_suffix(".csv").read_bytes() == csv


@pytest.mark.usefixtures("short_parts")
def test_what_reading_and_computing_raise_leaves_whole_parts_to_go_on_from(clip, tiny, tmp_path, monkeypatch):
    out = tmp_path / "r.ethopose"
    read_blocks = video.read_ahead

    def breaking(blocks):
        for number, block in enumerate(read_blocks(blocks)):
            if number == 11:  # of 13; two more are under way and lost
                raise VideoError("the disk with the videos went away", where=clip)
            yield block

    with monkeypatch.context() as patch:
        patch.setattr(video, "read_ahead", breaking)
        report = run(clip, tiny(), out)
    assert "went away" in str(report.failures[clip])
    assert read(out).manifest.n_done == 2 * PART
    run(clip, tiny(), out)
    run(clip, tiny(), tmp_path / "whole.ethopose")
    assert same(out, tmp_path / "whole.ethopose")


def test_two_images_of_a_size_are_computed_as_in_a_folder_of_their_own(mixed, tiny, tmp_path):
    report = run(mixed, tiny(), tmp_path / "mixed.ethopose")
    result = report.results[mixed]
    assert result.frames.status.tolist() == [int(frame == 9) for frame in range(47)]
    assert 9 not in result.frame
    own = write_images(tmp_path / "own", [(32, 32)] * 47)
    alone = run(own, tiny(), tmp_path / "own.ethopose").results[own]
    small = np.arange(19, 30)
    np.testing.assert_allclose(
        result.xy[np.isin(result.frame, small)], alone.xy[np.isin(alone.frame, small)], atol=1e-3
    )
    assert np.isin(small, result.frame).all()
    assert report.exit_code == 3


def test_the_batch_is_a_whole_share_of_every_part(clip, tiny, tmp_path):
    result = ethopose.predict(clip, tiny(), out=tmp_path / "r", batch_size=BATCH * 5, runtime="torch")
    assert result.manifest.part_frames == 1040
    assert result.manifest.batch == 40
