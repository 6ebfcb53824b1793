"""The best one-to-one matching."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64

Matched = tuple[Int64[np.ndarray, "match"], Int64[np.ndarray, "match"]]


def assignment(cost: Float[np.ndarray, "row column"], *, maximize: bool = False) -> Matched:
    """Rows and columns of the matching of the least cost, or of the greatest, as SciPy finds it.

    Raises:
        ValueError: a cost is NaN, or no matching is possible.
    """
    from scipy.optimize import linear_sum_assignment  # takes a second to load

    row, column = linear_sum_assignment(cost, maximize)
    return row, column
