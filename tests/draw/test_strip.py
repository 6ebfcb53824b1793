"""The strip of identities: coloured where a track is there, white where it is not, marked where unsure."""

import json

import cv2
import numpy as np
import pytest
from walkers import one_join, rows, write_result, write_video

from ethopose.core import FormatError
from ethopose.draw import PALETTE, identity_strip, render
from ethopose.draw import strip as drawing
from ethopose.draw.strip import ASIDE, UNSEEN, _picture, _presence
from joins import put_joins


def test_a_track_is_coloured_where_it_is_there_and_nowhere_else(tmp_path):
    one, two = np.delete(np.arange(100), np.arange(30, 40)), np.arange(50, 100)
    presence = _presence(write_result(tmp_path / "a.ethopose", *rows(one, two)))
    picture = _picture(presence, np.array(PALETTE[:2], np.uint8))
    assert picture.shape == (2, 100, 3)
    for row, (there, colour) in enumerate(zip((one, two), PALETTE, strict=False)):
        seen = np.isin(np.arange(100), there)
        assert (picture[row, seen] == colour).all()
        assert (picture[row, ~seen] == UNSEEN).all()


def test_several_frames_in_a_column_are_as_pale_as_the_track_is_seldom_there(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "COLUMNS", 10)
    presence = _presence(write_result(tmp_path / "a.ethopose", *rows(np.arange(25), np.arange(0, 100, 2))))
    np.testing.assert_allclose(presence.share[0], [1, 1, 0.5, *[0] * 7])
    np.testing.assert_allclose(presence.share[1], 0.5)


def test_frames_that_were_not_selected_are_neither_there_nor_not(tmp_path):
    runs = ((0, 19), (60, 79))
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(10), np.arange(60, 80)), runs=runs)
    presence = _presence(result)
    picture = _picture(presence, np.array(PALETTE[:2], np.uint8))
    assert (picture[:, 20:60] == ASIDE).all()
    assert (picture[0, 60:80] == UNSEEN).all()


def test_of_many_tracks_those_seen_most_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "MOST", 2)
    result = write_result(
        tmp_path / "a.ethopose", *rows(np.arange(50), np.arange(3), np.arange(9)), names=("a", "b", "c")
    )
    presence = _presence(result)
    assert presence.tracks.tolist() == [0, 2]
    assert presence.others == 1


def ink(path):
    picture = cv2.imread(str(identity_strip(*path))).astype(int)
    return (picture.max(2) < 60).sum()


def test_joins_are_marked_where_they_are_unsure(tmp_path):
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(100), np.arange(100)))
    plain = ink((result, tmp_path / "a.png"))
    sure, unsure = (write_result(tmp_path / f"{name}.ethopose", result.frame, result.track) for name in "bc")
    sure, unsure = put_joins(sure, one_join(0.95)), put_joins(unsure, one_join(0.85))
    assert ink((sure, tmp_path / "b.png")) == plain
    assert ink((unsure, tmp_path / "c.png")) > plain + 20


def test_what_is_damaged_is_met_before_anything_is_drawn(tmp_path):
    video = write_video(tmp_path / "clip.mp4")
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(100)), names=("one",), video=video)
    result = put_joins(result, one_join(0.8))
    (result.path / "joins.parquet").unlink()
    with pytest.raises(FormatError, match=r"joins\.parquet"):
        render(result, tmp_path / "pictures", progress=lambda *_: pytest.fail("it was drawn"))
    assert not (tmp_path / "pictures").exists()


def test_drawing_that_was_stopped_is_started_again(tmp_path):
    video = write_video(tmp_path / "clip.mp4")
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(100)), names=("one",), video=video)

    def stopped(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(result, tmp_path / "pictures", progress=stopped)
    assert not (tmp_path / "pictures").exists()
    assert render(result, tmp_path / "pictures").identities.exists()


@pytest.mark.parametrize("frames", [1, 2, 5000])
def test_any_length_is_drawn(tmp_path, frames):
    result = write_result(tmp_path / "a.ethopose", *rows(np.arange(frames)), frames=frames, names=("one",))
    picture = cv2.imread(str(identity_strip(result, tmp_path / "a.png")))[..., ::-1]
    assert (picture == PALETTE[0]).all(2).sum() > 20_000


def test_it_lies_beside_the_video_and_the_sheet_of_a_tracked_result(tmp_path, ethopose_says):
    video = write_video(tmp_path / "clip.mp4")
    result = write_result(tmp_path / "clip.tracked.ethopose", *rows(np.arange(100)), video=video)
    said = ethopose_says("render", result.path, "--json")
    told = json.loads(said.out)
    assert told["identities"] == str(tmp_path / "clip.tracked.identities.png")
    assert {"video", "sheet", "identities"} == told.keys()
    with pytest.raises(Exception, match="file of this name already"):
        render(result)
    untracked = write_result(tmp_path / "clip.ethopose", *rows(np.arange(100)), video=video, names=())
    assert render(untracked).identities is None
    assert not (tmp_path / "clip.identities.png").exists()
