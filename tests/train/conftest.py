"""Labels of small worlds, written once."""

import pytest
import torch
from small_trainings import ONE, TWO, labelled

from ethopose.core import Labels


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def one(tmp_path_factory) -> Labels:
    """A single animal."""
    return labelled(tmp_path_factory.mktemp("one"), ONE)


@pytest.fixture(scope="session")
def two(tmp_path_factory) -> Labels:
    """Two animals that look different."""
    return labelled(tmp_path_factory.mktemp("two"), TWO)
