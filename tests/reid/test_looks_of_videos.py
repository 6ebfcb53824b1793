"""`ethopose track --appearance`: looks learned from the video itself keep identities."""

import json
import shutil

import numpy as np
import pytest
from rendered import found, idf1, write_found

import ethopose
from ethopose.core import UsageError, VideoError
from ethopose.reid import appearance, learning
from ethopose.store import read
from ethopose.testing import World

ONE, OTHER = "whole.ethopose", "again.ethopose"


def bytes_of(result):
    files = [*result.path.glob("poses/*"), *result.path.glob("features/*"), result.path / "joins.parquet"]
    return {str(file.relative_to(result.path)): file.read_bytes() for file in files}


def test_crops_keep_identities_where_ways_cross_unseen(source, animal, tmp_path):
    without = ethopose.track(source, tmp_path / "without.ethopose", animals=4)
    tracked = ethopose.track(source, animals=4, appearance="crop")
    assert idf1(animal, without.track) < 0.7
    assert idf1(animal, tracked.track) > 0.95
    noted = tracked.manifest.provenance["tracked"]
    assert noted["told_apart"] > 0.95
    assert noted["appearance"]["triplets"] > 0.95
    assert noted["appearance"]["used"]
    assert tracked.manifest.features == {"looks": 16}
    vectors = np.concatenate([tracked.features(part)["looks"] for part in tracked]).astype(float)
    seen = np.isfinite(vectors).all(1)
    assert 0.5 < seen.mean() < 1  # not those with another animal upon them
    mean = np.stack([vectors[seen & (animal == who)].mean(0) for who in range(4)])
    nearest = np.square(vectors[seen][:, None] - mean).sum(-1).argmin(1)
    assert (nearest == animal[seen]).mean() > 0.97
    kept = {file.name for file in (tracked.path / "appearance").iterdir()}
    assert kept == {"looks.yaml", "weights.safetensors", "curves.png", "metrics.csv", "learned.json"}


def test_tracklets_are_stitched_by_their_looks(source, animal, tmp_path):
    pieces = ethopose.track(source, step="tracklets")
    plain = ethopose.track(pieces, tmp_path / "plain.ethopose", step="stitch", animals=4)
    seen = ethopose.track(pieces, tmp_path / "seen.ethopose", step="stitch", animals=4, appearance="crop")
    assert idf1(animal, plain.track) < 0.7
    assert idf1(animal, seen.track) > 0.95


def test_a_killed_run_goes_on_and_comes_to_the_same(source, tmp_path, monkeypatch):
    whole = ethopose.track(source, tmp_path / ONE, animals=4, appearance="crop")
    embedded, calls = appearance.embedded, []

    def killed(*told):
        calls.append(told)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embedded(*told)

    monkeypatch.setattr(appearance, "embedded", killed)
    with pytest.raises(KeyboardInterrupt):
        ethopose.track(source, tmp_path / OTHER, animals=4, appearance="crop")
    monkeypatch.setattr(appearance, "embedded", embedded)
    monkeypatch.setattr(learning, "learn", None)  # it is not trained again
    again = ethopose.track(source, tmp_path / OTHER, animals=4, appearance="crop")
    assert bytes_of(again) == bytes_of(whole)  # the other network was trained on its own: equal too


def test_look_alikes_are_told_as_such_and_looks_are_not_used(tmp_path, ethopose_says):
    world = World(animals=3, frames=300, size=(128, 160), seed=3)
    video = world.write(tmp_path / "alike.mp4")
    source = write_found(tmp_path / "alike.ethopose", world, video)
    said = ethopose_says("track", source.path, "-n", 3, "--appearance", "crop")
    assert said.code == 0
    assert "not used" in said.out
    tracked = read(tmp_path / "alike.tracked.ethopose")
    noted = tracked.manifest.provenance["tracked"]
    assert not noted["appearance"]["used"]
    assert np.isnan(np.concatenate([tracked.features(part)["looks"] for part in tracked])).all()
    plain = ethopose.track(source, tmp_path / "plain.ethopose", animals=3)
    assert np.array_equal(tracked.track, plain.track)


