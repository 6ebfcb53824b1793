"""What the peers recorded."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden(shared_data) -> Mapping[str, np.ndarray]:
    """Inputs and outputs of functions of sleap-nn 0.3.5."""
    with np.load(shared_data / "sleap_nn/recorded/golden_maths.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def golden_cases(golden) -> dict[str, dict]:
    """How each recorded grouping was made, by the prefix of its arrays."""
    return json.loads(str(golden["meta_json"]))


@pytest.fixture(scope="session")
def recorded() -> Mapping[str, np.ndarray]:
    """What tools/record_grouping.py recorded of sleap-nn 0.3.5."""
    with np.load(Path(__file__).parent / "golden/grouping.npz") as file:
        return dict(file)
