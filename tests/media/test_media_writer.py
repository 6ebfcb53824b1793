"""The video writer, and OpenCV as a witness of the reader."""

import cv2
import numpy as np
import pytest
from media_samples import read_all, scene

from ethopose.core import VideoError
from ethopose.media import VideoWriter, open_video


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_what_is_written_reads_back_nearly_equal_with_its_rate(tmp_path, suffix):
    frames = scene(20)
    with VideoWriter(tmp_path / f"v{suffix}", 12.5, frames.shape[1:], crf=8) as writer:
        for frame in frames:
            writer.write(frame)
    video = open_video(tmp_path / f"v{suffix}")
    images, status = read_all(video)
    assert video.fps == pytest.approx(12.5)
    assert not status.any()
    assert np.abs(images.astype(int) - frames).mean() < 4
    assert list(tmp_path.iterdir()) == [tmp_path / f"v{suffix}"]


def test_odd_sides_are_padded_to_even(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 25, (33, 47, 3)) as writer:
        writer.write(np.full((33, 47, 3), 200, np.uint8))
    images, _ = read_all(open_video(tmp_path / "v.mp4"))
    assert images.shape == (1, 34, 48, 3)
    assert images.min() > 180  # the border repeats its neighbours


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"old")
    writer = VideoWriter(path, 25, (32, 32))
    for frame in scene(100, 32, 32):  # more than the encoder holds back
        writer.write(frame)
    assert len(list(tmp_path.iterdir())) == 2
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "frame", [np.zeros((8, 8, 3), np.uint8), np.zeros((32, 32, 3)), np.zeros((32, 32), np.uint8)]
)
def test_a_frame_of_another_shape_or_type_is_refused(tmp_path, frame):
    with (
        pytest.raises(VideoError, match="wanted uint8"),
        VideoWriter(tmp_path / "v.mp4", 25, (32, 32)) as writer,
    ):
        writer.write(frame)


@pytest.mark.parametrize("name", ["missing/v.mp4", "v.unknown"])
def test_a_place_that_cannot_be_written_is_told(tmp_path, name):
    with pytest.raises(VideoError, match="cannot be written"), VideoWriter(tmp_path / name, 25, (32, 32)):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["centered_pair_small.mp4", "small_robot.mp4"])
def test_pixels_are_those_of_opencv_bit_for_bit(shared_data, name):
    path = shared_data / "sleap_nn" / "videos" / name
    capture = cv2.VideoCapture(str(path))
    video = open_video(path)
    count = 0
    for block in video.blocks(None, 32):
        for image in block.image:
            np.testing.assert_array_equal(image, capture.read()[1][..., ::-1])
            count += 1
    assert not capture.read()[0]
    assert count == len(video) == {"centered_pair_small.mp4": 1100, "small_robot.mp4": 166}[name]
    assert video.gray == (name == "centered_pair_small.mp4")
