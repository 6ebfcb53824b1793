"""What every runtime makes of a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ethopose.models.appearance import Appearance
from ethopose.models.grouping import Arrays
from ethopose.models.spec import Stage

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, int, int, int]  # batch, height, width, channel
Maps = list[Any]  # raw maps of graph 1, wherever the runtime keeps them


@dataclass(frozen=True, slots=True)
class StageSource:
    """A stage, its weights when they are asked for, and what identifies both."""

    stage: Stage
    weights: Callable[[], dict[str, Tensor]]
    digest: str
    floats: bool = False  # whether pictures are float32, from 0 to 255, instead of uint8
    appearance: Appearance | None = None  # what is kept of features, where it is


class CompiledStage(Protocol):
    """The two graphs of a stage, ready for batches of one shape. Safe to call from several threads."""

    def network(self, pictures: np.ndarray) -> Maps:
        """Graph 1: prepared pictures of the shape compiled for, to raw maps, and with an appearance to
        features, the last."""
        ...

    def features(self, maps: Maps) -> np.ndarray:
        """The features among raw maps (picture number row column), in fp32."""
        ...

    def decode(self, maps: Maps, *, wide: bool = False) -> Arrays:
        """Graph 2: raw maps to what was found, in fp32; `wide` has room for more peaks (`build_wide`)."""
        ...
