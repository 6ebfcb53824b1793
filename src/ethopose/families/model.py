"""What a family gives: a spec, and the weights when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ethopose.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was recognised: its spec, what identifies it, and how to get at its weights."""

    spec: ModelSpec
    digest: str  # sha256 of spec and weights
    paths: tuple[Path, ...]
    weights: Callable[[int], dict[str, Tensor]]  # of a stage, by the names of `models.build`
    window: tuple[int, int, int, int] | None = None  # x from and to, y from and to: what its project looks at
    alone: Callable[[], Model] | None = None  # of a pair in one folder that which reads crops


@dataclass(frozen=True, slots=True)
class Family:
    """A tool whose model folders can be read."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Sequence[Path]], Model]  # one path, or the two of a top-down pair
    choose: Callable[..., list[Path]] | None = None  # among a project's models, by what else is told
    read_alone: Callable[[Sequence[Path]], Model] | None = None  # the same without what finds the animals
