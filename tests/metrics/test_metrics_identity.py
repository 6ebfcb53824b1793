"""Tracks against animals: what TrackEval and py-motmetrics said (tools/record_identity_metrics.py), plain
slow references, and answers that are known.
"""

import json
from dataclasses import replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from itertools import permutations
from pathlib import Path

import identity_scenes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from identity_scenes import CASES, SEEDS, Frame, drawn

from ethopose.core import DataError, Poses, Skeleton
from ethopose.metrics import (
    Identity,
    Sightings,
    box_overlap,
    closeness,
    hota,
    identity,
    join_reliability,
    keypoint_similarity,
    sightings,
)

GOLDEN = json.loads((Path(__file__).parent / "golden/identity.json").read_text())
VIDEOS = dict(identity_scenes.videos())


def as_sightings(video: list[Frame]) -> Sightings:
    """What `sightings` makes of poses, from similarities."""
    frame = np.concatenate([np.full(len(some.animals), n) for n, some in enumerate(video)])
    found_frame = np.concatenate([np.full(len(some.tracks), n) for n, some in enumerate(video)])
    animals, animal = np.unique(np.concatenate([some.animals for some in video]), return_inverse=True)
    tracks, track = np.unique(np.concatenate([some.tracks for some in video]), return_inverse=True)
    pairs = [np.empty((0, 3))]
    for n, some in enumerate(video):
        row, column = np.nonzero(some.similarity)
        place = np.searchsorted(frame, n) + row, np.searchsorted(found_frame, n) + column
        pairs.append(np.column_stack([*place, some.similarity[row, column]]))
    row, instance, similarity = np.concatenate(pairs).T
    ids = tuple(tracks.tolist())
    whole = row.astype(int), instance.astype(int)
    return Sightings(frame, animal, found_frame, track, *whole, similarity, len(animals), ids)


def is_what_the_peers_say(told: Identity, expected: dict) -> None:
    ours = told.summary()
    for names in (expected["motmetrics"], {k: expected["trackeval"][k] for k in ("idf1", "idp", "idr")}):
        theirs = {name: np.nan if value is None else value for name, value in names.items()}
        if theirs["idp"] == 0 and not told.tracks:
            theirs["idp"] = np.nan  # of nothing found TrackEval says that no share of it is right
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-9, nan_ok=True)
    for name in ("hota", "deta", "assa", "loca"):
        curve = expected["trackeval"][name]
        assert getattr(told.curve, name) == pytest.approx(np.array(curve), abs=1e-9)
        assert ours[name] == pytest.approx(np.mean(curve), abs=1e-9)


