"""Who is who, from poses alone: what must come out where it is known."""

import math
from unittest.mock import patch

import numpy as np
import pytest
from herds import Herd, apart, crossing, herd, switches, tracked
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog

from ethopose.track import rows
from ethopose.track.assignment import assign
from ethopose.track.joins import Joins
from ethopose.track.paths import least_paths
from ethopose.track.rigid import lay

SIZES = st.integers(1, 7)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_a_matching_costs_as_little_as_scipys(rows, columns, seed):
    cost = np.random.default_rng(seed).normal(size=(rows, columns))
    found = assign(cost)
    there = np.flatnonzero(found >= 0)
    assert len(there) == len(set(found[there])) == min(rows, columns)
    assert cost[there, found[there]].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())


@settings(max_examples=40, deadline=None)
@given(st.floats(-math.pi, math.pi), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_a_pose_is_laid_on_its_image_though_a_keypoint_is_anothers(angle, odd, seed):
    random = np.random.default_rng(seed)
    pose = np.array([[30.0, 0], [18, 6], [6, -5], [-6, 5], [-18, -6], [-30, 0]])
    cos, sin = math.cos(angle), math.sin(angle)
    seen = pose @ np.array([[cos, sin], [-sin, cos]]) + (50, -20) + random.normal(0, 0.3, pose.shape)
    seen[odd] += (30, 25)
    seen[(odd + 1) % 6] = np.nan
    fit = lay(pose, seen, np.ones(6), 0.09, 3600.0, np.array([np.nan, np.nan]))
    assert fit.shared == 5
    assert (fit.x, fit.y) == pytest.approx((50, -20), abs=2)
    assert math.cos(math.atan2(fit.sin, fit.cos) - angle) > 0.99


def drawn_graph(seed: int, pieces: int) -> tuple[Joins, np.ndarray]:
    random = np.random.default_rng(seed)
    after = np.minimum(np.arange(pieces) + random.integers(1, 3, pieces), pieces)
    count = np.minimum(pieces - after, random.integers(0, 4, pieces))
    start = np.concatenate([[0], np.cumsum(count)])
    return Joins(after, start, random.normal(0, 2, start[-1])), random.normal(-1, 2, pieces)


def cost_of(joins: Joins, piece: np.ndarray, path: np.ndarray) -> float:
    total = piece[path >= 0].sum()
    for number in range(path.max() + 1):
        mine = np.flatnonzero(path == number)
        total += joins.between(mine[:-1], mine[1:]).sum()
    return float(total)


def least_cost(joins: Joins, piece: np.ndarray, animals: int) -> float:
    """By linear programming, whose solution is whole here."""
    pieces, edges = len(piece), len(joins.cost)
    one = np.repeat(np.arange(pieces), np.diff(joins.start))
    other = joins.after[one] + np.arange(edges) - joins.start[one]
    cost = np.concatenate([piece, joins.cost, np.zeros(pieces)])  # pieces, joins, entries
    equal = np.zeros((pieces, len(cost)))  # what takes a piece comes by a join or enters
    leaves = np.zeros((pieces, len(cost)))  # at most what takes it goes on
    equal[np.arange(pieces), np.arange(pieces)] = 1
    equal[np.arange(pieces), pieces + edges + np.arange(pieces)] = -1
    leaves[np.arange(pieces), np.arange(pieces)] = -1
    for number in range(edges):
        equal[other[number], pieces + number] = -1
        leaves[one[number], pieces + number] = 1
    enters = np.concatenate([np.zeros(pieces + edges), np.ones(pieces)])[None]
    return linprog(
        cost, np.concatenate([leaves, enters]), [*np.zeros(pieces), animals], equal, np.zeros(pieces), (0, 1)
    ).fun


@settings(max_examples=120, deadline=None)
@given(st.integers(1, 14), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_no_disjoint_paths_cost_less(pieces, animals, seed):
    joins, piece = drawn_graph(seed, pieces)
    path = least_paths(joins, piece, animals)
    assert path.max(initial=-1) < animals
    assert cost_of(joins, piece, path) == pytest.approx(least_cost(joins, piece, animals), abs=1e-6)


def test_animals_that_never_meet_keep_their_tracks_through_misses():
    some = herd(apart(600), seed=1)
    gone = np.random.default_rng(2).random(len(some.frame)) < 0.1
    some = some.without(gone)
    track, sure, _ = tracked(some, 3)
    assert switches(some, track) == 0
    assert (track >= 0).all()
    assert (sure > 0.9).mean() > 0.95


def test_animals_that_cross_go_on_as_they_were():
    some = herd(crossing())
    track, _, _ = tracked(some, 2)
    assert switches(some, track) == 0


def test_unknown_numbers_of_animals_are_found():
    some = herd(apart(400, animals=4))
    track, _, _ = tracked(some, None)
    assert track.max() == 3
    assert switches(some, track) == 0


EDGES = st.lists(st.integers(1, 299), max_size=6).map(sorted)


@settings(max_examples=15, deadline=None)
@given(EDGES, st.booleans())
def test_borders_of_parts_leave_no_trace(edges, looks):
    both = np.concatenate([apart(300, 2), crossing(300) + np.array([0, 60])], 1)
    some = herd(both, dimensions=4, seed=3)
    whole, sure, _ = tracked(some, 4, looks=looks)
    with patch.object(rows, "CHUNK", 50):  # else all frames are one
        again, sure_again, _ = tracked(some, 4, looks=looks, parts=edges)
    assert np.array_equal(whole, again)
    assert np.array_equal(sure, sure_again, equal_nan=True)


def vanishing(dimensions: int) -> Herd:
    """Two animals that go out of sight for 100 frames every 300, and come back in each other's place."""
    paths = [apart(200, 2, seed) for seed in range(8)]
    swapped = [path[:, ::-1] if number % 2 else path for number, path in enumerate(paths)]
    path = np.concatenate([np.concatenate([each, np.repeat(each[-1:], 100, 0)]) for each in swapped])
    some = herd(path, dimensions=dimensions, seed=6)
    return some.without(some.frame % 300 >= 200)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 2399), max_size=6).map(sorted))
