"""Names of images in a model's split file."""

import json
from pathlib import Path

import numpy as np
import pytest

from ethopose.core import FormatError, Image, Labels, Skeleton, no_poses
from ethopose.evaluate.naming import frame_number, recording, short_name
from ethopose.evaluate.splits import splits_of


def labels_of(*images: Image) -> Labels:
    return Labels(images, no_poses(Skeleton(("a",))), np.empty((0, 1), np.uint8))


@pytest.fixture
def written(tmp_path):
    def write(**names) -> Path:
        (tmp_path / "training").mkdir(exist_ok=True)
        (tmp_path / "training" / "split.json").write_text(json.dumps(names))
        return tmp_path

    return write


@pytest.mark.parametrize(
    "name", ["labeled-data/b/img2.png", "/old/place/labeled-data/b/img2.png", r"D:\p\labeled-data\b\img2.png",
             "b/img2.png"],
)  # fmt: skip
def test_an_image_is_known_by_the_end_of_its_path(written, name):
    places = ("a/img2.png", "b/img2.png", "b/img3.png")
    labels = labels_of(*(Image(Path("/new/labeled-data") / place) for place in places))
    assert splits_of(labels, [written(train=[name])])["train"].tolist() == [1]


def test_a_bare_name_is_enough_where_it_is_the_only_one(written):
    labels = labels_of(Image(Path("/x/a/img2.png")), Image(Path("/x/b/img3.png")))
    assert splits_of(labels, [written(val=["img3.png"])])["val"].tolist() == [1]
    twins = labels_of(Image(Path("/x/a/img2.png")), Image(Path("/x/b/img2.png")))
    assert splits_of(twins, [written(val=["img2.png"])]) == {}


def test_frames_of_videos_bear_their_number(written):
    labels = labels_of(*(Image(Path("/x/clip.mp4"), frame) for frame in (3, 30)))
    assert splits_of(labels, [written(test=["x/clip.mp4#30"])])["test"].tolist() == [1]


def test_a_damaged_split_file_is_named(tmp_path, written):
    written()
    (tmp_path / "training" / "split.json").write_text("[1")
    with pytest.raises(FormatError, match=r"split\.json"):
        splits_of(labels_of(), [tmp_path])


@pytest.mark.parametrize(
    ("image", "name", "video", "frame"),
    [
        (Image(Path("/p/labeled-data/day.1/img0123.png")), "day.1/img0123.png", "day.1", 123),
        (Image(Path("/p/day.1.mp4"), 7), "day.1.mp4#7", "day.1", 7),
        (Image(Path("/p/l.pkg.slp"), 2, "video0/video", "clip.mp4"), "clip.mp4#2", "clip", None),
        (Image(Path("/p/images/left.png"), video="clip.avi"), "images/left.png", "clip", None),
    ],
)
def test_an_image_has_a_name_a_recording_and_perhaps_a_frame(image, name, video, frame):
    assert (short_name(image), recording(image), frame_number(image)) == (name, video, frame)
