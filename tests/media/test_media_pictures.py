"""Pictures of labelled images, from files, videos and HDF5, in the order asked for."""

import cv2
import h5py
import numpy as np
import pytest

from clips import write_clip
from ethopose.core import Image
from ethopose.media import open_video, picture_size, pictures, read_pictures


def noise(seed, size=(24, 36)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


@pytest.fixture
def mixed(tmp_path):
    """Images in an order that jumps between files and a video, one frame twice; and what they show."""
    clip = write_clip(tmp_path / "clip.mp4", 12)
    (frames,) = open_video(clip).blocks(None, 12)
    for seed in range(2):
        cv2.imwrite(str(tmp_path / f"{seed}.png"), noise(seed)[..., ::-1])
    images = [
        Image(clip, 7),
        Image(tmp_path / "1.png"),
        Image(clip, 2),
        Image(clip, 11),
        Image(tmp_path / "0.png"),
        Image(clip, 7),
        Image(clip, 12),
        Image(tmp_path / "none.png"),
        Image(tmp_path / "none.mp4", 0),
    ]
    shown = [
        frames.image[7],
        noise(1),
        frames.image[2],
        frames.image[11],
        noise(0),
        frames.image[7],
        None,
        None,
        None,
    ]
    return images, shown


@pytest.mark.parametrize("at_once", [64, 2])
def test_pictures_come_in_the_order_asked_for(mixed, monkeypatch, at_once, caplog):
    monkeypatch.setattr(pictures, "_AT_ONCE", at_once)
    images, shown = mixed
    for found, wanted in zip(read_pictures(images), shown, strict=True):
        assert (found is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_array_equal(found, wanted)
    assert caplog.text.count("no such video") == 1


def test_each_video_is_opened_once(mixed, monkeypatch):
    opened = []
    monkeypatch.setattr(pictures, "_AT_ONCE", 2)
    monkeypatch.setattr(pictures, "open_video", lambda path: opened.append(path) or open_video(path))
    list(read_pictures(mixed[0]))
    assert len(opened) == len(set(opened)) == 2


@pytest.mark.parametrize("layout", ["ragged", "padded", "raw"])
def test_embedded_pictures_are_read_in_every_layout(tmp_path, layout):
    shown = [noise(0), noise(1)]
    encoded = [cv2.imencode(".png", image[..., ::-1])[1].ravel() for image in shown]
    with h5py.File(tmp_path / "p.slp", "w") as file:
        if layout == "ragged":
            dataset = file.create_dataset("video0/video", (2,), h5py.vlen_dtype(np.int8))
            dataset[:] = [content.astype(np.int8) for content in encoded]
        elif layout == "padded":
            rows = np.zeros((2, max(map(len, encoded))), np.int8)
            for row, content in zip(rows, encoded, strict=True):
                row[: len(content)] = content.astype(np.int8)
            dataset = file.create_dataset("video0/video", data=rows)
        else:
            dataset = file.create_dataset("video0/video", data=np.stack(shown))
        dataset.attrs["channel_order"] = "RGB"
    images = [Image(tmp_path / "p.slp", row, "video0/video") for row in (1, 0, 2)]
    one, zero, none = read_pictures(images)
    np.testing.assert_array_equal(one, shown[1])
    np.testing.assert_array_equal(zero, shown[0])
    assert none is None


def test_pictures_that_lie_outside_the_file_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["d"] = np.stack([noise(0)])
    with h5py.File(tmp_path / "p.slp", "w") as file:
        file["linked"] = h5py.ExternalLink("secret.h5", "/d")
    assert list(read_pictures([Image(tmp_path / "p.slp", 0, "linked")])) == [None]


def test_the_size_is_that_of_the_upright_picture(tmp_path):
    import PIL.Image

    picture = PIL.Image.fromarray(noise(0))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    picture.save(tmp_path / "plain.png")
    for name, size in (("turned.jpg", (36, 24)), ("plain.png", (24, 36))):
        image = Image(tmp_path / name)
        assert picture_size(image) == size == next(read_pictures([image])).shape[:2]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    assert picture_size(Image(tmp_path / "broken.png")) is None
    assert picture_size(Image(tmp_path / "none.png")) is None
