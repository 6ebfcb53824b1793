"""Damaged, cut and foreign files: nothing moves to another index, and one clear line says what is wrong."""

import random
import shutil
from itertools import pairwise

import av
import numpy as np
import pytest
from media_samples import N, encode, read_all, scene, write_images

from clips import write_clip
from ethopose.core import UsageError, VideoError
from ethopose.media import find_videos, open_video

X264 = {"codec": "libx264", "preset": "veryfast", "g": 12, "bf": 3}


def packet_places(path):
    with av.open(str(path)) as container:
        return [packet.pos for packet in container.demux(video=0) if packet.size]


def damaged(path, target, seed):
    """A copy in which packets 16 to 19 have suffered; in Matroska, which has no index, not their heads."""
    data, noise = bytearray(path.read_bytes()), random.Random(seed)
    places = packet_places(path)
    spared = 16 if path.suffix == ".mkv" else 0
    for start, stop in pairwise(places[16:21]):
        for place in range(start + spared, stop - spared):
            if noise.random() < 0.05:
                data[place] = noise.randrange(256)
    target.write_bytes(data)
    return target


def nearest_frame(images, whole):
    """Which original frame each image looks most like."""
    small = whole[:, ::4, ::4].astype(int)
    return np.array([np.abs(small - image[::4, ::4]).mean(axis=(1, 2, 3)).argmin() for image in images])


