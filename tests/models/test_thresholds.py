"""What a confidence at the threshold is: a keypoint of which there is one place, and no peak of several."""

import numpy as np
import pytest

from ethopose.models.grouping import GROUPINGS, Context

FOUND = {"xy": np.zeros((3, 1, 1, 2), np.float32), "value": np.float32([0.4, 0.5, 0.6]).reshape(3, 1, 1)}


@pytest.mark.parametrize(("grouping", "counts"), [("one_each", [0, 1, 1]), ("one_per_peak", [0, 0, 1])])
def test_a_peak_at_the_threshold_counts_where_it_is_the_only_one(grouping, counts):
    made = GROUPINGS.build(grouping)(FOUND, Context(0.5, None, np.arange(3)))
    found = made.frame[np.isfinite(made.xy[:, 0, 0])]
    assert np.bincount(found, minlength=3).tolist() == counts
