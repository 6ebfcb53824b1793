"""What the options of `ethopose render` change in a picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import walkers
from walkers import POINT, rows, write_result, write_video

import ethopose
from ethopose.core import Poses, Skeleton, UsageError, no_poses
from ethopose.draw import DETECTIONS, PALETTE, Style, overlay
from ethopose.draw import result as rendering
from ethopose.draw.detections import every_detection
from ethopose.draw.overlay import NOBODY, PAPER, track_places
from ethopose.draw.trails import Trails
from ethopose.media import open_video
from ethopose.store import FrameTable, Manifest, ModelRecord, lists_of, peak_column, start

BODY = Skeleton(("nose", "back", "tail"), edges=((0, 1), (1, 2)))


def walker(x, frame=0, track=0):
    """One animal along a row of a picture."""
    xy = np.array([[[x, 50], [x + 40, 50], [x + 80, 50]]], np.float32)
    ones = np.ones((1, 3), np.float32)
    return Poses(BODY, np.array([frame]), xy, ones, ones[:, 0], np.full(1, track, np.int32))


def dark():
    return np.zeros((100, 300, 3), np.uint8)


def test_keypoints_have_colours_of_their_own_and_edges_none():
    image = overlay(dark(), walker(20, track=1), style=Style(color_by="keypoint", labels=False))
    assert [tuple(image[50, x]) for x in (20, 60, 100)] == list(PALETTE[:3])
    assert tuple(image[50, 40]) == PAPER


def test_a_skeleton_is_left_out():
    image = overlay(dark(), walker(20, track=1), style=Style(skeleton=False, labels=False))
    assert tuple(image[50, 60]) == PALETTE[1]
    assert not image[50, 35:45].any()


def test_no_two_tracks_have_the_colour_of_one_and_who_has_none_is_grey():
    known = replace(BODY, individuals=("animal_1", "animal_2", "animal_3"))
    names = ("animal_1", "anna", "animal_3", "bert")  # as reid names them: individuals of a model, and others
    colours = []
    for track in (0, 1, 2, 3, -1):
        individual = {0: 0, 2: 2, -1: 1}.get(track, -1)
        one = replace(walker(20, track=track), skeleton=known, individual=np.full(1, individual, np.int16))
        colours.append(tuple(overlay(dark(), one, style=Style(labels=False), names=names)[50, 60]))
    assert colours == [PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[3], NOBODY]
    names = ("animal_1", "animal_2", "anna", "animal_3")  # the third track, and the third individual
    assert track_places(names, known.individuals).tolist() == [0, 1, 3, 2]
    alone = replace(walker(20, track=-1), skeleton=known, individual=np.full(1, 2, np.int16))
    assert tuple(overlay(dark(), alone, style=Style(labels=False))[50, 60]) == PALETTE[2]


def is_about(pixel, colour):
    """But for smoothed edges."""
    return np.abs(pixel.astype(int) - colour).max() < 30


def trailed(*told, seconds):
    """The last picture, of rows (time, poses) one after the other."""
    trails = Trails(seconds)
    return [trails(dark(), poses, time) for time, poses in told][-1]


def test_a_trail_follows_the_middle_of_a_track_for_so_many_seconds():
    frames = [(0.0, walker(20)), (0.5, walker(60)), (1.0, walker(100))]
    image = trailed(*frames, seconds=0.5)
    assert is_about(image[50, 120], PALETTE[0])  # from 60 + 40 to 100 + 40
    assert not image[50, :95].any()
    assert is_about(trailed(*frames, seconds=1.0)[50, 80], PALETTE[0])


def test_a_trail_is_broken_where_the_track_was_not_there():
    assert not trailed((0, walker(20)), (1, None), (2, walker(100)), seconds=9).any()
    assert not trailed((0, walker(20, track=1)), (1, walker(100)), seconds=9).any()
    assert not trailed((0, walker(20, track=-1)), (1, walker(100, track=-1)), seconds=9).any()


@pytest.fixture
def peaks(tmp_path):
    """A result without animals, whose second frame has two peaks."""
    columns = {peak_column("nose", what): "1" for what in ("x", "y", "confidence")}
    manifest = Manifest(
        skeleton=POINT,
        video=write_video(tmp_path / "clip.mp4", 3),
        model=ModelRecord(name="m", digest="1"),
        frames=((0, 2),),
        lists=columns,
    )
    frames = FrameTable(np.arange(3), np.arange(3) / 25, np.zeros(3, np.uint8), np.zeros(3, np.int32))
    told = ([], [20, 90], [50]), ([], [30, 40], [60]), ([], [0.9, 0.8], [0.7])
    lists = {
        name: lists_of([np.array(row) for row in values]) for name, values in zip(columns, told, strict=True)
    }
    with start(tmp_path / "clip.ethopose", manifest) as writer:
        writer.write_part(frames, no_poses(POINT), lists)
        return writer.finish()


def test_every_peak_is_a_detection_where_the_result_holds_them(peaks):
    (part,) = peaks
    found = every_detection(peaks, part)
    assert found.frame.tolist() == [1, 1, 2]
    assert found.xy[:, 0].tolist() == [[20, 30], [90, 40], [50, 60]]
    np.testing.assert_allclose(found.confidence[:, 0], [0.9, 0.8, 0.7])


def test_else_the_rows_are_detections(tmp_path):
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(100), np.arange(50)))
    for part in result:
        assert every_detection(result, part).xy is not None
        assert len(every_detection(result, part)) == len(part.poses)


def test_detections_are_drawn_by_the_command(peaks, ethopose_says):
    said = ethopose_says("render", peaks.path, "--detections")
    assert said.code == 0, said.err
    image = next(open_video(peaks.path.parent / "clip.labelled.mp4").blocks(np.array([1]), 1)).image[0]
    for x, y in ((20, 30), (90, 40)):
        assert np.abs(image[y, x].astype(int) - PALETTE[0]).max() < 60
    assert np.abs(image[60, 50].astype(int) - 90).max() < 10


@pytest.mark.parametrize(
    ("options", "style"),
    [
        ([], Style()),
        (["--tracks"], Style(trail=2.0)),
        (["--trail", "0.5"], Style(trail=0.5)),
        (["--tracks", "--trail", "3"], Style(trail=3.0)),
        (["--no-names", "--no-skeleton"], Style(labels=False, skeleton=False)),
        (["--color-by", "keypoint"], Style(color_by="keypoint")),
        (["--detections"], DETECTIONS),
        (["--detections", "--names", "--skeleton"], Style(color_by="keypoint")),
    ],
)
def test_options_say_how_it_looks(tmp_path, ethopose_says, monkeypatch, options, style):
    video = write_video(tmp_path / "clip.mp4", 10)
    result = write_result(tmp_path / "clip.ethopose", *rows(np.arange(10)), frames=10, video=video)
    asked = []
    monkeypatch.setattr(rendering, "render_video", lambda *told, style, **more: asked.append(style))
    said = ethopose_says("render", result.path, *options)
    assert said.code == 0, said.err
    assert asked == [style]


def test_trails_of_a_result_without_tracks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(walkers, "POINT", Skeleton(("nose",)))
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(9)), frames=9, names=())
    with pytest.raises(UsageError, match="no tracks to draw"):
        ethopose.render(result, style=Style(trail=1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ethopose"]


def test_a_labelled_video_has_trails(tmp_path):
    video = write_video(tmp_path / "clip.mp4")
    result = write_result(tmp_path / "clip.ethopose", *rows(np.arange(100)), video=video)
    plain, trailing = (
        ethopose.render(result, tmp_path / name, style=Style(trail=trail, labels=False))
        for name, trail in (("plain", 0), ("trails", 1))
    )
    last = [
        next(open_video(each.video).blocks(np.array([99]), 1)).image[0].astype(int)
        for each in (plain, trailing)
    ]
    painted = np.abs(last[1] - last[0]).max(2) > 60
    assert painted[28:33, 60:66].any()  # 12 px behind it are half a second ago
    assert not painted[:, :50].any()
    assert cv2.imread(str(trailing.sheet)) is not None