def test_borders_leave_no_trace_where_pieces_are_cut_by_looks_and_joined(edges):
    some = vanishing(16)
    mean = [some.vector[some.animal == animal].mean(0) for animal in (0, 1)]
    exchanged = (some.frame >= 1270) & (some.frame < 1340)  # in the midst of two tracklets
    some.vector[exchanged] += np.stack([mean[1] - mean[0], mean[0] - mean[1]])[some.animal[exchanged]]
    whole, sure, known = tracked(some, 2, looks=True)
    assert {1270, 1340} <= set(known.cuts.frame.tolist()) - set(known.learned.cuts.frame.tolist())
    assert len(known.links.one) >= 14
    with patch.object(rows, "CHUNK", 64):
        again, sure_again, _ = tracked(some, 2, looks=True, parts=edges)
    assert np.array_equal(whole, again)
    assert np.array_equal(sure, sure_again, equal_nan=True)


def test_looks_tell_animals_that_come_back_elsewhere():
    some = vanishing(16)
    track, _, known = tracked(some, 2, looks=True)
    assert known.told > 0.95
    assert switches(some, track) == 0
    blind, _, _ = tracked(some, 2)
    assert switches(some, blind) > 0


def test_looks_that_say_nothing_are_not_used():
    some = vanishing(16)
    noise = np.random.default_rng(7).normal(size=some.vector.shape).astype(np.float32)
    blank = Herd(some.frame, some.xy, some.confidence, noise, some.animal, some.frames)
    track, _, known = tracked(blank, 2, looks=True)
    assert np.isnan(known.told)
    assert np.array_equal(track, tracked(some, 2)[0])


def test_a_swap_within_a_tracklet_is_cut_where_looks_change():
    """Two animals meet so that each takes the other's way: poses alone cannot tell."""
    some = herd(apart(600, 2), dimensions=8, seed=8)
    late = some.frame >= 300
    vector = some.vector.copy()
    for frame in range(300, 600):
        rows = np.flatnonzero(some.frame == frame)
        vector[rows] = vector[rows[::-1]]
    animal = np.where(late, 1 - some.animal, some.animal)
    some = Herd(some.frame, some.xy, some.confidence, vector, animal, some.frames)
    assert switches(some, tracked(some, 2)[0]) == 2
    track, _, _ = tracked(some, 2, looks=True)
    wrong = sum((np.bincount(track[some.animal == who], minlength=2)).min() for who in (0, 1))
    assert wrong < 2 * 2 * 32  # within a block of the place


def test_where_nobody_is_there_are_no_looks():
    nobody = herd(apart(20, 2), dimensions=3).without(np.ones(40, bool))
    assert tracked(nobody, 2, looks=True)[2].tracks == 0


def test_a_join_that_nothing_tells_is_unsure():
    """Two animals meet from the left and the right, hide, and leave upwards and downwards."""
    near = np.linspace(300, 20, 100)
    come = np.stack(
        [np.stack([400 - near, 0 * near + 300], -1), np.stack([400 + near, 0 * near + 300], -1)], 1
    )
    rest = np.repeat(come[-1:], 30, 0)
    away, still = near[::-1], 0 * near + 400
    go = np.stack([np.stack([still, 300 - away], -1), np.stack([still, 300 + away], -1)], 1)
    some = herd(np.concatenate([come, rest, go]), noise=0.5, seed=9)
    some = some.without((some.frame >= 100) & (some.frame < 130))
    _, sure, known = tracked(some, 2)
    assert known.links.certainty.min() < 0.7
    assert np.nanmin(sure) == known.links.certainty.min()


@pytest.mark.parametrize(
    "some",
    [
        herd(apart(1)),
        herd(apart(300, 1)),
        herd(apart(300)).without(np.ones(900, bool)),
        herd(apart(300)).without((herd(apart(300)).frame > 5) & (herd(apart(300)).frame < 290)),
    ],
    ids=["a single frame", "one animal", "nobody", "gaps"],
)
def test_odd_videos_are_tracked(some):
    track, sure, _ = tracked(some, 3)
    assert len(track) == len(some.frame) == len(sure)
    assert switches(some, track) == 0 if len(track) else True


def test_poses_without_keypoints_have_no_track():
    some = herd(apart(100))
    empty = np.arange(len(some.frame)) % 7 == 0
    some.xy[empty] = np.nan
    track, sure, _ = tracked(some, 3)
    assert (track[empty] == -1).all()
    assert np.isnan(sure[empty]).all()
    assert (track[~empty] >= 0).all()


def test_no_more_than_the_animals_asked_for_are_tracked_and_the_best_are():
    some = herd(apart(300, 4))
    ghost = some.animal == 3
    some.confidence[ghost] = 0.2
    track, _, _ = tracked(some, 3)
    assert set(track[~ghost]) == {0, 1, 2}
    assert (track[ghost] == -1).all()


def test_a_gap_of_hours_is_a_gap():
    some = herd(apart(400, 2))
    late = np.where(some.frame >= 200, some.frame + 1_000_000, some.frame)
    some = Herd(late, some.xy, some.confidence, some.vector, some.animal, 1_000_400)
    track, _, _ = tracked(some, 2)
    assert (track >= 0).all()
    assert set(track) == {0, 1}
