"""What is asked of tracking: animals, method and step, and appearance vectors that count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float16
from pydantic import JsonValue

from ethopose.core import UsageError
from ethopose.store import Part
from ethopose.track import deeplabcut
from ethopose.track.likeness import USEFUL
from ethopose.track.peers import OURS, STEPS, STITCH, TRACKLETS, Method

Progress = Callable[[str, int, int], None]  # (what, frames done, frames in all)


@dataclass(frozen=True, slots=True)
class Tracking:
    """How a result is tracked."""

    animals: int | None = None  # None: nobody knows
    method: str = OURS
    options: Mapping[str, str] = field(default_factory=dict)  # of another tool's method, by its own names
    step: str | None = None  # "tracklets": pieces without joins; "stitch": joins of tracks that are there
    redo: bool = False  # tracks that are there already are found anew
    format: Sequence[str] | None = None  # files for other tools; `dlc` are DeepLabCut's tracks
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.animals is not None and self.animals < 1:
            raise UsageError(f"{self.animals} animals", fix="give 1 or more, or leave it out")
        if self.step not in (None, *STEPS):
            raise UsageError(f"no step is named {self.step!r}", fix=f"choose from {', '.join(STEPS)}")
        if self.step == TRACKLETS and self.animals is not None:
            what = "how many animals there are says nothing of tracklets"
            raise UsageError(what, fix="leave out --animals, or give it to --step stitch")
        if self.step == STITCH and self.redo:
            raise UsageError("stitching joins the tracks that are there", fix="leave out --redo or --step")
        if self.step == STITCH and self.animals is None and self.method != OURS:
            what = f"the method {self.method} stitches as many tracks as it is told"
            raise UsageError(what, fix="tell how many: --animals N")
        _ = self.tracker  # its options are checked

    @property
    def settings(self) -> dict[str, JsonValue]:
        """What of it decides the numbers."""
        step = {} if self.step is None else {"step": self.step}
        return {"method": self.method, "animals": self.animals, **self.options, **step}

    @property
    def tracker(self) -> Method:
        """The method with its options."""
        alone = self.animals is None and self.method in deeplabcut.METHODS
        return Method(self.method, self.options, TRACKLETS if alone else self.step)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Appearance vectors that were learned from a result."""

    of: Callable[[Part], Float16[np.ndarray, "instance number"]]  # NaN: nothing is to be seen of it
    apart: float  # how well they tell animals apart: area under the curve, on what they were not learned from
    notes: Mapping[str, JsonValue]  # for the provenance

    @property
    def useful(self) -> bool:
        """Whether they count."""
        return self.apart >= USEFUL


class Appearance(Protocol):
    """Learns appearance vectors of a result."""

    @property
    def kind(self) -> str:
        """What they are made of."""

    @property
    def size(self) -> int:
        """Numbers of a vector."""

    def learn(self, folder: Path, progress: Progress | None) -> Vectors:
        """The vectors; what was learned lies in `folder`, that of the new result, so that a killed run goes
        on."""
