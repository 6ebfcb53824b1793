"""Pieces of tracklets that hold two animals: told by looks, and cut at the frame."""

import numpy as np
import pytest

from ethopose.track.alike import by_looks, nats, overlaps
from ethopose.track.changes import changes, moments
from ethopose.track.likeness import SPAN, Blocking, likeness
from ethopose.track.looks import Looks
from ethopose.track.pieces import Ends

NOISE = 0.5
LOOK = np.array([[3.0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]])  # of each animal


def rows_of(spans, seed=0):
    """Rows of pieces, each a list of (animal, first frame, last): in order of frames, as a video has them."""
    chance = np.random.default_rng(seed)
    columns = [
        (piece, frame, LOOK[animal] + chance.normal(0, NOISE, 4))
        for piece, parts in enumerate(spans)
        for animal, first, last in parts
        for frame in range(first, last + 1)
    ]
    piece, frame, vector = (np.array(each) for each in zip(*columns, strict=True))
    order = np.lexsort((piece, frame))
    return piece[order], frame[order], vector[order].astype(np.float32)


def looks_of(piece, frame, vector):
    """What they look like, and where each begins and ends."""
    blocking = Blocking()
    blocking(piece, frame, vector)
    blocks = blocking.blocks()
    number = piece.max() + 1
    first = np.array([frame[piece == each].min() for each in range(number)])
    last = np.array([frame[piece == each].max() for each in range(number)])
    rows = np.bincount(piece)
    nothing = np.zeros((number, 2, 2))
    ends = Ends(first, last, nothing, nothing, nothing[..., None, :], rows.astype(float), rows)
    return ends, Looks(likeness(blocks, blocking.noise(), told=None), blocks)


def cuts(found):
    return list(zip(*(each.tolist() for each in found), strict=True))


@pytest.mark.parametrize("swap", [300, 320, 333])
def test_a_swap_within_two_pieces_is_cut_where_it_is(swap):
    both = [[(0, 0, swap - 1), (1, swap, 699)], [(1, 0, swap - 1), (0, swap, 699)], [(2, 0, 699)]]
    rows = rows_of(both)
    _, looks = looks_of(*rows)
    found = changes(looks.model, looks.blocks)
    assert cuts(moments(found, looks.model, [rows])) == [(0, swap), (1, swap)]


def test_rows_without_vectors_between_two_animals_are_a_piece_of_their_own():
    rows = rows_of([[(0, 0, 299), (1, 300, 699)], [(2, 0, 699)], [(1, 0, 299), (0, 300, 699)]])
    piece, frame, vector = rows
    vector[(piece == 0) & (frame >= 295) & (frame < 306)] = np.nan
    _, looks = looks_of(*(each[np.isfinite(vector).all(1)] for each in rows))
    halves = [tuple(each[part] for each in rows) for part in (frame < 298, frame >= 298)]
    found = moments(changes(looks.model, looks.blocks), looks.model, halves)
    assert cuts(found) == [(0, 295), (0, 306), (2, 300)]


def test_the_end_of_a_piece_that_is_another_animal_is_told_by_a_piece_that_it_meets():
    spans = [[(0, 0, 400), (1, 401, 405)], [(1, 0, 395)], [(2, 0, 699)], [(0, 401, 699)], [(1, 408, 699)]]
    ends, looks = looks_of(*rows_of(spans))
    assert not changes(looks.model, looks.blocks)  # five rows are too few for that
    assert cuts(overlaps(ends, looks, 3)) == [(0, 401), (3, 406)]
    assert cuts(overlaps(ends, looks, 0)) == []


def test_looks_may_change_any_number_of_times_within_a_piece():
    blocks = 3000
    frame = np.arange(blocks * SPAN)
    vector = LOOK[frame // (2 * SPAN) % 2].astype(np.float32)
    _, looks = looks_of(*rows_of([[(0, 0, 699)], [(1, 0, 699)]]))
    gathered = Blocking()
    gathered(np.zeros(len(frame), int), frame, vector)
    found = changes(looks.model, gathered.blocks())
    assert len(found) == blocks / 2 - 1


def test_groups_are_the_animals_and_likelier_than_any_other_paths():
    spans = [[(0, 0, 99)], [(1, 0, 149)], [(2, 20, 199)], [(0, 120, 400)], [(1, 200, 420)], [(2, 230, 499)]]
    ends, looks = looks_of(*rows_of(spans))
    path = by_looks(ends, looks, 3).path
    assert (path[:3] == path[3:]).all()
    assert sorted(path[:3]) == [0, 1, 2]
    exchanged = path[[0, 1, 2, 4, 3, 5]]
    assert nats(ends, looks, path) > nats(ends, looks, exchanged) + 15
    assert by_looks(ends, looks, 4) is None
