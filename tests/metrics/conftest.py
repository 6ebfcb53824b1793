"""Random scenes as the metrics take them."""

import pytest
from metric_scenes import CASES, drawn

from ethopose.metrics import Scene


@pytest.fixture(params=CASES)
def case(request) -> str:
    return request.param


@pytest.fixture
def random_scenes(case) -> list[Scene]:
    return [Scene(one.truth, one.found, one.confidence, one.score) for one in drawn(**CASES[case])]
