"""Animals from links as DeepLabCut's Assembler makes them, by its recorded peaks and costs."""

import json

import numpy as np
import pytest

from ethopose.models.grouping.assembly import Assembly
from ethopose.models.grouping.instances import Context

CASES = [f"paf_{number}" for number in (0, 1, 2, 3, 4, 5, 7, 8, 9)]


@pytest.mark.parametrize("case", CASES)
def test_animals_are_those_that_the_peer_recorded(case, shared_data):
    told = json.loads((shared_data / "dlc3/decode/index.json").read_text())[case]
    with np.load(shared_data / f"dlc3/decode/{case}.npz") as stored:
        recorded = dict(stored)
    keypoints, animals = told["num_multibodyparts"], told["num_animals"]
    kept = told["edges_to_keep"]
    if not all(f"costs/{edge}/m1" in recorded for edge in kept):
        pytest.skip("not all costs of this case are recorded")
    xy = [recorded[f"peaks/{k}/xy"] for k in range(keypoints)]
    value = [recorded[f"peaks/{k}/conf"][:, 0] for k in range(keypoints)]
    most = max(map(len, xy), default=0) or 1
    found = {
        "xy": np.full((1, keypoints, most, 2), np.nan, np.float32),
        "value": np.full((1, keypoints, most), -np.inf, np.float32),
        "line_score": np.full((1, len(kept), most, most), np.nan, np.float32),
    }
    for k in range(keypoints):
        found["xy"][0, k, : len(xy[k])], found["value"][0, k, : len(xy[k])] = xy[k], value[k]
    for place, edge in enumerate(kept):
        costs = recorded[f"costs/{edge}/m1"]
        found["line_score"][0, place, : costs.shape[0], : costs.shape[1]] = costs
    edges = [tuple(told["graph"][edge]) for edge in kept]
    grouping = Assembly(
        keypoints=keypoints, edges=edges, animals=animals, min_line_score=told["min_affinity"]
    )
    made = grouping(found, Context(0.0, None, np.zeros(1, np.int64)))
    wanted = recorded["poses"][0]
    wanted = wanted[~(wanted[..., :2] < 0).all((1, 2))]
    assert len(made.xy) == len(wanted)
    np.testing.assert_allclose(made.xy, wanted[..., :2], atol=1e-3)
    np.testing.assert_allclose(made.confidence, wanted[..., 2], atol=1e-5)
    np.testing.assert_allclose(made.score, np.nanmean(wanted[..., 4], 1), atol=1e-5)