@pytest.mark.parametrize("kind", ["mp4", "fragmented mp4", "mkv", "avi, mjpeg", "avi, h264 with B-frames"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threads", [1, 2])
def test_frames_behind_a_damaged_stretch_keep_their_index(tmp_path, videos, kind, seed, threads):
    whole, _ = read_all(open_video(videos(kind)))
    path = damaged(videos(kind), tmp_path / f"v{videos(kind).suffix}", seed)
    video = open_video(path, threads=threads)
    images, status = read_all(video)
    assert len(video) == N
    assert 0 < sum(not np.array_equal(a, b) for a, b in zip(images, whole, strict=True)) < 30
    np.testing.assert_array_equal(images[40:], whole[40:])
    np.testing.assert_array_equal(images[:12], whole[:12])
    assert not images[status == 1].any()


def test_a_lost_chunk_of_an_avi_is_a_lost_frame_and_not_a_shorter_video(tmp_path, videos):
    data = videos("avi, mjpeg").read_bytes()
    head = packet_places(videos("avi, mjpeg"))[20] - 8
    (tmp_path / "v.avi").write_bytes(data[:head] + b"\xff" * 16 + data[head + 16 :])
    whole, _ = read_all(open_video(videos("avi, mjpeg")))
    images, status = read_all(open_video(tmp_path / "v.avi"))
    assert np.flatnonzero(status).tolist() == [20]
    np.testing.assert_array_equal(np.delete(images, 20, 0), np.delete(whole, 20, 0))


@pytest.mark.parametrize("kind", ["mkv", "avi"])
def test_a_file_cut_short_has_the_frames_that_its_head_tells_of(tmp_path, kind):
    path = write_clip(tmp_path / f"whole.{kind}", 120)
    content = path.read_bytes()
    assert len(open_video(path)) == 120
    path.write_bytes(content[: int(0.6 * len(content))])
    video = open_video(path)
    status = np.concatenate([block.status for block in video.blocks(None, 16)])
    assert len(video) == len(video.time) == len(status) == 120
    (came,) = np.nonzero(status == 0)
    assert 60 < len(came) < 75
    np.testing.assert_array_equal(came, np.arange(len(came)))


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_a_file_cut_short_tells_which_of_its_announced_frames_are_missing(tmp_path, share):
    path = encode(tmp_path / "v.mp4", frames=scene(), movflags="faststart", **X264)
    whole, _ = read_all(open_video(path))
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    video = open_video(tmp_path / "cut.mp4")
    images, status = read_all(video)
    good = status == 0
    assert len(video) == N
    assert 0 < good.sum() < N
    assert not good[-1]
    assert sum(not np.array_equal(a, b) for a, b in zip(images[good], whole[good], strict=True)) <= 3
    assert np.all(np.abs(nearest_frame(images[good], whole) - np.flatnonzero(good)) <= 1)
    np.testing.assert_allclose(video.time, np.arange(N) / 25, atol=1e-3)


def test_a_recording_killed_midway_gives_what_is_there_and_says_so(tmp_path):
    long = encode(tmp_path / "long.mkv", frames=scene(150), **X264)
    data = long.read_bytes()
    (tmp_path / "v.mkv").write_bytes(data[: len(data) // 4])
    whole, _ = read_all(open_video(long))
    video = open_video(tmp_path / "v.mkv")
    images, status = read_all(video)
    there = int((status == 0).sum())
    assert len(video) == 150
    assert 10 < there < 75
    assert not status[:there].any()
    np.testing.assert_array_equal(images[: there - 4], whole[: there - 4])


def test_an_error_of_the_decoder_costs_one_frame(videos, monkeypatch):
    from ethopose.media import decoder

    whole, _ = read_all(open_video(videos("avi, mjpeg")))
    video = open_video(videos("avi, mjpeg"))
    real = decoder.packets

    def poisoned(container, stream):
        for i, packet in enumerate(real(container, stream)):
            if i == 5:
                packet = av.Packet(b"nothing of a picture")
            yield packet

    monkeypatch.setattr(decoder, "packets", poisoned)
    images, status = read_all(video)
    assert np.flatnonzero(status).tolist() == [5]
    assert not images[5].any()
    np.testing.assert_array_equal(np.delete(images, 5, 0), np.delete(whole, 5, 0))


def audio_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def no_frames(path):
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuvj420p"
        container.start_encoding()


def undecodable(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuvj420p"
        container.start_encoding()
        for i in range(3):
            packet = av.Packet(b"nothing of a picture")
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, stream.time_base
            container.mux(packet)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such video"),
        (lambda path: path.write_bytes(b""), "not a video"),
        (lambda path: path.write_text("frame,x,y\n" * 100), "not a video"),
        (lambda path: path.write_bytes(random.Random(0).randbytes(20_000)), "not a video"),
        (lambda path: path.mkdir(), "no images"),
        (
            lambda path: write_images(path, scene(1)).joinpath("frame0.png").write_bytes(b"no"),
            "none of the images",
        ),
        (audio_only, "no video stream"),
        (no_frames, "no frames"),
        (undecodable, "none of its frames"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line_with_a_way_out(tmp_path, make, says):
    path = tmp_path / "v.avi"
    if make is audio_only:
        path = tmp_path / "v.mp4"
    make(path)
    with pytest.raises(VideoError, match=says) as caught:
        open_video(path)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    assert caught.value.where == path


def test_a_codec_without_a_decoder_is_refused_with_a_command_that_helps(tmp_path, videos):
    data = videos("avi, mjpeg").read_bytes()
    (tmp_path / "v.avi").write_bytes(data.replace(b"MJPG", b"QQ0Q"))
    with pytest.raises(VideoError, match="ffmpeg -i"):
        open_video(tmp_path / "v.avi")


def test_folders_expand_to_their_videos_and_folders_of_images_stay(tmp_path, videos):
    for name in ("b.MP4", "a.avi", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    images = write_images(tmp_path / "images", scene(2))
    single = tmp_path / "a.avi"
    found = find_videos([single, tmp_path, str(images)])
    assert found == [single, tmp_path / "b.MP4", images]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_paths_without_videos_are_refused(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises((UsageError, VideoError)) as caught:
        find_videos([tmp_path / "x"])
    assert caught.value.fix
    with pytest.raises(VideoError):
        find_videos([])


def test_a_name_with_a_colon_is_a_file_and_not_an_address(tmp_path, videos):
    path = tmp_path / "http:clip.mp4"
    shutil.copy(videos("mp4"), path)
    assert len(open_video(path)) == N
