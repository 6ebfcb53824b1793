"""One-to-one matching of least cost, in compiled code."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit


@njit(cache=True, nogil=True)
def assign(cost: Float64[np.ndarray, "row column"]) -> Int64[np.ndarray, "row"]:
    """The column of each row, -1 for none, so that the sum of finite costs is least; the shorter side is
    matched in full. Source: the Hungarian method by shortest paths (Jonker and Volgenant 1987)."""
    rows, columns = cost.shape
    if rows > columns:
        taken = _by_rows(cost.T)
        found = np.full(rows, -1)
        for column, row in enumerate(taken):
            found[row] = column
        return found
    return _by_rows(cost)


@njit(cache=True, nogil=True)
def _by_rows(cost: np.ndarray) -> np.ndarray:
    """Where there are no more rows than columns; both are counted from 1, and 0 is nobody."""
    rows, columns = cost.shape
    of_row, of_column = np.zeros(rows + 1), np.zeros(columns + 1)  # dual prices
    owner = np.zeros(columns + 1, np.int64)
    for row in range(1, rows + 1):
        owner[0] = row
        here, before = _free_column(cost, owner, (of_row, of_column))
        while here:
            owner[here] = owner[before[here]]
            here = before[here]
    found = np.full(rows, -1)
    for column in range(1, columns + 1):
        if owner[column]:
            found[owner[column] - 1] = column - 1
    return found


@njit(cache=True, nogil=True)
def _free_column(
    cost: np.ndarray, owner: np.ndarray, price: tuple[np.ndarray, np.ndarray]
) -> tuple[int, np.ndarray]:
    """The nearest column that nobody has from the row that owns column 0, and the column before each on the
    way there; prices are raised as it is gone."""
    of_row, of_column = price
    columns, here = len(owner) - 1, 0
    before = np.zeros(columns + 1, np.int64)
    way, done = np.full(columns + 1, np.inf), np.zeros(columns + 1, np.bool_)
    while owner[here]:
        done[here] = True
        nearest, least = 0, np.inf
        for column in range(1, columns + 1):
            if done[column]:
                continue
            reduced = cost[owner[here] - 1, column - 1] - of_row[owner[here]] - of_column[column]
            if reduced < way[column]:
                way[column], before[column] = reduced, here
            if way[column] < least:
                least, nearest = way[column], column
        for column in range(columns + 1):
            if done[column]:
                of_row[owner[column]] += least
                of_column[column] -= least
            else:
                way[column] -= least
        here = nearest
    return here, before
