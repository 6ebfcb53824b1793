"""What a family gives: a spec, and the weights when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethopose.core import EthoposeError, ModelError, SpecError
from ethopose.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

Window = tuple[int, int, int, int]  # of a frame: from x, to x, from y, to y, px


def window_of(sides: Iterable[Any]) -> Window | None:
    """The part of a frame that four numbers, or texts of them, tell; None where they tell none."""
    try:
        left, right, top, bottom = map(int, sides)
    except (TypeError, ValueError):
        return None
    return (left, right, top, bottom) if 0 <= left < right and 0 <= top < bottom else None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was recognised: its spec, what identifies it, and how to get at its weights."""

    spec: ModelSpec
    digest: str  # sha256 of spec and weights
    paths: tuple[Path, ...]
    weights: Callable[[int], dict[str, Tensor]]  # of a stage, by the names of `models.build`
    window: Window | None = None  # what its project looks at
    alone: Callable[[], Model] | None = None  # of a pair in one folder that which reads crops
    missing: EthoposeError | None = None  # why what finds the animals is not there, if it should be

    @property
    def needs(self) -> str | None:
        """What must tell it where the animals are; None of a model that finds them."""
        preparation = self.spec.stages[0].preparation
        if not preparation.crop:
            return None
        kind = "centroid" if preparation.conditions is None else "conditions"
        told = f"a {kind} model, to cut the crops that it reads"
        if preparation.conditions is not None:
            told += ", or --conditions FILE"
        return told if self.missing is None else f"{told}; {self.missing.what}"


@contextmanager
def of(folder: Path | None) -> Iterator[None]:
    """Errors of a network, which nobody told where it lies, say whose it is."""
    try:
        yield
    except (ModelError, SpecError) as error:
        raise type(error)(error.what, where=error.where or folder, fix=error.fix) from error


@dataclass(frozen=True, slots=True)
class Family:
    """A tool whose model folders can be read."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Sequence[Path]], Model]  # one path, or the two of a top-down pair
    choose: Callable[..., list[Path]] | None = None  # among a project's models, by what else is told
    read_alone: Callable[[Sequence[Path]], Model] | None = None  # the same without what finds the animals
    pairs: bool = True  # whether two of its folders may be one model
