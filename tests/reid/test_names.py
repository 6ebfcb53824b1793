"""`ethopose reid train|apply`: the same animals carry the same names in other videos."""

import json
import shutil

import numpy as np
import pytest
from rendered import found, write_found

import ethopose
from ethopose import reid
from ethopose.core import ModelError, ResultError, UsageError, VideoError
from ethopose.reid import learning
from ethopose.testing import World
from ethopose.track import tracks


@pytest.fixture(scope="module")
def monday(coats, tmp_path_factory):
    """A tracked result in which a person gave two names."""
    return tracked(coats, tmp_path_factory.mktemp("monday"))


@pytest.fixture(scope="module")
def tuesday(tmp_path_factory):
    """The same animals on another day: other ways, another floor."""
    folder = tmp_path_factory.mktemp("tuesday")
    world = World(animals=4, frames=300, alike=False, seed=7)
    return tracked((world, world.write(folder / "tuesday.mp4")), folder)


def tracked(both, folder):
    """As tracking would have it, in an order of its own; and which animal each track is."""
    world, video = both
    poses, animal = found(world)
    source = write_found(folder / "found.ethopose", world, video, poses=poses)
    result = ethopose.track(source, animals=4)
    who = [int(np.bincount(animal[result.track == number]).argmax()) for number in range(4)]
    assert sorted(who) == [0, 1, 2, 3]
    return result, who


def few(patch):
    """What these animals look like is learned fast."""
    patch.setattr(learning, "STEPS", 60)
    patch.setattr(learning, "CHECKS", 4)


