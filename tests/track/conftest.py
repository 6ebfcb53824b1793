"""What DeepLabCut made of the random scenes."""

from collections.abc import Mapping

import numpy as np
import pytest
from tracking_scenes import GOLDEN


@pytest.fixture(scope="session")
def told_by_deeplabcut() -> Mapping[str, np.ndarray]:
    """Answers by `SCENE.QUESTION.NUMBER`, as `tools/record_dlc_tracking.py` recorded them."""
    with np.load(GOLDEN) as file:
        return dict(file)
