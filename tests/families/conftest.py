"""Model folders of every family."""

from pathlib import Path

import pytest
import torch
from model_folders import WRITERS

from ethopose.families import FAMILIES


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    return request.param


@pytest.fixture
def folder(family, tmp_path) -> Path:
    """A good model folder of the family."""
    path = tmp_path / "mice"
    WRITERS[family.name](path)
    return path
