"""Folders of images as videos."""

import cv2
import numpy as np
from media_samples import read_all, scene, write_images

from ethopose.media import open_video


def test_images_come_in_the_natural_order_of_their_names(tmp_path):
    frames = scene(12)
    video = open_video(write_images(tmp_path / "v", frames))  # frame10 must not come before frame2
    np.testing.assert_array_equal(read_all(video)[0], frames)


def test_a_block_never_mixes_sizes(tmp_path):
    folder = write_images(tmp_path / "v", scene(6))
    cv2.imwrite(str(folder / "frame3.png"), scene(1, 20, 30)[0])
    blocks = list(open_video(folder).blocks(None, 2))
    assert [b.frame.tolist() for b in blocks] == [[0, 1], [2], [3], [4, 5]]
    assert blocks[2].image.shape == (1, 20, 30, 3)


def test_an_unreadable_image_is_a_frame_of_zeros_that_says_so(tmp_path):
    folder = write_images(tmp_path / "v", scene(4))
    (folder / "frame2.png").write_bytes(b"not a picture")
    images, status = read_all(open_video(folder))
    assert status.tolist() == [0, 0, 1, 0]
    assert images.shape == (4, 64, 96, 3)
    assert not images[2].any()


def test_sixteen_bits_alpha_and_gray_images_become_rgb_of_eight_bits(tmp_path):
    (tmp_path / "v").mkdir()
    gray = np.arange(256, dtype=np.uint16).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "v" / "a.tif"), gray * 257)
    cv2.imwrite(str(tmp_path / "v" / "b.png"), gray.astype(np.uint8))
    bgra = np.dstack([gray, gray, gray, 255 - gray]).astype(np.uint8)
    bgra[..., 0] = 7
    cv2.imwrite(str(tmp_path / "v" / "c.png"), bgra)
    cv2.imwrite(str(tmp_path / "v" / "d.png"), gray * 257)
    video = open_video(tmp_path / "v")
    images, _ = read_all(video)
    assert video.gray
    for i in (0, 1, 3):
        np.testing.assert_array_equal(images[i], np.dstack([gray] * 3))
    np.testing.assert_array_equal(images[2, ..., 0], gray)
    assert np.all(images[2, ..., 2] == 7)


def test_a_photograph_is_turned_as_its_exif_says(tmp_path):
    (tmp_path / "v").mkdir()
    image = np.zeros((16, 32, 3), np.uint8)
    image[:8] = 255
    data = cv2.imencode(".jpg", image)[1].tobytes()
    orientation = (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # 6: a quarter turn right
    )
    tagged = data[:2] + b"\xff\xe1" + (len(orientation) + 2).to_bytes(2, "big") + orientation + data[2:]
    (tmp_path / "v" / "a.jpg").write_bytes(tagged)
    images, _ = read_all(open_video(tmp_path / "v"))
    assert images.shape == (1, 32, 16, 3)
    assert images[0, :, 12:].min() > 240
    assert images[0, :, :4].max() < 15


def test_a_renamed_or_rewritten_image_changes_the_fingerprint(tmp_path):
    folder = write_images(tmp_path / "v", scene(5))
    before = open_video(folder).fingerprint()
    (folder / "frame2.png").rename(folder / "frame2b.png")
    renamed = open_video(folder).fingerprint()
    assert renamed["sha256"] != before["sha256"]
    assert renamed["bytes"] == before["bytes"]
