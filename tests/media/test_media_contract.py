"""What every kind of video must do."""

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import MAKERS, N, encode, read_all, scene

from ethopose.core import VideoError
from ethopose.media import open_video

X264 = {"codec": "libx264", "preset": "veryfast"}


def decoded_plainly(path):
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def test_a_video_has_one_row_for_each_frame_and_gives_what_plain_decoding_gives(any_video):
    video = open_video(any_video)
    images, status = read_all(video)
    expected = scene(len(video)) if any_video.is_dir() else decoded_plainly(any_video)
    assert len(video) == len(video.time) == len(expected)
    np.testing.assert_array_equal(images, expected)
    assert not status.any()


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanted=st.sets(st.integers(0, N - 1), min_size=1), size=st.integers(1, 20), gray=st.booleans())
def test_any_frames_asked_for_are_those_of_reading_it_whole(kind, videos, wanted, size, gray):
    video = open_video(videos(kind))
    wanted = np.array(sorted(frame for frame in wanted if frame < len(video)), np.int64)
    whole, _ = read_all(video)
    blocks = list(video.blocks(wanted, size, gray=gray))
    assert [len(b) for b in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert np.array_equal(np.concatenate([b.frame for b in blocks] or [wanted]), wanted)
    for block in blocks:
        assert not block.status.any()
        np.testing.assert_array_equal(block.image, whole[block.frame][..., : 1 if gray else 3])


def test_two_threads_give_the_frames_of_one(any_video):
    one, _ = read_all(open_video(any_video))
    two, _ = read_all(open_video(any_video, threads=2))
    np.testing.assert_array_equal(two, one)


def test_several_readers_of_one_video_do_not_disturb_each_other(any_video):
    video = open_video(any_video)
    whole, _ = read_all(video)
    for a, b in zip(video.blocks(None, 1), video.blocks(None, 1), strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.image[0], whole[a.frame[0]])


def test_neighbouring_frames_differ_so_that_a_shift_would_show(any_video):
    images, _ = read_all(open_video(any_video))
    assert all(not np.array_equal(a, b) for a, b in pairwise(images))


def test_the_shape_the_rate_and_the_times_are_told(any_video):
    video = open_video(any_video)
    assert video.shape == (64, 96, 3)
    assert video.fps == pytest.approx(1 if any_video.is_dir() else 25)
    np.testing.assert_allclose(video.time, np.arange(len(video)) / video.fps, atol=1e-3)


def test_gray_video_is_known_by_its_first_frame(videos):
    assert open_video(videos("mov, gray")).gray
    assert not open_video(videos("mp4")).gray


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_frames_are_set_upright_as_the_container_asks(tmp_path, rotation, turns):
    lying = encode(tmp_path / "a.mp4", frames=scene(3), **X264)
    turned = encode(tmp_path / "b.mp4", frames=scene(3), rotation=rotation, **X264)
    video = open_video(turned)
    images, _ = read_all(video)
    assert video.shape == images.shape[1:]
    np.testing.assert_array_equal(images, np.rot90(decoded_plainly(lying), turns, axes=(1, 2)))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_of_a_variable_frame_rate_are_the_containers(tmp_path, suffix):
    times = np.cumsum(np.random.default_rng(0).integers(10, 200, 20))
    path = encode(tmp_path / f"v{suffix}", frames=scene(20), times_ms=times.tolist(), **X264, bf=2)
    np.testing.assert_allclose(open_video(path).time, (times - times[0]) / 1000, atol=2e-3)


@pytest.mark.parametrize("side", [(63, 97), (64, 95), (1, 1)])
def test_odd_sizes_are_kept(tmp_path, side):
    path = encode(tmp_path / "v.mkv", "ffv1", scene(3, *side), fmt="bgr0")
    images, _ = read_all(open_video(path))
    np.testing.assert_array_equal(images, scene(3, *side))


def test_a_frame_that_an_edit_list_hides_is_not_counted(tmp_path, videos):
    path = tmp_path / "cut.mp4"
    with av.open(str(videos("mp4, one key frame"))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        start = 20 * 512
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts - start, packet.dts - start, stream
                target.mux(packet)
    shown = decoded_plainly(path)
    video = open_video(path)
    images, status = read_all(video)
    assert len(video) == len(shown) < N
    assert not status.any()
    np.testing.assert_array_equal(images, shown)
    np.testing.assert_array_equal(read_all(video, np.array([5, 9]))[0], shown[[5, 9]])


def test_reading_on_after_a_jump_does_not_seek_again(videos, monkeypatch):
    from ethopose.media.decoder import Decoder

    jumps = []
    go_to = Decoder._go_to
    monkeypatch.setattr(Decoder, "_go_to", lambda self, packet: (jumps.append(packet), go_to(self, packet)))
    read_all(open_video(videos("mp4")), np.arange(30, 48))
    assert jumps == [24]


def test_a_long_jump_seeks_to_the_right_frame(tmp_path):
    path = encode(tmp_path / "v.mp4", frames=scene(200), **X264, g=10, bf=2)
    whole = decoded_plainly(path)
    images, _ = read_all(open_video(path), np.array([3, 150, 151, 199]))
    np.testing.assert_array_equal(images, whole[[3, 150, 151, 199]])


def test_a_container_that_seeks_too_far_costs_time_and_not_frames(tmp_path):
    path = encode(tmp_path / "v.mp4", frames=scene(200), **X264, g=10, bf=2)
    video = open_video(path)
    whole, _ = read_all(video)
    video._index = replace(video._index, seek=video._index.seek + 30 * 512)
    np.testing.assert_array_equal(read_all(video, np.array([120]))[0], whole[[120]])


@pytest.mark.parametrize("wanted", [[-1, 3], [0, N], [3, 2], [2, 2]])
def test_frames_out_of_reach_or_order_are_refused(any_video, wanted):
    with pytest.raises(VideoError):
        list(open_video(any_video).blocks(np.array(wanted), 4))


def test_a_fingerprint_changes_with_the_content_and_not_with_the_time_of_the_file(tmp_path, videos):
    path = tmp_path / "v.mp4"
    path.write_bytes(videos("mp4").read_bytes())
    before = open_video(path).fingerprint()
    path.touch()
    assert open_video(path).fingerprint() == before
    assert before["frames"] == N
    assert before["path"] == str(path)
    encode(path, frames=scene(colour=False), **X264)
    assert open_video(path).fingerprint()["sha256"] != before["sha256"]
