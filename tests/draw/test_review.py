"""Joins that are unsure: listed, the most doubtful first, and shown."""

import csv
import json
import shutil

import numpy as np
import pytest
from walkers import rows, write_result, write_video

import ethopose
from ethopose.core import ResultError, UsageError, VideoError
from ethopose.media import open_video
from ethopose.store import Joins
from joins import put_joins


def joined(*told):
    """Joins of (track, before, after, certainty, rival), where the walkers are."""
    track, before, after, certainty, rival = (np.array(column) for column in zip(*told, strict=True))
    x, y = 20 + after / 2, 30.0 + 20 * track
    columns = track, before, after, certainty, rival, x, y
    return Joins(
        *(
            each.astype(dtype)
            for each, dtype in zip(columns, ("i4", "i8", "i8", "f4", "i4", "f4", "f4"), strict=True)
        )
    )


@pytest.fixture
def result(tmp_path):
    """Two tracks of 200 frames; of four joins one is sure and two are of one doubt."""
    video = write_video(tmp_path / "clip.mp4", 200)
    one = np.delete(np.arange(200), np.arange(50, 60))
    two = np.delete(np.arange(200), np.arange(55, 62))
    result = write_result(tmp_path / "clip.tracked.ethopose", *rows(one, two), frames=200, video=video)
    told = [(0, 19, 20, 0.7, -1), (0, 49, 60, 0.55, 1), (1, 54, 62, 0.55, 0), (0, 120, 121, 0.95, 1)]
    put_joins(result, joined(*told))
    return ethopose.read(result.path)


def listed(folder):
    with (folder / "joins.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_unsure_joins_are_listed_most_doubtful_first(result, tmp_path):
    review = ethopose.review(result)
    assert review.path == tmp_path / "clip.tracked.review"
    table = listed(review.path)
    assert [row["certainty"] for row in table] == ["0.550", "0.550", "0.700"]
    assert table[0] == {
        "track": "one",
        "rival": "two",
        "before": "49",
        "after": "60",
        "time": "2.400",
        "certainty": "0.550",
        "x": "50.0",
        "y": "30.0",
        "clip": "join_01.mp4",
    }
    assert table[2]["rival"] == ""


def test_what_might_be_exchanged_is_seen_in_one_clip(result):
    review = ethopose.review(result)
    assert [row["clip"] for row in listed(review.path)] == ["join_01.mp4", "join_01.mp4", "join_02.mp4"]
    assert [clip.name for clip in review.clips] == ["join_01.mp4", "join_02.mp4"]


def test_a_clip_shows_a_second_before_and_after(result):
    first, second = (open_video(clip) for clip in ethopose.review(result).clips)
    assert len(first) == (62 + 25) - (49 - 25) + 1
    assert len(second) == 20 + 25 + 1  # the video begins 19 frames before
    middle = next(second.blocks(np.array([19]), 1)).image[0].astype(int)
    assert (np.ptp(middle, axis=2) > 60).any()  # the walkers' colours on gray


def test_of_a_long_gap_its_ends_are_shown(result):
    put_joins(result, joined((0, 30, 170, 0.6, -1)))
    (clip,) = ethopose.review(ethopose.read(result.path)).clips
    assert len(open_video(clip)) == 2 * (25 + 1 + 25)


def test_so_many_clips_are_made_as_are_asked_for(result, tmp_path):
    (clip,) = ethopose.review(result, clips=1).clips
    table = listed(clip.parent)
    assert [row["clip"] for row in table] == ["join_01.mp4", "join_01.mp4", ""]
    (tmp_path / "clip.mp4").unlink()
    with pytest.raises(VideoError, match="video is not there"):
        ethopose.review(result, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert ethopose.review(result, tmp_path / "other", clips=0).clips == ()
    assert len(listed(tmp_path / "other")) == 3


def test_a_review_is_replaced_only_if_asked(result):
    folder = ethopose.review(result).path
    with pytest.raises(ResultError, match="a review already"):
        ethopose.review(result)
    ethopose.review(result, clips=1, overwrite=True)
    assert {file.name for file in folder.iterdir()} == {"joins.csv", "join_01.mp4"}


def test_a_review_stays_whole_until_the_new_one_is(result):
    folder = ethopose.review(result).path
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def stopped(*told):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ethopose.review(result, clips=1, overwrite=True, progress=stopped)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_there_is_nothing_to_review_without_tracks(tmp_path):
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(100)), names=())
    with pytest.raises(UsageError, match="no tracks to review"):
        ethopose.review(result)


def test_where_nothing_is_unsure_the_list_is_empty(result):
    put_joins(result, joined((0, 30, 31, 0.99, -1)))
    review = ethopose.review(ethopose.read(result.path))
    assert review.clips == ()
    assert listed(review.path) == []


def test_the_command_reviews_tracks_that_are_there_and_those_it_makes(result, tmp_path, ethopose_says):
    shutil.move(tmp_path / "clip.mp4", tmp_path / "moved.mp4")
    moved = tmp_path / "moved.mp4"
    said = ethopose_says("track", result.path, "--review", "--clips", 1, "--video", moved, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["result"], told["clips"]) == (str(result.path), 1)
    said = ethopose_says(
        "track", result.path, "--redo", "-o", tmp_path / "n.ethopose", "--review", "--json", "--video", moved
    )
    assert said.code == 0, said.err
    assert json.loads(said.out)["review"] == str(tmp_path / "n.review")
    assert ethopose_says("track", result.path, "--clips", 3).code == 2


@pytest.mark.parametrize(
    "asked",
    [
        ("--method", "simple"),
        ("--method", "ethopose"),
        ("--appearance", "none"),
        ("--option", "max_tracks=2"),
        ("--format", "csv"),
        ("--step", "stitch"),
        ("-n", 2),
    ],
    ids=lambda asked: asked[0],
)
def test_what_is_asked_of_tracking_is_not_dropped_for_a_review(result, ethopose_says, asked):
    """Tracks that are there are kept unless `--redo` is given, which is said."""
    before = {entry.name for entry in result.path.parent.iterdir()}
    said = ethopose_says("track", result.path, "--review", *asked)
    assert (said.code == 0) == (asked[0] == "--step")
    made = {entry.name for entry in result.path.parent.iterdir()} - before
    assert all(name.startswith("clip.tracked.tracked.") for name in made)
    assert bool(made) == (asked[0] == "--step")


def test_a_review_of_tracks_that_are_there_is_replaced(result, ethopose_says):
    for more in ((), ("--overwrite",)):
        said = ethopose_says("track", result.path, "--review", "--clips", 0, *more, "--json")
        assert said.code == 0
        assert json.loads(said.out)["result"] == str(result.path)


def test_poses_without_a_video_are_told_apart_from_lost_ones(tmp_path):
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(100)), video={"path": "", "frames": 100})
    with pytest.raises(VideoError, match="not known which video"):
        ethopose.render(result)
    assert ethopose.render(
        result, video=write_video(tmp_path / "b.mp4") and tmp_path / "b.mp4"
    ).video.exists()
