"""`ethopose tracks`: what a person corrects, and nothing else."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from herds import BODY, apart, herd, write_herd
from hypothesis import given, settings
from hypothesis import strategies as st

import ethopose
from ethopose.core import FormatError, ResultError, UsageError
from ethopose.store import Joins, no_joins, read
from ethopose.track import tracks
from ethopose.track.correction import CorrectedJoins, Correction
from ethopose.track.tracks import corrected_path
from joins import put_joins

FRAMES = 150


def joined(*rows):
    """Joins of rows (track, before, after, certainty, rival)."""
    track, before, after, certainty, rival = zip(*rows, strict=True)
    nowhere = np.zeros(len(rows), np.float32)
    return Joins(
        np.array(track, np.int32),
        np.array(before),
        np.array(after),
        np.array(certainty, np.float32),
        np.array(rival, np.int32),
        nowhere,
        nowhere,
    )


def told(joins):
    """Each as (track, before, after, certainty, rival)."""
    columns = joins.track, joins.before, joins.after, joins.certainty.round(2), joins.rival
    return list(zip(*(column.tolist() for column in columns), strict=True))


def write_tracked(folder, gone=(), names=("anna", "bert", "cleo"), joins=None, **options):
    """Three animals, of which those are `gone` (animal, first, last) for a while, tracked without a fault."""
    some = herd(apart(FRAMES))
    for animal, first, last in gone:
        some = some.without((some.animal == animal) & (some.frame >= first) & (some.frame <= last))
    result = write_herd(folder, some, track=some.animal.astype(np.int32), **options)
    path = result.path / "manifest.json"
    path.write_text(path.read_text().replace('"tracks": []', f'"tracks": {list(names)}'.replace("'", '"')))
    if joins is not None:
        put_joins(result, joins)
    return read(folder)


@pytest.fixture
def source(tmp_path):
    """Anna is unseen from 50 to 59, Bert from 52 to 61, and they might have gone on as each other."""
    doubts = joined((0, 49, 60, 0.6, 1), (1, 51, 62, 0.6, 0))
    return write_tracked(tmp_path / "a.tracked.ethopose", [(0, 50, 59), (1, 52, 61)], joins=doubts)


def test_tracks_are_exchanged_from_a_frame_on(source, tmp_path):
    before = (source.path / "manifest.json").read_bytes()
    done = ethopose.tracks.swap(source, "anna", "bert", 60)
    assert done.path == tmp_path / "a.tracked.corrected.ethopose"
    assert done.finished
    late, was = source.frame >= 60, source.track
    assert np.array_equal(done.track, np.where(late & (was < 2), 1 - was, was))
    assert np.array_equal(done.xy, source.xy)
    assert (source.path / "manifest.json").read_bytes() == before
    assert done.tracks == source.tracks


def test_joins_that_a_person_decided_are_certain(source):
    done = tracks.swap(source.path, "anna", "bert", 60)
    assert told(done.joins) == [(1, 51, 60, 1.0, 0), (0, 49, 62, 1.0, 1)]
    mine = done.poses[(done.track == 1) & (done.frame == 60)]
    np.testing.assert_allclose((done.joins.x[0], done.joins.y[0]), mine.xy[0].mean(0), rtol=1e-6)


@pytest.mark.parametrize("frame", [49, 55, 60])
def test_a_join_that_a_person_confirms_is_certain_and_so_is_its_alternative(source, frame):
    done = tracks.confirm(source, "anna", frame)
    assert told(done.joins) == [(0, 49, 60, 1.0, 1), (1, 51, 62, 1.0, 0)]
    assert not done.joins.unsure.any()
    assert np.array_equal(done.track, source.track)
    assert done.manifest.settings["corrections"] == [f"confirm anna --at {frame}"]


def test_a_join_of_which_nothing_was_said_stays_as_it_is(tmp_path):
    doubts = joined((0, 20, 21, 0.6, 1), (1, 20, 21, 0.7, 0), (0, 21, 22, 0.6, 1), (1, 60, 61, 0.6, 0))
    source = write_tracked(tmp_path / "a.ethopose", joins=doubts)
    done = tracks.confirm(source, "anna", 21)  # the one that begins there
    assert [row[3] for row in told(done.joins)] == pytest.approx([0.6, 0.7, 1, 0.6])
    review = ethopose.review(done, clips=0)
    assert len(review.joins) == 3


def test_what_is_told_beside_poses_goes_along(tmp_path):
    from ethopose.store import Lists, start

    plain = write_tracked(tmp_path / "a.ethopose")
    lists = {"peaks.head.x": "px"}
    manifest = plain.manifest.model_copy(
        update={"lists": lists, "columns": {**plain.manifest.columns, "a": "1"}}
    )
    told = {}
    with start(tmp_path / "b.ethopose", manifest) as writer:
        for part in plain:
            many = np.arange(len(part.frames)) % 3
            first = told[int(part.frames.frame[0])] = Lists(many, np.arange(many.sum(), dtype=np.float32))
            extra = {"a": np.arange(len(part.poses), dtype=np.float32), "peaks.head.x": first}
            writer.write_part(part.frames, part.poses, extra)
        source = writer.finish()
    done = tracks.swap(source, "anna", "bert", 60)
    assert done.manifest.lists == lists
    for part in done:
        again, known = done.lists(part)["peaks.head.x"], told[int(part.frames.frame[0])]
        assert np.array_equal(again.length, known.length)
        assert np.array_equal(again.value, known.value)
        assert np.array_equal(part.extra["a"], np.arange(len(part.poses)))


def test_an_exchange_ends_where_it_is_to(source):
    done = tracks.swap(source, "anna", "cleo", 20, 29)
    changed = done.track != source.track
    assert set(done.frame[changed]) == set(range(20, 30))
    ends = [(track, at - 1, at, 1.0, 2 - track) for at in (20, 30) for track in (0, 2)]
    assert told(done.joins) == [*ends, *told(source.joins)]


def test_what_follows_a_cut_is_a_new_track_and_is_joined_to_nothing(source):
    done = tracks.cut(source, "anna", 55)
    assert done.tracks == ("anna", "bert", "cleo", "anna_2")
    was = (source.track == 0) & (source.frame >= 55)
    assert np.array_equal(done.track, np.where(was, 3, source.track))
    assert told(done.joins) == [(1, 51, 62, pytest.approx(0.6), 3)]
    again = tracks.cut(done, "anna", 30)
    assert again.tracks[-1] == "anna_3"
    assert again.path.name == "a.tracked.corrected-2.ethopose"
    assert tracks.cut(again, "bert", 30).path.name == "a.tracked.corrected-3.ethopose"


def test_what_was_cut_is_joined_again(source, tmp_path):
    done = tracks.join(tracks.cut(source, "anna", 55), "anna", "anna_2")
    assert done.tracks == source.tracks
    assert np.array_equal(done.track, source.track)
    assert told(done.joins)[0] == (0, 49, 60, 1.0, -1)


def test_tracks_after_the_one_that_was_joined_count_one_less(tmp_path):
    doubts = joined((2, 70, 71, 0.5, 1), (0, 89, 120, 0.5, 1))
    gone = [(1, 0, 89), (1, 120, 149), (0, 90, 119)]
    source = write_tracked(tmp_path / "a.ethopose", gone, joins=doubts)
    done = tracks.join(source, "anna", "bert")
    assert done.tracks == ("anna", "cleo")
    assert np.array_equal(done.track, np.where(source.track == 2, 1, 0))
    # what was joined over the other's frames is joined to them now
    assert told(done.joins) == [(1, 70, 71, 0.5, 0), (0, 89, 90, 1.0, -1), (0, 119, 120, 1.0, -1)]


def test_tracks_that_are_there_together_are_not_joined(source, tmp_path):
    with pytest.raises(UsageError, match=r"bert are both there in frames 0 to 49, 62 to 149;"):
        tracks.join(source, "anna", "bert")
    assert {entry.name for entry in tmp_path.iterdir()} == {source.path.name}


def test_a_new_name_is_all_that_changes(source):
    done = tracks.rename(source, "bert", "berta")
    assert done.tracks == ("anna", "berta", "cleo")
    assert np.array_equal(done.track, source.track)
    assert told(done.joins) == told(source.joins)


def test_an_individual_that_the_model_knows_goes_by_the_name(tmp_path):
    skeleton = replace(BODY, individuals=("cleo", "anna", "bert"))
    individual = np.array([1, 2, 0], np.int16)[herd(apart(FRAMES)).animal]
    source = write_tracked(tmp_path / "a.ethopose", skeleton=skeleton, individual=individual)
    assert set(source.individual[source.track == 0]) == {1}
    swapped = tracks.swap(source, "anna", "bert", 100)
    late = swapped.frame >= 100
    assert set(swapped.individual[(swapped.track == 0)]) == {1}
    assert not np.array_equal(swapped.individual[late], source.individual[late])
    assert np.array_equal(swapped.individual[~late], source.individual[~late])
    named = tracks.rename(source, "anna", "zoe", out=tmp_path / "b.ethopose")
    assert set(named.individual[named.track == 0]) == {-1}
    assert set(named.individual[named.track == 1]) == {2}


def test_every_correction_is_told(source, tmp_path):
    first = tracks.rename(source, "anna", "zoe")
    second = tracks.swap(first, "zoe", "bert", 10, 20)
    words = ["rename anna zoe", "swap zoe bert --from 10 --to 20"]
    assert second.manifest.settings["corrections"] == words
    notes = second.manifest.provenance["corrections"]
    assert [note["what"] for note in notes] == words
    assert [note["from"] for note in notes] == [str(source.path), str(first.path)]


def test_another_correction_is_another_result(source, tmp_path):
    tracks.rename(source, "anna", "zoe")
    with pytest.raises(ResultError, match=r"corrections.*to go on from it, correct that one"):
        tracks.rename(source, "anna", "ada")
    assert tracks.rename(source, "anna", "ada", overwrite=True).tracks[0] == "ada"
    with pytest.raises(UsageError, match="never changed"):
        tracks.rename(source, "anna", "ada", out=source.path, overwrite=True)


WRONG = {
    "no track is named 'zoe'; .*choose from anna, bert, cleo": lambda source: tracks.cut(source, "zoe", 3),
    "a track named bert already": lambda source: tracks.rename(source, "anna", "bert"),
    "without a letter": lambda source: tracks.rename(source, "anna", " "),
    "no frame 150; .*choose from 0 to 149": lambda source: tracks.swap(source, "anna", "bert", 150),
    "no frame -1": lambda source: tracks.swap(source, "anna", "bert", -1),
    "no frame 999": lambda source: tracks.swap(source, "anna", "bert", 1, 999),
    "no frame from 9 to 8": lambda source: tracks.swap(source, "anna", "bert", 9, 8),
    "neither anna nor bert": lambda source: tracks.swap(source, "anna", "bert", 53, 58),
    "bert cannot be exchanged with itself": lambda source: tracks.swap(source, "bert", "bert", 5),
    "bert cannot be joined to itself": lambda source: tracks.join(source, "bert", "bert"),
    "anna has no join at frame 48": lambda source: tracks.confirm(source, "anna", 48),
    "no frame 500": lambda source: tracks.confirm(source, "anna", 500),
    "nothing to cut at frame 0: anna is not there before": lambda source: tracks.cut(source, "anna", 0),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_corrected_is_told_in_one_line(source, tmp_path, message):
    with pytest.raises(UsageError, match=message) as told:
        WRONG[message](source)
    assert "\n" not in str(told.value)
    assert {entry.name for entry in tmp_path.iterdir()} == {source.path.name}


def test_a_track_that_is_gone_by_then_is_not_cut(tmp_path):
    source = write_tracked(tmp_path / "a.ethopose", [(2, 100, 149)])
    with pytest.raises(UsageError, match="cleo is not there from it on"):
        tracks.cut(source, "cleo", 100)


def test_a_result_without_tracks_or_end_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no tracks to correct"):
        tracks.cut(write_herd(tmp_path / "a.ethopose", herd(apart(20))), "anna", 3)
    source = write_tracked(tmp_path / "b.ethopose")
    path = source.path / "manifest.json"
    path.write_text(path.read_text().replace('"finished"', '"running"'))
    with pytest.raises(ResultError, match="not finished"):
        tracks.cut(source.path, "anna", 3)


def test_a_killed_correction_goes_on_and_comes_to_the_same(source, tmp_path, monkeypatch):
    whole = tracks.swap(source, "anna", "bert", 60)
    calls = []
    write_part = ethopose.store.Writer.write_part

    def killed(self, *told, **more):
        calls.append(told)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write_part(self, *told, **more)

    monkeypatch.setattr("ethopose.store.writer.Writer.write_part", killed)
    again = tmp_path / "again.ethopose"
    with pytest.raises(KeyboardInterrupt):
        tracks.swap(source, "anna", "bert", 60, out=again)
    assert not read(again).finished
    done = tracks.swap(source, "anna", "bert", 60, out=again)
    assert done.finished
    assert len(calls) == 2 + 2  # three parts, of which one was there
    assert done.manifest.provenance.keys() == whole.manifest.provenance.keys()
    for file in (*whole.path.glob("*/*.parquet"), whole.path / "joins.parquet"):
        assert file.read_bytes() == (again / file.relative_to(whole.path)).read_bytes()


def test_a_result_is_not_replaced_where_the_joins_of_the_source_are_gone(source, tmp_path):
    mine = tracks.swap(source, "anna", "bert", 60, out=tmp_path / "mine.ethopose")
    (source.path / "joins.parquet").unlink()
    with pytest.raises(FormatError, match="it is missing"):
        tracks.swap(read(source.path), "anna", "bert", 70, out=mine.path, overwrite=True)
    assert len(read(mine.path).poses) == len(mine)


@settings(deadline=None, max_examples=50)
@given(
    animals=st.lists(st.integers(-1, 2), min_size=90, max_size=90),
    borders=st.sets(st.integers(1, 29)),
    first=st.integers(0, 29),
    last=st.integers(0, 29),
    data=st.data(),
)
def test_joins_are_the_same_however_the_rows_are_parted(animals, borders, first, last, data):
    """Against a slow reference: sightings of each track, one after the other."""
    some = herd(apart(30))
    order = np.argsort(some.frame * 10 + some.animal)
    some = replace(some, frame=some.frame[order], xy=some.xy[order])
    was = np.where(np.array(animals) < 0, -1, np.tile([0, 1, 2], 30)).astype(np.int32)
    poses = replace(some.poses, track=was)
    old = [
        (track, int(before), int(after), 0.5, data.draw(st.sampled_from([-1, (track + 1) % 3])))
        for track in range(3)
        for before, after in zip(some.frame[was == track], some.frame[was == track][1:], strict=False)
        if data.draw(st.booleans())
    ]
    old.sort(key=lambda row: row[2])
    correction = Correction("", ("a", "b", "c"), np.array([1, 0, 2]), first, last)
    now = correction.of(poses.frame, poses.track)
    seen = CorrectedJoins(joined(*old) if old else no_joins(), correction)
    edges = np.searchsorted(poses.frame, [0, *sorted(borders), 30])
    for begin, end in pairwise(edges):
        seen.see(poses[begin:end], now[begin:end])

    def rival(frame, track, own):
        found = int(correction.of(np.array([frame]), np.array([track]))[0])
        return -1 if found == own else found

    known, wanted = {row[:3]: row for row in old}, []
    for own in range(3):
        rows = [(int(f), int(t)) for f, t in zip(poses.frame[now == own], was[now == own], strict=True)]
        for (before, came), (after, goes) in pairwise(rows):
            if came != goes:
                wanted.append((own, before, after, 1.0, rival(after, came, own)))
            elif (goes, before, after) in known:
                wanted.append((own, before, after, 0.5, rival(after, known[goes, before, after][4], own)))
    assert told(seen.all()) == sorted(wanted, key=lambda row: (row[2], row[0]))


def test_names_of_corrected_results_are_counted(tmp_path):
    assert corrected_path(tmp_path / "a.corrected-9.ethopose").name == "a.corrected-10.ethopose"


def test_the_commands_correct(source, ethopose_says, tmp_path):
    name = tmp_path / "a.tracked.corrected"
    lines = [
        ("swap", source.path, "anna", "bert", "--from", 60, "--to", 90),
        ("rename", f"{name}.ethopose", "anna", "zoe"),
        ("cut", f"{name}-2.ethopose", "cleo", "--at", 40),
        ("join", f"{name}-3.ethopose", "cleo", "cleo_2"),
        ("confirm", f"{name}-4.ethopose", "cleo", "--at", 40),
    ]
    for line in lines:
        said = ethopose_says("tracks", *line)
        assert (said.code, said.err) == (0, "")
    assert "swap anna bert --from 60 --to 90" in said.out
    assert read(f"{name}-5.ethopose").tracks == ("zoe", "bert", "cleo")
    assert ethopose_says("tracks", "join", source.path, "anna", "bert").code == 2
    assert ethopose_says("tracks", "shuffle", source.path).code == 2
