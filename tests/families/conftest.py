"""Model folders of every family."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from dlc3_nets import Recorded, make_net
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


@pytest.fixture(scope="session")
def net(shared_data, tmp_path_factory) -> Callable[[str], Recorded]:
    """A network of DeepLabCut 3 by the name of its recording, made once."""
    return cache(partial(make_net, shared_data, folder=tmp_path_factory.mktemp("nets")))
