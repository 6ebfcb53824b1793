"""Videos and frames that cannot be read: listed, counted, and told by the exit code."""

import json

import pytest

import ethopose
from clips import BATCH, SIZE, write_clip, write_images
from commands import fingerprint
from ethopose.core import UsageError, VideoError

LINE = ("-b", BATCH, "--format", "none")


@pytest.fixture
def videos(tmp_path):
    """A clip, a text file that calls itself one, and a clip cut short."""
    good = write_clip(tmp_path / "good.mp4", 24)
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    cut = write_clip(tmp_path / "cut.mp4", 64)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])  # its index stood at the end
    return good, tmp_path / "text.mp4", cut


def test_videos_that_fail_are_listed_and_do_not_stop_the_rest(ethopose_says, videos, tiny):
    good, text, cut = videos
    said = ethopose_says("predict", text, good, cut, "-m", tiny("centroid"), *LINE)
    assert said.code == 3
    assert len(said.err.splitlines()) == 2
    for line, bad in zip(said.err.splitlines(), (text, cut), strict=True):
        assert line.startswith("ethopose: ")
        assert str(bad) in line
    assert "good.mp4" in said.out
    assert "24 frames" in said.out
    assert "2 of 3 videos: text.mp4, cut.mp4" in said.out
    assert (good.parent / "good.mp4.centroid.ethopose" / "manifest.json").is_file()
    assert not list(good.parent.glob("text.mp4.*"))
    assert not list(good.parent.glob("cut.mp4.*"))


def test_videos_that_all_fail_are_a_failure(ethopose_says, videos, tiny):
    _, text, cut = videos
    before = fingerprint(text.parent)
    said = ethopose_says("predict", text, cut, "-m", tiny("centroid"), *LINE)
    assert said.code == 1
    assert len(said.err.splitlines()) == 2
    assert fingerprint(text.parent) == before


def test_programs_are_told_what_became_of_each_video(ethopose_says, videos, tiny):
    good, text, cut = videos
    said = ethopose_says("predict", *videos, "-m", tiny("centroid"), *LINE, "--json")
    told = json.loads(said.out)["videos"]
    assert set(told) == {str(good), str(text), str(cut)}
    assert told[str(good)]["frames"] == 24
    assert told[str(good)]["animals"] > 24
    assert told[str(good)]["undecodable_frames"] == 0
    assert told[str(good)]["result"] == f"{good}.centroid.ethopose"
    assert "error" in told[str(text)]
    assert "error" in told[str(cut)]


def test_in_python_a_failed_video_raises_alone_and_is_reported_among_several(videos, tiny):
    good, text, _ = videos
    with pytest.raises(VideoError, match=r"text\.mp4"):
        ethopose.predict(text, tiny("centroid"), batch_size=BATCH, format="none")
    report = ethopose.predict([good, text], tiny("centroid"), batch_size=BATCH, format="none")
    assert list(report.results) == [good]
    assert isinstance(report.failures[text], VideoError)
    assert report.exit_code == 3


def test_a_video_that_is_not_there_stops_all_before_anything_is_touched(ethopose_says, videos, tiny):
    before = fingerprint(videos[0].parent)
    said = ethopose_says("predict", videos[0], "nowhere.mp4", "-m", tiny("centroid"), *LINE)
    assert said.code == 2
    assert "nowhere.mp4" in said.err
    assert fingerprint(videos[0].parent) == before


def test_frames_that_a_video_lacks_fail_it_alone_and_touch_nothing(tiny, tmp_path):
    clips = [write_clip(tmp_path / "short.mp4", 24), write_clip(tmp_path / "long.mp4", 40)]
    before = fingerprint(tmp_path)
    with pytest.raises(UsageError, match="frame 30"):
        ethopose.predict(clips[0], tiny("centroid"), frames="0-30", batch_size=BATCH)
    assert fingerprint(tmp_path) == before
    report = ethopose.predict(clips, tiny("centroid"), frames="0-30", batch_size=BATCH)
    assert "frame 30" in str(report.failures[clips[0]])
    assert len(report.results[clips[1]].frames) == 31


@pytest.fixture(scope="module")
def one_in_a_thousand(tmp_path_factory):
    """A thousand images, one of them empty."""
    return write_images(tmp_path_factory.mktemp("thousand") / "images", [SIZE] * 1000, broken=[500])


@pytest.mark.parametrize(
    ("frames", "strict", "code"),
    [("0-999", False, 0), ("0-999", True, 3), ("0-998", False, 3), ("501-999", True, 0)],
)
def test_more_than_one_lost_frame_in_a_thousand_is_a_loss_and_any_is_with_strict(
    ethopose_says, one_in_a_thousand, tiny, tmp_path, frames, strict, code
):
    line = ["predict", one_in_a_thousand, "-m", tiny(), "-o", tmp_path / "r", *LINE, "--frames", frames]
    for _ in range(2):  # the finished result says the same
        said = ethopose_says(*line, *["--strict"] * strict)
        assert said.code == code, said.err
        assert ("1 frames could not be read" in said.out) == (frames != "501-999")
    status = ethopose.read(tmp_path / "r").frames.status
    assert int(status.sum()) == int(frames != "501-999")


def test_of_several_videos_each_is_held_to_its_own_thousand(ethopose_says, one_in_a_thousand, tiny, tmp_path):
    bad = write_images(tmp_path / "bad", [SIZE] * 20, broken=[3])
    line = ["predict", one_in_a_thousand, bad, "-m", tiny(), "-o", tmp_path / "both", *LINE]
    said = ethopose_says(*line, "--json")
    told = json.loads(said.out)["videos"]
    assert {video: facts["undecodable_frames"] for video, facts in told.items()} == {
        str(one_in_a_thousand): 1,
        str(bad): 1,
    }
    assert said.code == 3