@pytest.mark.parametrize("name", VIDEOS)
def test_every_number_is_what_trackeval_and_motmetrics_say(name):
    expected = GOLDEN["random"][name]
    drawn_sum = sum(frame.similarity.sum() for frame in VIDEOS[name])
    assert drawn_sum == pytest.approx(expected["sum"]), "the peers saw other videos"
    is_what_the_peers_say(identity(as_sightings(VIDEOS[name])), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_animals_that_are_always_there_trackevals_mota_is_the_same(seed):
    expected = GOLDEN["random"][f"all there {seed}"]["trackeval"]
    told = identity(as_sightings(VIDEOS[f"all there {seed}"]))
    assert (told.mota, told.switches) == (pytest.approx(expected["mota"]), expected["switches"])


@st.composite
def any_video(draw) -> list[Frame]:
    """Few animals and frames, often alike to the last digit."""
    options = dict(draw(st.sampled_from(list(CASES.values()))))
    options |= {"frames": draw(st.integers(1, 12)), "animals": draw(st.integers(1, 4))}
    return drawn(draw(st.integers(0, 2**32)), **options)


def plain_idf1(video: list[Frame]) -> float:
    """The best of all ways to give each animal a track."""
    animals = sorted({int(a) for frame in video for a in frame.animals})
    tracks = sorted({int(t) for frame in video for t in frame.tracks})
    together = dict.fromkeys([(a, t) for a in animals for t in tracks], 0)
    for frame in video:
        for row, animal in enumerate(frame.animals):
            for column, track in enumerate(frame.tracks):
                together[int(animal), int(track)] += frame.similarity[row, column] >= 0.5
    best, few = 0, animals if len(animals) <= len(tracks) else tracks
    for chosen in permutations(tracks if few is animals else animals, len(few)):
        pairs = zip(few, chosen, strict=True)
        best = max(best, sum(together[pair if few is animals else pair[::-1]] for pair in pairs))
    total = sum(len(frame.animals) + len(frame.tracks) for frame in video)
    return 2 * best / total


@settings(deadline=None)
@given(any_video().filter(lambda video: len({int(t) for frame in video for t in frame.tracks}) < 7))
def test_idf1_is_that_of_the_best_of_all_ways_to_name_tracks(video):
    assume(sum(len(frame.animals) for frame in video))
    assert identity(as_sightings(video)).idf1 == pytest.approx(plain_idf1(video), abs=1e-12)


def plain_alignment(video: list[Frame]) -> dict[tuple[int, int], tuple[float, int]]:
    """How well animal and track go together over the video, and in how many frames either is."""
    animals = [int(a) for frame in video for a in frame.animals]
    tracks = [int(t) for frame in video for t in frame.tracks]
    likely = {(a, t): 0.0 for a in animals for t in tracks}
    for frame in video:
        for row, animal in enumerate(frame.animals):
            for column, track in enumerate(frame.tracks):
                alike = frame.similarity[row, column]
                either = frame.similarity[row].sum() + frame.similarity[:, column].sum() - alike
                likely[int(animal), int(track)] += alike / either if alike else 0
    total = {(a, t): animals.count(a) + tracks.count(t) for a, t in likely}
    return {pair: (value / (total[pair] - value), total[pair]) for pair, value in likely.items()}


def best_way(score: np.ndarray) -> list[tuple[int, int]]:
    """The rows and columns of the greatest sum, by trying all."""
    if len(score) > score.shape[1]:
        return [(row, column) for column, row in best_way(score.T)]
    ways = permutations(range(score.shape[1]), len(score))
    return list(enumerate(max(ways, key=lambda way: sum(score[pair] for pair in enumerate(way)))))


def plain_hota(video: list[Frame], threshold: float) -> tuple[float, float, float]:
    """HOTA, DetA, AssA from the paper's words, match by match."""
    aligned = plain_alignment(video)
    matches, everyone = [], 0
    for frame in video:
        everyone += len(frame.animals) + len(frame.tracks)
        weight = [[aligned[int(a), int(t)][0] for t in frame.tracks] for a in frame.animals]
        for row, column in best_way(frame.similarity * np.reshape(weight, frame.similarity.shape)):
            if frame.similarity[row, column] >= threshold - 1e-15:
                matches.append((int(frame.animals[row]), int(frame.tracks[column])))
    deta = len(matches) / (everyone - len(matches))
    shares = [matches.count(pair) / (aligned[pair][1] - matches.count(pair)) for pair in matches]
    assa = float(np.mean(shares)) if shares else 0.0
    return float(np.sqrt(deta * assa)), deta, assa


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32), st.sampled_from(["gaps", "swaps", "more tracks than animals"]), st.integers(1, 10)
)
def test_hota_is_what_the_paper_says_match_by_match(seed, case, frames):
    video = drawn(seed, **CASES[case] | {"frames": frames, "digits": 9})
    assume(sum(len(frame.animals) for frame in video))
    told = hota(as_sightings(video))
    for place in (0, 9, 14):
        expected = plain_hota(video, told.threshold[place])
        ours = (told.hota[place], told.deta[place], told.assa[place])
        assert ours == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["gaps", "swaps", "crowd", "one animal"]))
def test_other_numbers_of_tracks_change_no_figure(seed, case):
    video = drawn(seed, **CASES[case] | {"digits": 9})
    names = np.random.default_rng(seed).permutation(99)
    renamed = []
    for frame in video:
        order = np.argsort(names[frame.tracks])
        renamed.append(Frame(frame.animals, names[frame.tracks][order], frame.similarity[:, order]))
    told, same = (identity(as_sightings(some), fps=10).summary() for some in (video, renamed))
    assert same == pytest.approx(told, nan_ok=True)


