"""Where peaks are found, in every runtime: planted ones, and those of a slow, plain search."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_stages import CENTROID, FEW, KINDS, RUNTIMES, STRIDE, UNREFINED, decode

HEIGHT, WIDTH = 24, 32
few_examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
rows, columns = st.integers(3, HEIGHT - 4), st.integers(3, WIDTH - 4)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=RUNTIMES)
def peaks(request, compiled_once):
    """Peaks of one map by a stage, as rows of (x, y, value) in cells, and the value of the next one."""

    def find(cells: np.ndarray, stage=UNREFINED, *, wide: bool = False) -> tuple[np.ndarray, float]:
        batch = np.zeros((2, 1, HEIGHT, WIDTH), np.float32)
        batch[1, 0] = cells
        found = decode(compiled_once(stage, request.param), [batch], wide=wide)
        value = found["value"][1, 0]
        table = np.column_stack((found["xy"][1, 0] / STRIDE, value))
        return table[value > -np.inf], float(found["next_value"][1, 0])

    return find


def above(table: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    return table[table[:, 2] > threshold]


@given(row=rows, column=columns, value=st.floats(0.25, 2, width=32))
@few_examples
def test_a_planted_peak_is_found_where_it_was_planted(peaks, row, column, value):
    cells = np.zeros((HEIGHT, WIDTH))
    cells[row, column] = value
    for stage in (UNREFINED, CENTROID):
        found, _ = peaks(cells, stage)
        assert above(found).tolist() == [[column, row, value]]


@given(row=st.integers(0, HEIGHT - 1), column=st.integers(0, WIDTH - 1))
@few_examples
def test_a_peak_at_the_border_is_a_peak(peaks, row, column):
    cells = np.zeros((HEIGHT, WIDTH))
    cells[row, column] = 1
    assert above(peaks(cells)[0]).tolist() == [[column, row, 1]]


@given(x=st.floats(3, WIDTH - 4, width=32), y=st.floats(3, HEIGHT - 4, width=32), height=st.floats(0.9, 1.5))
@few_examples
def test_refinement_finds_the_place_between_cells(peaks, x, y, height):
    left, top = int(x), int(y)
    cells = np.zeros((HEIGHT, WIDTH))
    share = np.outer((1 - (y - top), y - top), (1 - (x - left), x - left))
    cells[top : top + 2, left : left + 2] = height * share
    found = above(peaks(cells, CENTROID)[0])
    assert len(found) == 1
    np.testing.assert_allclose(found[0, :2], (x, y), atol=1e-4)


@given(seed=seeds)
@few_examples
def test_flipping_a_map_flips_its_peaks(peaks, seed):
    cells = np.random.default_rng(seed).permutation(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) / (HEIGHT * WIDTH)
    found = {tuple(peak) for peak in peaks(cells)[0].tolist()}
    assert len(found) > 20
    mirrored = {(WIDTH - 1 - x, y, value) for x, y, value in peaks(cells[:, ::-1])[0].tolist()}
    upturned = {(x, HEIGHT - 1 - y, value) for x, y, value in peaks(cells[::-1])[0].tolist()}
    assert mirrored == upturned == found


@given(seed=seeds, factor=st.sampled_from([0.25, 0.5, 2.0, 8.0]))
@few_examples
def test_a_brighter_map_has_brighter_peaks_in_the_same_places(peaks, seed, factor):
    cells = np.random.default_rng(seed).uniform(0.1, 1, (HEIGHT, WIDTH)).astype(np.float32)
    for stage in (UNREFINED, CENTROID):
        once, scaled = peaks(cells, stage)[0], peaks(factor * cells, stage)[0]
        np.testing.assert_allclose(scaled[:, :2], once[:, :2], atol=1e-4)
        np.testing.assert_array_equal(scaled[:, 2], (factor * once[:, 2]).astype(np.float32))


@given(seed=seeds, levels=st.integers(2, 12))
@few_examples
def test_flat_tops_count_once_or_not_at_all_as_a_plain_search_finds_them(peaks, seed, levels):
    chance = np.random.default_rng(seed)
    cells = chance.integers(0, levels, (HEIGHT, WIDTH)).astype(float)
    cells[chance.integers(0, 20) :, chance.integers(0, 28) :] = 0  # also flat ground
    assert rounded(peaks(cells)[0]) == plain_search(cells)


@pytest.mark.parametrize(
    ("top", "wanted"),
    [
        ([(5, 5), (5, 6)], [[5.5, 5.0]]),
        ([(5, 5), (6, 5)], [[5.0, 5.5]]),
        ([(5, 5), (6, 6)], [[5.5, 5.5]]),
        ([(5, 6), (6, 5)], [[5.5, 5.5]]),
        ([(5, 5), (5, 6), (6, 5)], [[16 / 3, 16 / 3]]),
        ([(5, 5), (5, 6), (6, 5), (6, 6)], [[5.5, 5.5]]),
        ([(5, 5), (5, 6), (5, 7)], []),
        ([(5, 5), (6, 4), (6, 6)], []),
        ([(5, 5), (6, 6), (7, 7)], []),
    ],
)
def test_a_flat_top_is_a_peak_if_it_fits_into_four_cells(peaks, top, wanted):
    cells = np.zeros((HEIGHT, WIDTH))
    for row, column in top:
        cells[row, column] = 1
    np.testing.assert_allclose(above(peaks(cells)[0])[:, :2], np.reshape(wanted, (-1, 2)), rtol=1e-6)


@given(places=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 15)), min_size=1, max_size=9), seed=seeds)
@few_examples
def test_of_too_many_peaks_the_strongest_are_kept_and_the_next_is_told(peaks, places, seed):
    chance = np.random.default_rng(seed)
    heights = chance.permutation(np.linspace(0.3, 1, len(places))).astype(np.float32)
    cells = np.zeros((HEIGHT, WIDTH), np.float32)
    for (row, column), height in zip(sorted(places), heights, strict=True):
        cells[2 * row, 2 * column] = height
    found, next_value = peaks(cells, FEW)
    ranked = np.sort(heights)[::-1]
    assert sorted(above(found)[:, 2], reverse=True) == ranked[:3].tolist()
    left_out = ranked[3:4].tolist()
    assert (next_value > 0.2) == bool(left_out)
    assert not left_out or next_value == left_out[0]
    in_scan_order = np.lexsort((above(found)[:, 0], above(found)[:, 1]))
    assert in_scan_order.tolist() == list(range(len(in_scan_order)))
    everything, next_value = peaks(cells, FEW, wide=True)
    assert above(everything).tolist() == above(peaks(cells)[0]).tolist()
    assert len(above(everything)) == len(places)
    assert not next_value > 0.2


@given(seed=seeds)
@few_examples
def test_a_peak_that_is_left_out_is_never_higher_than_what_is_told(peaks, seed):
    """Also where flat tops, which are no peaks, take the places of those that are."""
    cells = np.random.default_rng(seed).integers(0, 4, (HEIGHT, WIDTH)).astype(float)
    found, next_value = peaks(cells, FEW)
    there = plain_search(cells)
    assert all(peak in there for peak in rounded(found))
    left_out = [peak[2] for peak in there if peak not in rounded(found)]
    assert all(value <= next_value for value in left_out)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_of_equal_maxima_the_first_row_and_the_first_column_count_each_for_itself(compiled_once, runtime):
    stage = KINDS["single, unrefined"]
    maps = np.zeros((2, 3, HEIGHT, WIDTH), np.float32)
    maps[:, :, 4, 20] = maps[:, :, 9, 7] = 1
    found = decode(compiled_once(stage, runtime), [maps])
    assert np.unique(found["xy"][:, :, 0], axis=1).tolist() == [[[7 * STRIDE, 4 * STRIDE]]] * 2
    assert np.all(found["next_value"] == -np.inf)


def plain_search(cells: np.ndarray) -> list[list[float]]:
    """Every flat top that fits into 2 x 2 cells with nothing as high around it, by its first cell."""
    done = np.zeros(cells.shape, bool)
    found = []
    for start in np.ndindex(cells.shape):
        if done[start]:
            continue
        top, summit = [start], True
        done[start] = True
        for row, column in top:  # grows while it is walked
            for beside in np.ndindex(3, 3):
                cell = (row + beside[0] - 1, column + beside[1] - 1)
                if not (0 <= cell[0] < cells.shape[0] and 0 <= cell[1] < cells.shape[1]):
                    continue
                summit &= bool(cells[cell] <= cells[start])
                if cells[cell] == cells[start] and not done[cell]:
                    done[cell] = True
                    top.append(cell)
        if summit and np.all(np.ptp(top, axis=0) <= 1):
            row, column = np.mean(top, axis=0)
            found.append((column, row, cells[start]))
    return rounded(np.array(found).reshape(-1, 3))


def rounded(peaks: np.ndarray) -> list[list[float]]:
    return np.round(peaks.astype(float), 3).tolist()
