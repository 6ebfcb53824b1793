"""Tracking in two steps: pieces without joins, then joins of the pieces that are there."""

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from herds import BODY, apart, crossing, herd, switches, write_herd

import ethopose
from ethopose.core import DataError, ResultError, UsageError
from ethopose.formats import read_poses
from ethopose.store import Joins, read
from ethopose.track import steps
from ethopose.track.result import tracked_path
from joins import put_joins

METHODS = ["ethopose", "ellipse", "box", "skeleton"]


def meeting(seed=0):
    """Two who cross, two who do not, with misses and a long gap."""
    both = np.concatenate([crossing(300), apart(300, 2) + np.array([0, 300])], 1)
    some = herd(both, seed=seed)
    gone = np.random.default_rng(seed).random(len(some.frame)) < 0.05
    return some.without(gone | ((some.animal == 3) & (some.frame >= 120) & (some.frame < 150)))


def same(one, other):
    """All that two tracked results tell, but how they came about."""
    assert one.tracks == other.tracks
    assert np.array_equal(one.track, other.track)
    assert np.array_equal(one.xy, other.xy, equal_nan=True)
    assert np.array_equal(one.identity_score, other.identity_score, equal_nan=True)
    assert np.array_equal(one.individual, other.individual)
    assert (one.path / "joins.parquet").read_bytes() == (other.path / "joins.parquet").read_bytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [0, 1])
def test_both_steps_come_to_the_same_as_one(tmp_path, method, seed):
    source = write_herd(tmp_path / "herd.ethopose", meeting(seed))
    pieces = ethopose.track(source, method=method, step="tracklets")
    assert len(pieces.tracks) > 4
    assert len(pieces.joins) == 0
    for animals in (4, 3):
        both = ethopose.track(source, tmp_path / f"both_{animals}.ethopose", method=method, animals=animals)
        out = tmp_path / f"stitched_{animals}.ethopose"
        same(ethopose.track(pieces, out, method=method, step="stitch", animals=animals), both)


def test_without_a_number_of_animals_too(tmp_path):
    source = write_herd(tmp_path / "herd.ethopose", meeting())
    pieces = ethopose.track(source, step="tracklets")
    stitched = ethopose.track(pieces, step="stitch")
    assert (pieces.path.name, stitched.path.name) == ("herd.tracklets.ethopose", "herd.tracked.ethopose")
    same(stitched, ethopose.track(source, tmp_path / "both.ethopose"))
    assert stitched.manifest.settings["track"] == {"method": "ethopose", "animals": None, "step": "stitch"}


def test_what_a_model_said_of_individuals_goes_through_both_steps(tmp_path):
    some = meeting()
    random = np.random.default_rng(1)
    skeleton = replace(BODY, individuals=("anna", "bert", "cleo", "dora"))
    said = np.where(random.random(len(some.frame)) < 0.2, random.integers(0, 4, len(some.frame)), some.animal)
    columns = {"individual": said.astype(np.int16), "identity_score": np.full(len(said), 0.8, np.float32)}
    source = write_herd(tmp_path / "herd.ethopose", some, skeleton=skeleton, **columns)
    pieces = ethopose.track(source, step="tracklets")
    assert np.array_equal(pieces.individual, said)
    stitched = ethopose.track(pieces, step="stitch", animals=4)
    assert set(stitched.tracks) == set(skeleton.individuals)
    same(stitched, ethopose.track(source, tmp_path / "both.ethopose", animals=4))


def exchanged(folder, frame=300):
    """A result of two who never meet and whose model says, from a frame on, that each is the other."""
    some = herd(apart(600, 2))
    said = np.where(some.frame < frame, some.animal, 1 - some.animal)
    columns = {"individual": said.astype(np.int16), "identity_score": np.full(len(said), 0.8, np.float32)}
    source = write_herd(folder, some, skeleton=replace(BODY, individuals=("anna", "bert")), **columns)
    return source, said