def poses(frame, track, xy, **columns) -> Poses:
    xy = np.asarray(xy, np.float32)
    skeleton = Skeleton(tuple("abcdefgh"[: xy.shape[1]]))
    known = np.ones(xy.shape[:2], np.float32), np.ones(len(xy), np.float32)
    return Poses(skeleton, np.asarray(frame, np.int64), xy, *known, np.asarray(track, np.int32), **columns)


@settings(deadline=None)
@given(any_video())
def test_no_frame_is_right_and_swapped(video):
    assume(sum(len(frame.animals) for frame in video))
    told = identity(as_sightings(video))
    assert told.frames_right + told.frames_swapped <= 1 + 1e-12


def two_walkers(frames: int = 10) -> Poses:
    """Two animals 10 px long, 100 px apart."""
    frame = np.repeat(np.arange(frames), 2)
    start = np.column_stack([frame, 100.0 * (np.arange(2 * frames) % 2)])
    return poses(frame, np.arange(2 * frames) % 2, start[:, None] + [[0, 0], [10, 0]])


def test_a_swap_half_way_is_seen_as_one():
    truth = two_walkers()
    found = replace(truth, track=np.where(truth.frame < 5, truth.track, 1 - truth.track))
    told = identity(sightings(found, truth), fps=2)
    assert (told.switches, told.fragmentations, told.misses, told.false_positives) == (2, 0, 0, 0)
    assert (told.idf1, told.mota, told.motp) == (0.5, 1 - 2 / 20, 0)
    assert (told.deta, told.assa) == (1, pytest.approx(5 / 15))
    assert (told.first_swap, told.first_swap_s) == (5, 2.5)
    assert told.swaps_per_hour == 2 * 3600 / 5
    assert (told.frames_right, told.frames_swapped) == (0.5, 0.5)
    assert (told.assigned, told.mostly_tracked, told.mostly_lost) == (1, 2, 0)


def test_tracks_that_are_the_truth_are_right_in_everything():
    told = identity(sightings(two_walkers(), two_walkers()), fps=30)
    assert (told.idf1, told.hota, told.mota, told.frames_right) == (1, 1, 1, 1)
    assert (told.switches, told.swaps_per_hour, told.frames_swapped) == (0, 0, 0)
    assert np.isnan([told.first_swap, told.first_swap_s]).all()


def test_without_frames_a_second_there_is_no_time():
    truth = two_walkers()
    told = identity(sightings(replace(truth, track=truth.track[::-1].copy()), truth))
    assert np.isnan([told.first_swap_s, told.swaps_per_hour]).all()


def test_animals_without_a_track_are_missed_and_told():
    truth = two_walkers()
    found = replace(truth, track=np.where(truth.frame < 4, -1, truth.track).astype(np.int32))
    told = identity(sightings(found, truth))
    assert (told.misses, told.assigned, told.idp) == (8, 0.6, 1)
    nobody = identity(sightings(replace(truth, track=np.full(20, -1, np.int32)), truth), fps=30)
    assert (nobody.idf1, nobody.hota, nobody.mota, nobody.assigned, nobody.mostly_lost) == (0, 0, 0, 0, 2)
    assert np.isnan(identity(sightings(truth[:0], truth)).assigned)


def test_what_lies_on_a_hidden_animal_counts_neither_for_nor_against():
    truth = two_walkers()
    hidden = replace(truth, track=np.where((truth.frame < 5) & (truth.track == 1), -1, truth.track))
    told = identity(sightings(truth, hidden))
    assert (told.idf1, told.misses, told.false_positives, told.idr) == (1, 0, 0, 1)
    elsewhere = replace(truth, xy=truth.xy + np.float32([0, 50]))
    assert identity(sightings(elsewhere, hidden)).false_positives == 20


