"""Frames that hang on the ones before: in order, begun anew where something lacks, stopped and gone on."""

import itertools

import numpy as np
import pytest

from clips import SIZE, write_images
from commands import parts
from ethopose.core import FormatError
from ethopose.models.grouping import Context, places
from ethopose.models.grouping.instances import make_instances
from ethopose.models.spec import Part
from ethopose.models.windows import reach
from ethopose.predict import Options, predict_all, video
from ethopose.predict.by_window import _grown
from ethopose.predict.following import Seen
from ethopose.store import state_before

PART = 20
WAYS = {"dynamic": ("single", "0.1,4")}


class Stopped(BaseException):
    """What a signal raises."""


def stopping(after: int):
    told = itertools.count()

    def progress(path, done, total):
        if next(told) == after:
            raise Stopped

    return progress


@pytest.fixture(params=WAYS)
def follow(request, tiny, monkeypatch):
    """A prediction of following frames, in parts of twenty."""
    monkeypatch.setattr(video, "PART_FRAMES", PART)
    kind, told = WAYS[request.param]

    def run(clip, out, *, progress=None, **options):
        given = Options(out=out, runtime="torch", format=("none",), **{request.param: told}, **options)
        report = predict_all([clip], tiny(kind), given, progress)
        for error in report.failures.values():
            raise error
        return next(iter(report.results.values()))

    return run


@pytest.mark.parametrize("stops", [(3,), (25,), (41, 2), (63,)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(clip, follow, tmp_path, stops):
    whole = follow(clip, tmp_path / "whole")
    for stop in stops:
        with pytest.raises(Stopped):
            follow(clip, tmp_path / "r", progress=stopping(stop))
    again = follow(clip, tmp_path / "r")
    assert len(again.manifest.parts) == 4
    assert parts(again.path) == parts(whole.path)


def test_a_part_that_was_lost_is_made_again_from_what_was_known_before_it(clip, follow, tmp_path):
    whole = follow(clip, tmp_path / "r")
    before = parts(whole.path)
    (whole.path / "poses/00000020.parquet").unlink()
    follow(clip, tmp_path / "r")
    assert parts(whole.path) == before
    assert state_before(whole.path, 20) is not None
    assert state_before(whole.path, 0) is None


def test_after_a_gap_frames_begin_anew(clip, follow, tmp_path):
    both = follow(clip, tmp_path / "both", frames="3-30,40-50")
    alone = follow(clip, tmp_path / "alone", frames="40-50")
    np.testing.assert_array_equal(both.xy[both.frame >= 40], alone.xy)
    assert state_before(both.path, 23) is not None
    assert state_before(both.path, 40) is None


def test_a_frame_hangs_on_the_one_before(clip, follow, tmp_path):
    whole, late = follow(clip, tmp_path / "whole"), follow(clip, tmp_path / "late", frames="10-63")
    assert not np.array_equal(whole.xy[whole.frame == 10], late.xy[late.frame == 10])


def test_a_frame_that_cannot_be_read_changes_nothing(follow, tmp_path):
    clip = write_images(tmp_path / "images", [SIZE] * 12, broken=[5])
    result = follow(clip, tmp_path / "r")
    assert result.frames.status.tolist() == [int(frame == 5) for frame in range(12)]
    assert 5 not in result.frame
    (clip / "frame5.png").unlink()
    (clip / "frame5.png").symlink_to(clip / "frame4.png")  # not what was filmed, but it can be read
    other = follow(clip, tmp_path / "other")
    assert (other.frame == 5).any()


def test_what_was_known_is_missed_where_a_part_is_gone(clip, follow, tmp_path):
    result = follow(clip, tmp_path / "r")
    (result.path / "frames/00000000.parquet").write_bytes(b"")
    with pytest.raises(FormatError, match="damaged"):
        state_before(result.path, 20)


@pytest.mark.parametrize(
    ("at", "margin", "multiple", "wanted"),
    [
        ([10.5, 20.5], 4, 1, (6, 25)),
        ([2.0, 20.0], 4, 1, (0, 24)),
        ([90.0, 99.0], 4, 1, (86, 100)),
        ([10.0, 20.0], 0, 1, (10, 20)),
        ([-9.0, -4.0], 0, 1, (0, 0)),
        ([10.0, 20.0], 0, 8, (10, 26)),
        ([90.0, 96.0], 2, 20, (80, 100)),
    ],
)
def test_a_window_reaches_a_margin_beyond_the_outermost_keypoints(at, margin, multiple, wanted):
    low, high = reach(np.array(at, np.float32), margin, 100)
    assert (low, high) == wanted or _grown(low, high, 100, multiple) == wanted


def test_the_corner_counts_where_one_more_animal_might_be():
    assembly = {"name": "assembly", "options": {"animals": 3}}
    assert places(Part(name="one_each")) == 1
    assert places(Part(**assembly)) == places(Part(name="together", options={"animals": assembly})) == 3
    assert places(Part(name="boxes", options={"animals": None})) == 1


def test_what_is_below_the_threshold_is_judged_by_its_final_confidence():
    context, rows = Context(0, None, np.zeros(2, np.int64)), np.arange(2)
    confidence = np.array([[0.9, 0.4], [0.3, 0.1]])
    found = make_instances(context, rows, np.ones((2, 2, 2)), confidence, confidence.sum(1))
    seen = Seen(found, around=found, track=np.array([4, 7], np.int32))
    assert len(seen.above(-1).instances.frame) == 2
    sure = seen.above(0.35)
    assert sure.track.tolist() == [4]
    assert len(sure.around.frame) == 1
    np.testing.assert_allclose(sure.instances.confidence, [[0.9, 0.4]])
    half = seen.above(0.5).instances
    assert np.isnan(half.xy[0, 1]).all()
    np.testing.assert_allclose(half.confidence, [[0.9, 0.0]])
    np.testing.assert_allclose(half.score, [0.9])
