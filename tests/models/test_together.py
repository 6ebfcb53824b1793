"""Names of animals, and keypoints of none, beside what another grouping makes."""

import numpy as np
import pytest

from ethopose.models.grouping import GROUPINGS, Context

TOLD = Context(-1.0, None, np.zeros(1, np.int64))  # as a model of DeepLabCut is run
LIKELY, NOWHERE = (0.5, 0.4), (0.1, 0.9)  # of two individuals: where the first animal is, where nobody is


def found(*, second: tuple[float, float], sure: float) -> dict[str, np.ndarray]:
    """An animal of two keypoints, and another one that is `second` px away and so sure."""
    place = np.array([[10.0, 10], [30, 10]], np.float32)
    value = np.array([1.0, sure], np.float32)
    return {
        "xy": np.stack((place, place + np.float32(second)), 1)[None],
        "value": np.stack((value, value))[None],
        "centre": value[None],
        "probability": np.tile(np.float32(LIKELY), (1, 2, 2, 1)),
        "nowhere": np.float32([NOWHERE]),
    }


def named(**told) -> list[tuple[int, float]]:
    animals = {"name": "by_centre"}
    made = GROUPINGS.build("together", animals=animals, individuals=2)(found(**told), TOLD)
    return [
        (int(name), round(float(score), 3)) for name, score in zip(made.individual, made.score, strict=True)
    ]


def test_an_animal_that_fell_away_is_weighed_as_where_nobody_is():
    # the peer tells it as -1 sure at (-1, -1), and there it looks: 0.4 - 0.1 is more than 0.5 - 0.9
    assert named(second=(0.1, 0), sure=0.5) == [(1, 1.0)]


def test_an_animal_that_is_sure_of_nothing_weighs_nothing():
    assert named(second=(0, 25), sure=0.0) == [(0, 1.0), (1, 0.0)]


def test_names_are_by_the_greatest_sum_of_what_is_likely_and_sure():
    chance = np.random.default_rng(0)
    for _ in range(20):
        told = found(second=(0, 25), sure=0.9)
        told["probability"] = chance.random((1, 2, 2, 2), np.float32)
        made = GROUPINGS.build("together", animals={"name": "by_centre"}, individuals=2)(told, TOLD)
        gain = (told["value"][0].T[..., None] * told["probability"][0].transpose(1, 0, 2)).mean(1)
        straight = gain[0, 0] + gain[1, 1] >= gain[0, 1] + gain[1, 0]
        assert made.score[made.individual == (0 if straight else 1)] == pytest.approx([1.0])


@pytest.mark.parametrize(("threshold", "told"), [(-1.0, [0.0, 0.7]), (0.5, [np.nan, 0.7])])
def test_a_keypoint_of_no_animal_is_told_unless_a_threshold_says_otherwise(threshold, told):
    unique = np.array([[[0.0], [0.7]]], np.float32)
    everything = found(second=(0, 25), sure=0.9) | {
        "unique_xy": np.ones((1, 2, 1, 2)),
        "unique_value": unique,
    }
    group = GROUPINGS.build("together", animals={"name": "by_centre"}, unique=2)
    made = group(everything, Context(threshold, None, np.zeros(1, np.int64)))
    assert len(made.xy) == 3
    place = np.where(np.isnan(made.xy[0, 2:, 0]), np.nan, made.confidence[0, 2:])
    np.testing.assert_allclose(place, told)
    assert np.isnan(made.xy[0, :2]).all()