@pytest.mark.parametrize("animals", [2, None])
def test_pieces_that_hold_two_animals_are_cut_by_either_way(tmp_path, animals):
    source, said = exchanged(tmp_path / "herd.ethopose")
    pieces = ethopose.track(source, step="tracklets")
    assert len(pieces.tracks) == 2
    stitched = ethopose.track(pieces, step="stitch", animals=animals)
    assert len(stitched.joins) == 2
    assert np.array_equal(np.array(stitched.tracks)[stitched.track], np.array(["anna", "bert"])[said])
    same(stitched, ethopose.track(source, tmp_path / "both.ethopose", animals=animals))


def test_what_a_person_put_right_or_another_tool_made_is_not_cut(tmp_path):
    source, _ = exchanged(tmp_path / "herd.ethopose")
    pieces = ethopose.track(source, step="tracklets")
    corrected = ethopose.tracks.rename(pieces, pieces.tracks[0], "zoe")
    path = shutil.copytree(pieces.path, tmp_path / "others.ethopose") / "manifest.json"
    told = json.loads(path.read_text())
    del told["settings"]["track"]
    path.write_text(json.dumps(told))
    for there in (corrected, read(path.parent)):
        stitched = ethopose.track(there, tmp_path / "out.ethopose", step="stitch", animals=2, overwrite=True)
        for number in range(2):
            assert len(set(stitched.track[there.track == number])) == 1


def test_joins_of_before_are_left_where_both_sides_are_still_together(tmp_path):
    source, _ = exchanged(tmp_path / "herd.ethopose")
    pieces = ethopose.track(source, step="tracklets")
    rows = Joins(
        *(np.array(each) for each in ([0, 1, 1], [99, 295, 399], [100, 305, 400], [1.0, 1, 1], [1, -1, 0])),
        *np.zeros((2, 3), np.float32),
    )
    pieces = put_joins(pieces, rows)
    stitched = ethopose.track(pieces, step="stitch", animals=2)
    kept = stitched.joins[np.isin(stitched.joins.after, rows.after)]
    assert kept.after.tolist() == [100, 400]
    of = [
        set(stitched.track[(pieces.track == number) & (pieces.frame == frame)])
        for number, frame in ((0, 100), (1, 400))
    ]
    assert [{int(track)} for track in kept.track] == of
    assert kept.rival.tolist() == [1 - int(track) for track in kept.track]


def test_stitching_splits_nothing_and_pieces_are_those_that_a_person_made(tmp_path):
    source = write_herd(tmp_path / "herd.ethopose", meeting())
    pieces = ethopose.track(source, step="tracklets")
    begun = next(name for name in pieces.tracks if _frames(pieces, name)[-1] < 150)
    last = next(name for name in reversed(pieces.tracks) if _frames(pieces, name)[0] >= 150)
    by_hand = ethopose.tracks.join(pieces, begun, last)
    stitched = ethopose.track(by_hand, step="stitch", animals=4)
    for number in range(len(by_hand.tracks)):
        assert len(set(stitched.track[by_hand.track == number])) == 1
    own = by_hand.joins
    kept = np.isin(stitched.joins.after, own.after) & (stitched.joins.certainty == 1)
    assert kept.sum() == len(own) == 1


def _frames(result, name):
    return result.frame[result.track == result.tracks.index(name)]


def _places(result):
    there = result.track >= 0
    columns = result.frame, result.xy[:, 0, 0], result.xy[:, 0, 1], result.track
    return sorted(zip(*(column[there].tolist() for column in columns), strict=True))


def test_tracklets_of_deeplabcut_are_stitched(shared_data, tmp_path):
    name = "clipDLC_Resnet50_demoJan01shuffle1_snapshot_50"
    folder = shared_data / "dlc3" / "files" / "multi_plain_100_frames"
    (tmp_path / f"{name}_el.pickle").write_bytes((folder / f"{name}_el.pickle").read_bytes())
    told = pd.read_hdf(folder / f"{name}_el.h5")
    out = tmp_path / "stitched.ethopose"
    source = tmp_path / f"{name}_el.pickle"
    ethopose.track(source, out, step="stitch", method="ellipse", animals=3, format=["dlc"])
    ours = pd.read_hdf(tmp_path / f"{name}_el.h5")
    assert ours.columns.names == told.columns.names
    assert (
        ours.columns.get_level_values("scorer").unique() == told.columns.get_level_values("scorer").unique()
    )
    assert [*ours.columns.get_level_values("individuals").unique()] == ["ind1", "ind2", "ind3"]
    shape = (len(told), 3, -1)
    mine, theirs = ours.to_numpy()[: len(told)].reshape(shape), told.to_numpy().reshape(shape)
    order = [next(n for n in range(3) if _equal(mine[:, n], theirs[:, k])) for k in range(3)]
    assert sorted(order) == [0, 1, 2]