def test_individuals_are_the_identities_of_a_truth_without_tracks():
    truth = two_walkers()
    named = replace(truth, track=np.full(20, -1, np.int32), individual=truth.track.astype(np.int16))
    assert identity(sightings(truth, named)).idf1 == 1


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([closeness(30.0), keypoint_similarity(0.1), box_overlap]))
def test_the_order_of_rows_and_keypoints_changes_nothing(seed, likeness):
    chance = np.random.default_rng(seed)
    truth = two_walkers()
    xy = truth.xy + chance.normal(0, 4, truth.xy.shape).astype(np.float32)
    xy[chance.random(xy.shape[:2]) < 0.2] = np.nan
    found = replace(truth, xy=xy, track=chance.permuted(truth.track.reshape(-1, 2), axis=1).ravel())
    order = np.lexsort((chance.random(20), truth.frame))
    skeleton = Skeleton(found.skeleton.keypoints[::-1])
    other = replace(found[order], skeleton=skeleton, xy=found.xy[order][:, ::-1].copy())
    told, same = (identity(sightings(some, truth, likeness=likeness), fps=3) for some in (found, other))
    assert same.summary() == pytest.approx(told.summary(), nan_ok=True)


def test_how_many_are_compared_at_a_time_changes_nothing(monkeypatch):
    chance, truth = np.random.default_rng(3), two_walkers()
    found = replace(truth, xy=truth.xy + chance.normal(0, 3, truth.xy.shape).astype(np.float32))
    told = identity(sightings(found, truth), fps=3).summary()
    monkeypatch.setattr(import_module("ethopose.metrics.sightings"), "BLOCK", 3)
    assert identity(sightings(found, truth), fps=3).summary() == pytest.approx(told, nan_ok=True)


def test_likeness_is_what_its_name_says():
    square = np.array([[[0.0, 0.0], [10, 0], [0, 10], [10, 10]]])
    moved = square + np.array([5.0, 0])
    assert closeness(20)(square, moved).tolist() == [0.75]
    assert closeness(4)(square, moved).tolist() == [0]
    assert box_overlap(square, moved) == pytest.approx([1 / 3])
    assert box_overlap(square, square + 50).tolist() == [0]
    assert keypoint_similarity(0.1)(square, moved) == pytest.approx([np.exp(-25 / (2 * 100 * 0.2**2))])
    gone = np.where([[[True]], [[False]]], square, np.nan)
    both = np.concatenate([square, square])
    for likeness, of_half in ((closeness(20), 0), (box_overlap, 0), (keypoint_similarity(0.1), 0)):
        assert likeness(both, gone).tolist() == [1, of_half]
        assert likeness(gone, both).tolist() == [1, of_half]


def test_bad_input_gets_a_clear_line():
    truth = two_walkers()
    with pytest.raises(DataError, match="no identities"):
        sightings(truth, replace(truth, track=np.full(20, -1, np.int32)))
    with pytest.raises(DataError, match="no identities"):
        sightings(truth, replace(truth, xy=np.full_like(truth.xy, np.nan)))
    with pytest.raises(DataError, match="track 0 is in two places in frame 0"):
        sightings(replace(truth, track=np.zeros(20, np.int32)), truth)
    with pytest.raises(DataError, match="animal 0 is in two places in frame 0"):
        sightings(truth, replace(truth, track=np.zeros(20, np.int32)))
    single = poses([0, 1], [0, 0], np.zeros((2, 1, 2)))
    with pytest.raises(DataError, match="body length"):
        sightings(single, single)
    for likeness in (box_overlap, keypoint_similarity(0.1)):
        with pytest.raises(DataError, match="no extent"):
            sightings(single, single, likeness=likeness)
    assert identity(sightings(single, single, likeness=closeness(5))).idf1 == 1
    with pytest.raises(DataError, match="3 sigmas for 2 keypoints"):
        sightings(truth, truth, likeness=keypoint_similarity([0.1, 0.1, 0.1]))
    with pytest.raises(DataError, match="a sigma of 0"):
        keypoint_similarity(0)
    with pytest.raises(DataError, match="a threshold of 0"):
        sightings(truth, truth, threshold=0)
    with pytest.raises(DataError, match="0 frames a second"):
        identity(sightings(truth, truth), fps=0)
    with pytest.raises(DataError, match="compared with a truth of"):
        sightings(single, truth)


