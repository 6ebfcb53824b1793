"""Which frames of a video: what a user writes, and what comes of it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ethopose
from clips import BATCH
from ethopose.core import UsageError
from ethopose.predict.selection import parse_frames, select

runs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=6)


@given(runs, st.booleans())
def test_a_list_of_frames_means_each_frame_in_it_once_in_order(written, spaces):
    pieces = [f"{first}-{first + more}" if more else str(first) for first, more in written]
    parsed = parse_frames((", " if spaces else ",").join(pieces))
    meant = sorted({frame for first, more in written for frame in range(first, first + more + 1)})
    assert [frame for first, last in parsed for frame in range(first, last + 1)] == meant
    gaps = [after[0] - before[1] for before, after in itertools.pairwise(parsed)]
    assert all(gap > 1 for gap in gaps)


@pytest.mark.parametrize("text", ["", ",", "1,", "5-2", "-3", "3-", "a", "1-2-3", "1.5", "1;2", "0x3", "--"])
def test_what_names_no_frames_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="0-100,200-300"):
        parse_frames(text)


def test_all_of_a_video_unless_frames_are_named():
    assert select(None, 7) == ((0, 6),)


@pytest.mark.parametrize("text", ["7", "0-7", "3,99999999999999999999"])
def test_a_frame_beyond_the_end_is_refused_with_the_frames_there_are(text):
    with pytest.raises(UsageError, match="0-6"):
        select(parse_frames(text), 7)


@pytest.fixture(scope="module")
def whole(clip, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "whole.ethopose"
    return ethopose.predict(clip, tiny("bottom-up"), out=out, format="none", batch_size=BATCH)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("0-10,20-30", [*range(11), *range(20, 31)]),
        ("1,2,3", [1, 2, 3]),
        ("5-9,2-6,63", [*range(2, 10), 63]),
        ("63", [63]),
        ("0-63", range(64)),
    ],
)
def test_the_frames_named_are_those_predicted_as_in_the_whole_video(
    whole, text, frames, clip, tiny, tmp_path
):
    options = {"out": tmp_path / "some.ethopose", "format": "none", "batch_size": BATCH}
    some = ethopose.predict(clip, tiny("bottom-up"), frames=text, **options)
    assert some.frames.frame.tolist() == list(frames)
    rows = np.isin(whole.frame, list(frames))
    assert rows.any()
    assert np.array_equal(some.frame, whole.frame[rows])
    np.testing.assert_allclose(some.xy, whole.xy[rows], atol=1e-3)  # px: they fall into other batches
    assert np.array_equal(some.frames.time, whole.frames.time[list(frames)])


def test_frames_beyond_the_end_are_wrong_use_and_nothing_is_written(ethopose_says, clip, tiny, tmp_path):
    said = ethopose_says("predict", clip, "-m", tiny(), "--frames", "10-64", "-o", tmp_path / "r")
    assert said.code == 2
    assert "frame 64" in said.err
    assert "0-63" in said.err
    assert not list(tmp_path.iterdir())
