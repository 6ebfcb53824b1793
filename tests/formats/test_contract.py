"""What every format keeps: all that it was given, but for what it says it loses."""

from dataclasses import fields, replace
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ethopose.core import FormatError, Poses, Skeleton
from ethopose.core.poses import COLUMNS
from ethopose.formats import FORMATS, format_for, only_read
from ethopose.store import Result

NAMES = st.text("ab.,;:\"' \n\\é猫", min_size=1, max_size=6)
ALL = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
WRITTEN = [fmt for fmt in FORMATS.values() if fmt.write is not only_read]
BOTH_WAYS = pytest.mark.parametrize("fmt", WRITTEN, ids=lambda fmt: fmt.name)


def numbers(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, shape, elements=st.floats(width=32, allow_infinity=False))


@st.composite
def skeletons(draw: st.DrawFn) -> Skeleton:
    keypoints = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    pairs = [(a, b) for a in range(len(keypoints)) for b in range(len(keypoints)) if a != b]
    some = (
        st.lists(st.sampled_from(pairs), unique_by=lambda pair: tuple(sorted(pair))) if pairs else st.just([])
    )
    return Skeleton(tuple(keypoints), tuple(draw(some)), tuple(draw(some)), name=draw(NAMES))


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Poses, np.ndarray, tuple[str, ...]]:
    """Poses, the frames looked at, names of tracks. No two animals of a frame are one track."""
    skeleton, tracks = draw(skeletons()), draw(st.lists(NAMES, max_size=3, unique=True))
    frames = np.unique(draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=9)))
    animals = draw(hnp.arrays(np.int64, len(frames), elements=st.integers(0, 3)))
    frame = np.repeat(frames, animals)
    n, k = len(frame), len(skeleton.keypoints)
    xy = draw(numbers(n, k, 2))
    xy[np.isnan(xy).any(axis=2)] = np.nan  # a keypoint is found or not, in both coordinates
    poses = Poses(
        skeleton,
        frame=frame,
        xy=xy,
        confidence=draw(numbers(n, k)),
        score=draw(numbers(n)),
        track=draw_tracks(draw, animals, len(tracks)),
        individual=np.full(n, -1, np.int16),
        identity_score=draw(numbers(n)),
    )
    return poses, frames, tuple(tracks)


def draw_tracks(draw: st.DrawFn, animals: np.ndarray, n_tracks: int) -> np.ndarray:
    shuffled = [draw(st.permutations([*range(n_tracks), -1, -1, -1]))[:number] for number in animals]
    return np.array([track for frame in shuffled for track in frame], np.int32)


def in_places(poses: Poses, n_tracks: int) -> Poses:
    """As formats keep animals that have a place for each: by track, and only those of whom anything is found.

    What is negative throughout is nobody there, and confidences of animals are not negative.
    """
    found = np.isfinite(poses.xy).any(axis=2)
    confidence, told = np.where(found, np.abs(poses.confidence), np.nan), found.any(axis=1)
    followed = np.where(poses.track < 0, n_tracks, poses.track)
    order = np.lexsort((followed, poses.frame))
    return replace(poses, confidence=confidence)[order[told[order]]]


@BOTH_WAYS
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recording=recordings())
def test_a_format_reads_back_what_it_wrote(fmt, recording, make_result, tmp_path_factory):
    poses, frames, tracks = recording
    if "order" in fmt.loses:
        poses = in_places(poses, len(tracks))
    assume(tracks or "untracked" not in fmt.loses)
    kept = poses[poses.track >= 0] if "untracked" in fmt.loses else poses
    path = tmp_path_factory.mktemp("written") / f"clip{fmt.suffix}"
    fmt.write(make_result(poses, frames, tracks=tracks), path)
    file = fmt.read(path)
    for name in set(COLUMNS) - fmt.loses:
        np.testing.assert_array_equal(
            getattr(file.poses, name), getattr(kept, name), err_msg=name, strict=True
        )
    for name in {field.name for field in fields(Skeleton)} - fmt.loses:
        assert getattr(file.poses.skeleton, name) == getattr(poses.skeleton, name)
    told = {"frames": frames.tolist(), "tracks": tracks, "video": str(Path("clip.mp4").absolute())}
    for name in told.keys() - fmt.loses:
        value = getattr(file, name)
        assert (value.tolist() if isinstance(value, np.ndarray) else value) == told[name]


