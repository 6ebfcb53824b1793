"""Frames one after another: ways of looking at a frame that hang on what was seen in the one before.

A way (`ByWindow`, `ByPatches`, `ByConditions`) says what its option says; what it begins looks at one frame
at a time, in order, in one thread. What it knows after a frame are few small arrays, which are stored with
each part, so that a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Bool, Int32, UInt8
from pydantic import JsonValue

from ethopose.models.grouping import Arrays, Instances, no_instances
from ethopose.models.spec import ModelSpec
from ethopose.predict.profile import Profile
from ethopose.store import State

if TYPE_CHECKING:
    from ethopose.media import Block
    from ethopose.predict.predictor import BlockPoses, Predictor

Recall = Callable[[int], State | None]  # what was stored of the frame before one


@dataclass(frozen=True, slots=True)
class Seen:
    """The animals of frames, in pixels of what was looked at."""

    instances: Instances
    around: Instances | None = None  # boxes, row by row, that they were read in
    left_out: Bool[np.ndarray, "frame"] = field(default_factory=lambda: np.zeros(1, bool))
    track: Int32[np.ndarray, "instance"] | None = None
    found: Arrays = field(default_factory=dict)  # what graph 2 found, of models of one stage

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Seen:
        """The same in other pixels."""
        instances = replace(self.instances, xy=move(self.instances.xy))
        around = None if self.around is None else replace(self.around, xy=move(self.around.xy))
        found = self.found | ({"xy": move(self.found["xy"])} if "xy" in self.found else {})
        return replace(self, instances=instances, around=around, found=found)

    def above(self, threshold: float) -> Seen:
        """Without the keypoints whose confidence is below, and animals that have no others."""
        low = self.instances.confidence < threshold
        instances = replace(
            self.instances,
            xy=np.where(low[..., None], np.float32(np.nan), self.instances.xy),
            confidence=np.where(low, np.float32(0), self.instances.confidence),
        )
        instances = replace(instances, score=instances.confidence.sum(1))
        rows = np.flatnonzero(~low.all(1))
        around = None if self.around is None else self.around[rows]
        track = None if self.track is None else self.track[rows]
        return replace(self, instances=instances[rows], around=around, track=track)


class Following(Protocol):
    """Looks at one frame after another."""

    state: State  # what it knows after the last one; none at the beginning

    def __call__(self, images: UInt8[np.ndarray, "1 height width channel"], profile: Profile) -> Seen:
        """The animals of the next frame."""
        ...


class Way(Protocol):
    """How to look at frames one after another."""

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """What of it decides the numbers."""
        ...

    def tracks(self, spec: ModelSpec) -> tuple[str, ...]:
        """What the tracks are called, where it makes any. Raises UsageError for a model that cannot be run
        so."""
        ...

    def begin(self, predictor: Predictor) -> Following:
        """One that has seen nothing yet."""
        ...


class InOrder:
    """A predictor that follows animals from frame to frame; where a frame does not come after the last one,
    `recall` tells what is known, and where nothing is, it begins anew."""

    def __init__(self, predictor: Predictor, recall: Recall) -> None:
        following = predictor.begin()
        assert following is not None
        self._predictor, self._recall, self._following = predictor, recall, following
        self._next: int | None = None

    def __call__(self, block: Block, profile: Profile) -> BlockPoses:
        """The animals of a block of one frame. One that cannot be read changes nothing."""
        frame = int(block.frame[0])
        if frame != self._next:
            self._following.state = self._recall(frame) or {}
        self._next = frame + 1
        return self._predictor(block, 1, profile, self._following)


def nobody(keypoints: int) -> Seen:
    """What is seen in a frame that cannot be read."""
    return Seen(no_instances(keypoints), no_instances(2), track=np.empty(0, np.int32))
