"""Segments of a recording as one video."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import encode, read_all, scene

from ethopose.core import VideoError
from ethopose.media import JoinedVideo, open_video

LENGTHS = (7, 1, 12)
X264 = {"codec": "libx264", "preset": "veryfast"}


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    return [encode(folder / f"s{n}.mp4", frames=scene(n), **X264) for n in LENGTHS]


def opened(paths):
    return JoinedVideo([open_video(path) for path in paths])


@given(wanted=st.sets(st.integers(0, sum(LENGTHS) - 1), min_size=1), size=st.integers(1, 9))
def test_frames_are_counted_on_from_one_segment_to_the_next(segments, wanted, size):
    joined = opened(segments)
    whole = np.concatenate([read_all(open_video(path))[0] for path in segments])
    blocks = list(joined.blocks(np.array(sorted(wanted)), size))
    assert [len(block) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert np.concatenate([block.frame for block in blocks]).tolist() == sorted(wanted)
    for block in blocks:
        np.testing.assert_array_equal(block.image, whole[block.frame])


def test_time_goes_on_and_the_fingerprint_is_of_all(segments):
    joined = opened(segments)
    assert len(joined) == len(joined.time) == sum(LENGTHS)
    np.testing.assert_allclose(np.diff(joined.time), 1 / 25, atol=1e-6)
    told = joined.fingerprint()
    assert (told["frames"], told["segments"]) == (20, 3)
    assert told["sha256"] != opened(segments[::-1]).fingerprint()["sha256"]
    assert told["bytes"] == sum(path.stat().st_size for path in segments)


def test_segments_of_two_sizes_are_refused(segments, tmp_path):
    other = encode(tmp_path / "o.mp4", frames=scene(3, 32, 48), **X264)
    with pytest.raises(VideoError, match="differ in size: 96 x 64 and 48 x 32"):
        opened([*segments, other])