TRACKS = ("left", "right")


def two_mice() -> Poses:
    frame = np.repeat(np.arange(20), 2)
    rng = np.random.default_rng(0)
    xy, confidence = rng.uniform(0, 9, (40, 2, 2)), rng.random((40, 2))
    columns = {"xy": xy, "confidence": confidence, "score": rng.random(40)}
    skeleton = Skeleton(("nose", "tail"))
    track = np.tile(np.arange(2, dtype=np.int32), 20)
    single = {name: array.astype(np.float32) for name, array in columns.items()}
    return Poses(skeleton, frame=frame, track=track, **single)


@BOTH_WAYS
def test_writing_never_holds_the_whole_result(fmt, make_result, tmp_path, monkeypatch):
    result = make_result(two_mice(), tracks=TRACKS)

    def refuse(_: Result) -> None:
        raise AssertionError("a format asked for all rows at once")

    monkeypatch.setattr(Result, "poses", property(refuse))
    monkeypatch.setattr(Result, "frames", property(refuse))
    fmt.write(result, tmp_path / f"clip{fmt.suffix}")
    assert (tmp_path / f"clip{fmt.suffix}").stat().st_size > 400


@BOTH_WAYS
def test_a_writer_that_fails_leaves_the_old_file_and_no_other(fmt, make_result, tmp_path):
    result = make_result(two_mice(), tracks=TRACKS)
    part = result.path / "poses" / "00000008.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    path = tmp_path / f"clip{fmt.suffix}"
    path.write_bytes(b"old")
    with pytest.raises(FormatError, match="00000008"):
        fmt.write(result, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@ALL
@pytest.mark.parametrize("content", [b"", b"\x80\x04not this", b"a,b\n1,2\n", bytes(range(256)) * 40])
def test_a_file_of_something_else_is_refused_by_name(fmt, content, tmp_path):
    path = tmp_path / f"clip{fmt.suffix}"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=f"clip{fmt.suffix}"):
        fmt.read(path)
    with pytest.raises(FormatError, match="none"):
        fmt.read(tmp_path / "none")


@BOTH_WAYS
def test_a_file_cut_short_is_refused_or_holds_a_beginning(fmt, make_result, tmp_path):
    poses, path = two_mice(), tmp_path / f"clip{fmt.suffix}"
    fmt.write(make_result(poses, tracks=TRACKS), path)
    content = path.read_bytes()
    refused = 0
    for length in range(0, len(content) - 1, len(content) // 40):
        path.write_bytes(content[:length])
        try:
            found = fmt.read(path).poses
        except FormatError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.xy[:-1], poses.xy[: max(len(found) - 1, 0)])
    assert refused >= (2 if fmt.suffix == ".csv" else 40)


def test_a_format_is_found_by_name_or_by_suffix():
    assert format_for("a/clip.mp4.predictions.slp").name == "slp"
    assert format_for("clip.slp", "csv").name == "csv"


def test_who_names_a_video_is_told_what_finds_poses_in_it():
    with pytest.raises(FormatError, match="ethopose predict finds poses"):
        format_for(Path("clip.MP4"))


@pytest.mark.parametrize(("path", "name"), [("clip.xls", None), ("clip.slp", "xls")])
def test_an_unknown_format_is_refused_with_the_names_there_are(path, name):
    with pytest.raises(FormatError, match="csv, slp"):
        format_for(path, name)