@pytest.mark.parametrize("animals", [0, 1])
def test_nobody_and_one_animal_are_tracked_without_looks(coats, tmp_path, animals):
    world, video = coats
    poses, who = found(world)
    poses = poses[np.flatnonzero(who < animals)]
    source = write_found(tmp_path / "few.ethopose", world, video, poses=poses)
    if not animals:
        with pytest.raises(UsageError, match="no pose has two keypoints"):
            ethopose.track(source, animals=1, appearance="crop")
        assert not (tmp_path / "few.tracked.ethopose").exists()
        return
    tracked = ethopose.track(source, animals=1, appearance="crop")
    assert tracked.manifest.provenance["tracked"]["told_apart"] is None
    assert (tracked.track == 0).mean() > 0.99


def test_frames_without_animals_are_passed_over(coats, tmp_path):
    world, video = coats
    poses, _ = found(world)
    poses = poses[np.flatnonzero((poses.frame < 100) | (poses.frame >= 300))]  # whole parts are empty
    source = write_found(tmp_path / "gap.ethopose", world, video, poses=poses, part_frames=64)
    tracked = ethopose.track(source, animals=4, appearance="crop")
    assert tracked.finished
    assert len(tracked.track) == len(poses)


def test_a_video_that_was_moved_is_asked_for(coats, tmp_path):
    world, video = coats
    source = write_found(tmp_path / "moved.ethopose", world, video)
    path = source.path / "manifest.json"
    told = json.loads(path.read_text())
    told["video"]["path"] = str(tmp_path / "gone.mp4")
    path.write_text(json.dumps(told))
    with pytest.raises(VideoError, match="--video"):
        ethopose.track(source.path, animals=4, appearance="crop")
    assert not (tmp_path / "moved.tracked.ethopose").exists()
    assert ethopose.track(source.path, animals=4, appearance="crop", video=video).finished


def features(poses, animal, size=8):
    """As a network may see keypoints: the animal shows in each, with noise; what is missing is NaN."""
    chance = np.random.default_rng(0)
    own = chance.normal(0, 1, (animal.max() + 1, 1, size))
    told = own[animal] + chance.normal(0, 0.8, (len(animal), poses.xy.shape[1], size))
    told[~np.isfinite(poses.xy).all(-1)] = np.nan
    return {"keypoints": told.reshape(len(animal), -1).astype(np.float16)}


def test_vectors_of_keypoints_are_used_where_they_are_kept(coats, tmp_path):
    world, _ = coats
    poses, animal = found(world, hut=30.0)
    kept = features(poses, animal)
    source = write_found(tmp_path / "kept.ethopose", world, None, poses=poses, features=kept)
    tracked = ethopose.track(source, animals=4)
    assert tracked.manifest.settings["track"]["appearance"] == "keypoints"
    assert tracked.manifest.provenance["tracked"]["told_apart"] > 0.9
    assert idf1(animal, tracked.track) > 0.95
    assert tracked.manifest.features == {"keypoints": kept["keypoints"].shape[1], "looks": 16}
    none = ethopose.track(source, tmp_path / "none.ethopose", animals=4, appearance="none")
    assert "told_apart" not in none.manifest.provenance["tracked"]


def test_both_are_looked_at_together(coats, source, animal, tmp_path):
    world, video = coats
    poses, _ = found(world, hut=30.0)
    shutil.rmtree(source.path)
    both = write_found(source.path, world, video, poses=poses, features=features(poses, animal))
    tracked = ethopose.track(both, animals=4, appearance="both")
    assert idf1(animal, tracked.track) > 0.95


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"appearance": "smell"}, "no appearance 'smell'"),
        ({"appearance": "keypoints"}, "no vectors of the keypoints"),
        ({"appearance": "crop", "method": "ellipse"}, "knows no appearance"),
        ({"video": "coats.mp4"}, "nothing looks at the video"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(source, asked, told):
    with pytest.raises(UsageError, match=told):
        ethopose.track(source, animals=4, **asked)
    assert not (source.path.parent / "coats.mp4.mice.tracked.ethopose").exists()