@pytest.fixture(scope="module")
def model(monday, tuesday, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "cage7"
    result, who = monday
    named = result
    for animal, name in ((0, "anna"), (2, "cleo")):
        named = tracks.rename(named, result.tracks[who.index(animal)], name)
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        known = reid.train([named], folder)
    assert known.told_apart > 0.9
    assert {"anna", "cleo"} < set(known.names)
    assert len(known.names) == 4
    return folder


def test_animals_are_found_again_in_another_video(tuesday, model, tmp_path):
    result, who = tuesday
    done = reid.apply(result, model, tmp_path / "named.ethopose")
    names = done.result.tracks
    assert names[who.index(0)] == "anna"
    assert names[who.index(2)] == "cleo"
    assert all(sure > 0.9 for _, sure in done.names.values())
    assert np.array_equal(done.result.track, result.track)
    noted = done.result.manifest.provenance["corrections"][-1]["told"]
    assert noted[result.tracks[who.index(0)]]["name"] == "anna"


def test_results_that_are_learned_together_carry_the_same_names(monday, tuesday, tmp_path):
    known = reid.train([monday[0], tuesday[0]], tmp_path / "cage7")
    assert known.names == ("animal_1", "animal_2", "animal_3", "animal_4")
    own = [
        reid.apply(result, known.path, tmp_path / f"{day}.ethopose").result.tracks
        for day, (result, _) in enumerate((monday, tuesday))
    ]
    for animal in range(4):
        assert own[0][monday[1].index(animal)] == own[1][tuesday[1].index(animal)]


def test_more_animals_than_any_video_has_tracks_are_told_of(monday, tmp_path, monkeypatch, caplog):
    few(monkeypatch)
    world = World(animals=6, frames=200, alike=False, seed=9)
    poses, animal = found(world)
    video = world.write(tmp_path / "two.mp4")
    source = write_found(tmp_path / "two.ethopose", world, video, poses=poses[np.flatnonzero(animal >= 4)])
    known = reid.train([monday[0], ethopose.track(source, animals=2)], tmp_path / "cage7")
    assert len(known.names) > 4
    assert f"{len(known.names)} animals, and no video has more than 4 tracks" in caplog.text


def test_one_who_is_not_known_keeps_the_name_of_the_track(coats, tuesday, model, tmp_path):
    """Of six coats two are not in the gallery."""
    world = World(animals=6, frames=200, alike=False, seed=9)
    poses, animal = found(world)
    rows = np.flatnonzero(animal >= 4)
    source = write_found(
        tmp_path / "others.ethopose", world, world.write(tmp_path / "others.mp4"), poses=poses[rows]
    )
    result = ethopose.track(source, animals=2)
    done = reid.apply(result, model)
    assert set(done.result.tracks) == {"track_1", "track_2"}
    assert done.result.path.name == "others.tracked.named.ethopose"


def test_a_model_of_other_keypoints_is_refused(coats, model, tmp_path):
    world = World(animals=4, frames=60, keypoints=9, alike=False)
    source = write_found(tmp_path / "nine.ethopose", world, coats[1])
    result = ethopose.track(source, animals=4)
    with pytest.raises(ModelError, match="made for the keypoints"):
        reid.apply(result, model)


def test_a_result_without_tracks_and_a_folder_that_is_no_model_are_refused(source, monday, tmp_path):
    with pytest.raises(UsageError, match="no tracks"):
        reid.train([source], tmp_path / "model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"looks\.yaml"):
        reid.apply(monday[0], tmp_path / "empty")


def test_a_model_is_not_written_over_unasked(monday, model):
    with pytest.raises(UsageError, match="--overwrite"):
        reid.train([monday[0]], model)


def test_a_model_that_was_trained_anew_under_its_name_gives_another_result(tuesday, model, tmp_path):
    result, who = tuesday
    same = shutil.copytree(model, tmp_path / model.name)
    done = reid.apply(result, model, tmp_path / "named.ethopose")
    assert reid.apply(result, same, tmp_path / "named.ethopose").result.tracks == done.result.tracks
    gallery = same / "gallery.json"
    gallery.write_text(gallery.read_text().replace('"anna"', '"bert"'))
    with pytest.raises(ResultError, match=r"another one.*--overwrite"):
        reid.apply(result, same, tmp_path / "named.ethopose")
    anew = reid.apply(result, same, tmp_path / "named.ethopose", overwrite=True)
    assert anew.result.tracks[who.index(0)] == "bert"


def test_videos_that_were_moved_are_told_of_and_found_where_they_lie(
    coats, tmp_path, monkeypatch, ethopose_says
):
    world, video = coats
    there = [shutil.copy(video, tmp_path / f"{name}.mp4") for name in ("one", "two")]
    both = [tracked((world, each), tmp_path / each.stem)[0] for each in there]
    moved = [each.rename(tmp_path / f"moved-{each.name}") for each in there]
    looked = []
    monkeypatch.setattr(
        "ethopose.reid.naming.lesson_from", lambda sight, *_: looked.append(sight.video().path)
    )
    with pytest.raises(VideoError, match=r"one\.mp4; .*--video"):
        reid.train(both, tmp_path / "cage7")
    with pytest.raises(UsageError, match="1 videos for 2 results"):
        reid.train(both, tmp_path / "cage7", videos=moved[:1])
    with pytest.raises(VideoError, match=r"two\.mp4; .*--video"):
        reid.train(both, tmp_path / "cage7", videos=[moved[0], there[1]])
    assert not looked  # hours of one video are not gone through before the next is found missing

    def enough(*_):
        raise ModelError("seen enough")

    monkeypatch.setattr(learning, "learn", enough)
    told = [word for each in moved for word in ("--video", each)]
    said = ethopose_says("reid", "train", *(each.path for each in both), *told, "-o", tmp_path / "cage7")
    assert "seen enough" in said.err
    assert looked == moved


def test_a_result_that_is_named_twice_is_refused(monday, tmp_path):
    with pytest.raises(UsageError, match="named twice"):
        reid.train([monday[0], monday[0].path], tmp_path / "cage7")
    assert not (tmp_path / "cage7").exists()


def test_a_video_that_nothing_looks_at_is_refused(monday, tmp_path):
    with pytest.raises(UsageError, match="nothing looks at the video"):
        reid.train([monday[0]], tmp_path / "cage7", appearance="keypoints", videos=["moved.mp4"])


def test_the_commands_say_who_is_who(tuesday, model, tmp_path, ethopose_says):
    said = ethopose_says(
        "reid", "apply", tuesday[0].path, "-m", model, "-o", tmp_path / "named.ethopose", "--json"
    )
    assert said.code == 0
    told = json.loads(said.out)[0]
    assert {each["name"] for each in told["names"].values()} >= {"anna", "cleo"}
    assert told["unsure"] == []
    said = ethopose_says("reid", "apply", tuesday[0].path, "-m", model, "-o", tmp_path / "named.ethopose")
    assert all(f"{each['name']} ({each['certainty']:.0%})" in said.out for each in told["names"].values())