def _equal(one, other):
    return np.allclose(one, other, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize(
    ("method", "ending"), [("ethopose", "el"), ("ellipse", "el"), ("box", "bx"), ("skeleton", "sk")]
)
def test_deeplabcuts_files_have_its_names_and_are_read_back(tmp_path, method, ending):
    some = meeting()
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", some)
    tracked = ethopose.track(source, method=method, animals=4, format=["dlc", "csv"])
    names = [f"herdmice_{ending}.pickle", f"herdmice_{ending}.h5", "herd.mp4.mice.tracked.csv"]
    assert set(tracked.manifest.exports) == set(names)
    table = pd.read_hdf(tmp_path / names[1])
    assert table.shape == (some.frames, 4 * 4 * 3)
    assert [*table.columns.get_level_values("individuals").unique()] == ["ind1", "ind2", "ind3", "ind4"]
    for path in (tmp_path / name for name in names[:2]):
        _, file = read_poses(path)
        there = (tracked.track >= 0) & np.isfinite(tracked.xy).all(-1).any(1)
        assert file.model == "mice"
        assert sorted(zip(file.poses.frame, file.poses.track, strict=True)) == sorted(
            zip(tracked.frame[there], tracked.track[there], strict=True)
        )


def test_each_step_writes_what_deeplabcuts_own_writes(tmp_path):
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", meeting())
    pieces = ethopose.track(source, step="tracklets", format=["dlc"])
    assert [*pieces.manifest.exports] == ["herdmice_el.pickle"]
    with (tmp_path / "herdmice_el.pickle").open("rb") as file:
        told = pickle.load(file)
    assert [*told] == ["header", *range(len(pieces.tracks))]
    stitched = ethopose.track(pieces, step="stitch", animals=4, format=["dlc"])
    assert [*stitched.manifest.exports] == ["herdmice_el.h5"]


def test_a_file_in_the_way_is_not_replaced_unless_it_is_ours(tmp_path):
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", meeting())
    file = tmp_path / "herdmice_el.h5"
    file.write_text("somebody's")
    with pytest.raises(ResultError, match="not from this result"):
        ethopose.track(source, animals=4, format=["dlc"])
    assert not tracked_path(source.path).exists()
    assert file.read_text() == "somebody's"
    file.unlink()
    ethopose.track(source, animals=4)
    again = ethopose.track(source, animals=4, format=["dlc"])
    assert {"herdmice_el.h5", "herdmice_el.pickle"} == set(again.manifest.exports)
    file.unlink()
    ethopose.track(source, animals=4, format=["dlc"])
    assert file.exists()


def test_individuals_are_named_as_the_project_names_them(tmp_path):
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", meeting())
    path = source.path / "manifest.json"
    told = json.loads(path.read_text())
    told["provenance"]["deeplabcut"] = {"individuals": ["a", "b", "c", "d"], "multi_animal": True}
    path.write_text(json.dumps(told))
    for animals, names in ((4, ["a", "b", "c", "d"]), (2, ["a", "b", "c", "d"]), (6, None)):
        out = tmp_path / f"{animals}" / "x.ethopose"
        out.parent.mkdir()
        ethopose.track(source.path, out, animals=animals, format=["dlc"])
        table = pd.read_hdf(out.parent / "herdmice_el.h5")
        wanted = names or [f"ind{number}" for number in range(1, 7)]
        assert [*table.columns.get_level_values("individuals").unique()] == wanted
    renamed = ethopose.tracks.rename(tmp_path / "4" / "x.ethopose", "track_2", "zoe")
    file = ethopose.convert(renamed, tmp_path / "zoe_el.h5")
    told = pd.read_hdf(file).columns.get_level_values("individuals").unique()
    assert [*told] == ["a", "zoe", "b", "c", "d"]


WRONG = {
    "no step is named 'both'": {"step": "both"},
    "says nothing of tracklets": {"step": "tracklets", "animals": 3},
    "no tracks to stitch": {"step": "stitch"},
    "leave out --redo": {"step": "stitch", "redo": True},
    "as many tracks as it is told": {"step": "stitch", "method": "box"},
    "the method simple has no steps": {"step": "tracklets", "method": "simple"},
    "min_length is an option of the step stitch": {
        "step": "tracklets",
        "method": "ellipse",
        "options": {"min_length": "5"},
    },
    "max_age is an option of the step tracklets": {
        "step": "stitch",
        "method": "ellipse",
        "animals": 2,
        "options": {"max_age": "5"},
    },
    "weight is an option of the step stitch; fix: --animals": {
        "method": "ellipse",
        "options": {"weight": "motion"},
    },
    "no format is named 'dlx'": {"format": ["dlx"]},
}


@pytest.mark.parametrize("words", WRONG)
def test_what_makes_no_sense_is_told_in_one_line(tmp_path, words):
    source = write_herd(tmp_path / "herd.ethopose", herd(apart(20)))
    with pytest.raises(UsageError, match=words) as told:
        ethopose.track(source, **WRONG[words])
    assert "\n" not in str(told.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["herd.ethopose"]


def test_a_track_that_is_twice_in_a_frame_is_not_stitched(tmp_path):
    some = herd(apart(20))
    source = write_herd(tmp_path / "herd.ethopose", some, track=np.minimum(some.animal, 1).astype(np.int32))
    path = source.path / "manifest.json"
    path.write_text(path.read_text().replace('"tracks": []', '"tracks": ["a", "b"]'))
    with pytest.raises(DataError, match="b is there 2 times in frame 0"):
        ethopose.track(source.path, step="stitch")
    assert [entry.name for entry in tmp_path.iterdir()] == ["herd.ethopose"]


def test_the_commands_of_both_steps(tmp_path, ethopose_says):
    some = meeting()
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", some)
    said = ethopose_says("track", source.path, "--step", "tracklets")
    assert (said.code, said.err) == (0, "")
    pieces = tmp_path / "herd.mp4.mice.tracklets.ethopose"
    said = ethopose_says("track", pieces, "--step", "stitch", "-n", 4, "--format", "dlc", "--json")
    assert json.loads(said.out)["files"] == [str(tmp_path / "herdmice_el.h5")]
    stitched = read(tmp_path / "herd.mp4.mice.tracked.ethopose")
    assert switches(some, stitched.track) == 0
    assert json.loads(said.out)["without_track"] == (stitched.track < 0).sum()
    for method in ("ethopose", "ellipse"):
        words = "-n", 1, "--method", method, "-o", tmp_path / f"{method}.ethopose"
        said = ethopose_says("track", source.path, *words)
        left = (read(tmp_path / f"{method}.ethopose").track < 0).sum()
        assert left > 600
        assert f"{left:,} of {len(source):,} animals in frames have no track" in " ".join(said.out.split())
    assert ethopose_says("track", source.path, "--step", "tracklets", "--review").code == 2


def test_tracklets_that_are_stitched_again_are_not_followed_again(tmp_path, monkeypatch):
    source = write_herd(tmp_path / "herd.ethopose", meeting())
    pieces = ethopose.track(source, step="tracklets")
    assert [*pieces.manifest.extra_columns] == ["place.x", "place.y"]
    with monkeypatch.context() as patch:
        patch.setattr(steps, "associated", None)
        stitched = ethopose.track(pieces, step="stitch", animals=3)
    assert [*stitched.manifest.extra_columns] == []
    file = ethopose.convert(pieces, tmp_path / "clip_el.pickle")  # where nothing else is told
    anew = ethopose.track(file, step="stitch", animals=3)
    assert _places(anew) == _places(stitched)


def test_a_file_that_has_tracks_is_named_where_they_are_kept(tmp_path):
    source = write_herd(tmp_path / "herd.ethopose", meeting())
    file = ethopose.convert(ethopose.track(source, animals=4), tmp_path / "clip_el.pickle")
    with pytest.raises(UsageError, match="there are tracks already") as told:
        ethopose.track(file, animals=4)
    assert told.value.where == file


def test_a_track_that_is_twice_in_a_frame_is_told_of_the_file(tmp_path):
    source = write_herd(tmp_path / "herd.ethopose", herd(apart(20)), track=np.zeros(60, np.int32))
    path = source.path / "manifest.json"
    path.write_text(path.read_text().replace('"tracks": []', '"tracks": ["anna"]'))
    file = ethopose.convert(ethopose.read(source.path), tmp_path / "clip.slp")
    with pytest.raises(DataError, match="is there 3 times in frame 0") as told:
        ethopose.track(file, step="stitch", animals=2)
    assert told.value.where == file


def _all_nan(some):
    some.xy[:] = np.nan
    return some


ODD = {
    "nobody": lambda: herd(apart(40)).without(np.ones(120, bool)),
    "poses without keypoints": lambda: _all_nan(herd(apart(40))),
    "a single frame": lambda: herd(apart(1)),
    "one animal": lambda: herd(apart(40, 1)),
    "fewer animals than asked for": lambda: herd(apart(40, 2)),
    "more animals than asked for": lambda: herd(apart(40, 6)),
}


@pytest.mark.parametrize("step", [None, "tracklets"])
@pytest.mark.parametrize("name", ODD)
def test_of_an_odd_video_there_is_a_valid_result_with_its_files(tmp_path, name, step):
    some = ODD[name]()
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", some)
    how = {"animals": 4} if step is None else {"step": step}
    tracked = ethopose.track(source, format=["dlc"], **how)
    animals = len({*some.animal}) if np.isfinite(some.xy).any() else 0
    assert tracked.finished
    assert len(tracked) == len(some.frame)
    assert len(tracked.tracks) == (min(animals, 4) if step is None else animals)
    for file in tracked.manifest.exports:
        _, told = read_poses(tmp_path / file)
        assert len(told.poses) == (tracked.track >= 0).sum()
    if step:
        stitched = ethopose.track(tracked, tmp_path / "s.ethopose", step="stitch", animals=4)
        assert len(stitched.tracks) == min(animals, 4)


@pytest.mark.parametrize("name", ["nobody", "poses without keypoints"])
@pytest.mark.parametrize("method", METHODS[1:])
def test_where_nobody_is_other_methods_find_nobody(tmp_path, name, method):
    source = write_herd(tmp_path / "herd.mp4.mice.ethopose", ODD[name]())
    tracked = ethopose.track(source, method=method, animals=3)
    assert (tracked.finished, tracked.tracks) == (True, ())


def test_unique_keypoints_are_no_animals_for_other_methods_either(tmp_path):
    some = herd(apart(60))
    skeleton = replace(BODY, keypoints=(*BODY.keypoints, "a", "b", "c"), unique=("a", "b", "c"))
    xy = np.full((len(some.frame), 7, 2), np.nan, np.float32)
    lone = some.animal == 2
    xy[~lone, :4], xy[lone, 4:] = some.xy[~lone], some.xy[lone, :3]
    wide = replace(some, xy=xy, confidence=np.full(xy.shape[:2], 0.9, np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("herds.BODY", skeleton)
        source = write_herd(tmp_path / "herd.mp4.mice.ethopose", wide, skeleton=skeleton)
    tracked = ethopose.track(source, method="ellipse", animals=2, format=["dlc"])
    assert (tracked.track[lone] == -1).all()
    assert set(tracked.track[~lone]) == {0, 1}
    table = pd.read_hdf(tmp_path / "herdmice_el.h5")
    names = table.columns.droplevel([0, 3]).unique()
    assert [*names[-3:]] == [("single", "a"), ("single", "b"), ("single", "c")]
    np.testing.assert_allclose(table.to_numpy()[:, -9:-7], wide.xy[lone, 4])
