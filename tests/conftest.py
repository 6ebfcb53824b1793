"""Fixtures that more than one folder of tests uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded models, videos and peers' outputs; `ETHOPOSE_DATA` says where, else ../shared/data."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("ETHOPOSE_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no recorded data at {path}; set ETHOPOSE_DATA to run the parity tests")
    return path
