"""Compiled stages, each made once."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch
from small_stages import SHAPE, compiled

from ethopose.models.spec import Stage
from ethopose.runtime import CompiledStage, Shape


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory) -> Iterator[None]:
    """Conversions of tests stay out of the user's cache, and torch on one core."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETHOPOSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def compiled_once() -> Callable[..., CompiledStage]:
    """`compiled`, remembered by stage, runtime, shape and precision."""
    stages: dict[str, Stage] = {}

    @cache
    def remembered(key: str, runtime: str, shape: Shape, precision: str) -> CompiledStage:
        return compiled(stages[key], runtime, shape=shape, precision=precision)

    def make(stage: Stage, runtime: str, *, shape: Shape = SHAPE, precision: str = "fp32") -> CompiledStage:
        key = stage.model_dump_json()
        stages[key] = stage
        return remembered(key, runtime, shape, precision)

    return make
