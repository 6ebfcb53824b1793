"""Tracklets as DeepLabCut keeps them: written as it writes them, and stitched by it where it is at hand."""

import pickle

import numpy as np
import pytest
from dlc_files import recorded

from ethopose.core import Poses, ResultError, Skeleton
from ethopose.formats import FORMATS
from ethopose.formats.careful_pickle import unpickle

CASES = pytest.mark.parametrize(
    ("case", "ending"), [("multi_unique_identity", "_el"), ("topdown_box_tracker", "_bx")]
)


@pytest.fixture
def written_again(shared_data, make_result, tmp_path):
    """Reads the tracklets of a case and writes them: its file, ours."""

    def write(case, ending):
        source = recorded(shared_data / "dlc3" / "files" / case, f"{ending}.pickle")
        file = FORMATS["dlc-tracklets"].read(source)
        model = {"name": source.name.removeprefix("clip").removesuffix(f"{ending}.pickle"), "digest": "d"}
        result = make_result(file.poses, np.arange(120), tracks=file.tracks, model=model)
        FORMATS["dlc-tracklets"].write(result, tmp_path / f"clip{ending}.pickle")
        return source, tmp_path / f"clip{ending}.pickle"

    return write


@CASES
def test_tracklets_are_written_as_they_were_read(written_again, case, ending):
    source, path = written_again(case, ending)
    ours, theirs = pickle.loads(path.read_bytes()), unpickle(source.read_bytes())
    levels = theirs.pop("header").args[1]["levels"]
    header = ours.pop("header")
    assert header.names == ["scorer", "bodyparts", "coords"]
    assert set(header.get_level_values("scorer")) == set(levels[0].args[1]["data"])
    assert set(header.get_level_values("bodyparts")) == set(levels[1].args[1]["data"])
    for frame, pose in theirs.pop("single", {}).items():
        np.testing.assert_array_equal(ours["single"][frame], pose[:, :3])
    ours.pop("single", None)
    for number, tracklet in enumerate(theirs.values()):
        assert [int(name[5:]) for name in ours[number]] == [int(name[5:]) for name in tracklet]
        for mine, other in zip(ours[number].values(), tracklet.values(), strict=True):
            assert mine.dtype == np.float64
            np.testing.assert_allclose(mine[:, :3], other[:, :3], rtol=1e-6)
            np.testing.assert_array_equal(mine[:, 3], -1)


def walk(skeleton: Skeleton) -> Poses:
    """Three frames of one animal, then three of another."""
    n, k = 6, len(skeleton.keypoints)
    ones = np.ones((n, k, 2), np.float32)
    track = np.repeat(np.arange(2, dtype=np.int32), 3)
    return Poses(skeleton, np.arange(n), ones, ones[..., 0], ones[:, 0, 0], track)


def test_keypoints_that_look_like_individuals_vote_for_them(make_result, tmp_path):
    names = ("nose", "lamp", "tail")
    poses = walk(Skeleton(names, individuals=("ann", "bob"), unique=("lamp",)))
    path = tmp_path / "clip_el.pickle"
    late = poses.frame / 5
    looks = {"nose.ann": 1 - late, "nose.bob": late, "tail.ann": late, "tail.bob": 1 - late}
    extra = {name: likeness.astype(np.float32) for name, likeness in looks.items()}
    FORMATS["dlc-tracklets"].write(make_result(poses, extra=extra, tracks=("a", "b")), path)
    told = pickle.loads(path.read_bytes())
    votes = [pose[:, 3].tolist() for number in (0, 1) for pose in told[number].values()]
    assert votes == [[0, 1]] * 3 + [[1, 0]] * 3
    assert list(told[1]) == ["frame3", "frame4", "frame5"]
    assert list(told["header"].get_level_values("bodyparts").unique()) == ["nose", "tail", "lamp"]


def test_a_result_without_tracks_is_refused_and_nothing_written(make_result, tmp_path):
    with pytest.raises(ResultError, match="no tracks"):
        FORMATS["dlc-tracklets"].write(make_result(walk(Skeleton(("nose",)))), tmp_path / "clip_el.pickle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["frame07", 7])
def test_poses_that_were_predicted_and_frames_that_are_numbers_are_read(make_result, tmp_path, key):
    path = tmp_path / "clip_sk.pickle"
    FORMATS["dlc-tracklets"].write(make_result(walk(Skeleton(("nose", "tail"))), tracks=("a", "b")), path)
    told = pickle.loads(path.read_bytes())
    told[0][key] = np.array([3.0, 4, 1, 5, 6, 1])
    path.write_bytes(pickle.dumps(told))
    found = FORMATS["dlc-tracklets"].read(path).poses
    assert found.frame.tolist() == [*range(6), 7]
    assert found.xy[6].tolist() == [[3, 4], [5, 6]]
    assert found.confidence[6].tolist() == [1, 1]
