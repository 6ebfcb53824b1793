"""SLEAP's metrics against what its own evaluator said (tools/record_metrics.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from ethopose.metrics import Scene, sleap

GOLDEN = json.loads((Path(__file__).parent / "golden/sleap.json").read_text())


def test_every_number_is_what_the_peers_evaluator_says(random_scenes, case):
    expected = dict(GOLDEN[case])
    total = sum(np.nansum(scene.truth) + np.nansum(scene.found) for scene in random_scenes)
    assert total == pytest.approx(expected.pop("sum")), "the peer saw other scenes"
    assert sleap(random_scenes) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_points_that_nobody_labelled_count_as_misses_in_its_pck():
    truth = np.array([[[0.0, 0.0], [10.0, 10.0], [np.nan, np.nan]]])
    found = np.array([[[0.0, 0.0], [10.0, 10.0], [5.0, 5.0]]])
    numbers = sleap([Scene(truth, found, np.ones((1, 3)), np.ones(1))])
    assert numbers["PCK@5"] == pytest.approx(2 / 3)
    assert numbers["visibility_precision"] == pytest.approx(2 / 3)
    assert numbers["mOKS"] == 1


def test_no_scene_at_all_has_no_distances_and_no_precision():
    numbers = sleap([])
    assert np.isnan(numbers["mOKS"])
    assert numbers["oks_voc.mAP"] == 0