def tracklets(truth: Poses) -> Poses:
    """Tracklet 10 * animal + piece, five frames each."""
    return replace(truth, track=(10 * truth.track + truth.frame // 5).astype(np.int32))


def test_joins_are_right_where_both_tracklets_lie_on_one_animal():
    truth = two_walkers()
    scene = sightings(tracklets(truth), truth)
    joins, certainty = np.array([[0, 1], [10, 11], [0, 11], [10, 99]]), np.array([0.9, 0.8, 0.3, 0.1])
    told = join_reliability(scene, joins, certainty)
    assert told.right.tolist() == [0, 0, 1, 1]  # by rising certainty
    assert told.auroc == 1
    with pytest.raises(DataError, match="certainty from 0 to 1"):
        join_reliability(scene, joins, certainty + 0.5)
    with pytest.raises(DataError, match="certainty"):
        join_reliability(scene, joins, certainty[:3])
    nobody = sightings(truth[:0], truth)
    assert join_reliability(nobody, joins, certainty).right.tolist() == [0, 0, 0, 0]


def test_certainty_that_says_what_it_means_has_no_calibration_error():
    chance = np.random.default_rng(0)
    truth = two_walkers(2000)
    scene = sightings(replace(truth, track=(2 * truth.frame + truth.track).astype(np.int32)), truth)
    certainty = chance.random(20_000)
    first, right = chance.integers(0, 4000, 20_000), chance.random(20_000) < certainty
    second = 2 * chance.integers(0, 2000, 20_000) + np.where(right, first % 2, 1 - first % 2)
    told = join_reliability(scene, np.column_stack([first, second]), certainty)
    assert told.ece < 0.02


@pytest.fixture(scope="session")
def simulator(shared_data):
    """The shared folder's simulator, yardsticks and recorded figures."""
    folder = shared_data / "tracking"
    if not folder.is_dir():
        pytest.skip(f"no recorded tracking at {folder}")
    modules = []
    for name in ("simulate", "baseline"):
        spec = spec_from_file_location(name, folder / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        modules.append(module)
    return *modules, json.loads((folder / "results.json").read_text()), folder


SCENARIOS = sorted({name.split(".")[0] for name in GOLDEN["scenarios"]})
SCORED = {
    "IDF1": "idf1", "IDP": "idp", "IDR": "idr", "HOTA": "hota", "DetA": "deta", "AssA": "assa",
    "MOTA": "mota", "tracks": "tracks", "switches": "switches", "fragmentations": "fragmentations",
    "misses": "misses", "false_positives": "false_positives",
}  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_recorded_scenarios_have_the_recorded_figures(simulator, scenario):
    simulate, baseline, results, folder = simulator
    world = simulate.simulate(**simulate.SCENARIOS[scenario])
    digests = json.loads((folder / "DIGESTS.json").read_text())
    assert simulate.digest(world) == digests[scenario]["digest"], "another world than was recorded"
    frames, animals = world["gt_visible"].shape
    rows = np.where(world["gt_visible"], np.arange(animals), -1).ravel()
    xy = world["gt_xy"].reshape(frames * animals, -1, 2)
    truth = poses(np.repeat(np.arange(frames), animals), rows, xy)
    for method in ("bound", "slots"):
        tracks = getattr(baseline, method)(world)
        found = poses(tracks["frame"], tracks["track"], tracks["xy"])
        told = identity(sightings(found, truth, likeness=closeness(float(world["body"][0]))), fps=30)
        score = results[f"{scenario}.{method}"]["score"]
        ours = {theirs: getattr(told, name) for theirs, name in SCORED.items()}
        assert ours == pytest.approx({theirs: score[theirs] for theirs in SCORED}, abs=6e-6)
        is_what_the_peers_say(told, GOLDEN["scenarios"][f"{scenario}.{method}"])
