"""A window that follows the animals: the next frame is looked at only around where they were.

The first frame is looked at as a whole, and so is the next one wherever nobody was found for certain. Source:
DeepLabCut 3.0.1, DynamicCropper, whose arithmetic this is, in pixels of the prepared picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from pydantic import JsonValue

from ethopose.core import UsageError
from ethopose.families.model import Window
from ethopose.models.grouping import Instances, places
from ethopose.models.preparation import Images
from ethopose.models.spec import ModelSpec
from ethopose.models.windows import reach
from ethopose.predict.following import Seen
from ethopose.predict.predictor import in_frame
from ethopose.predict.profile import Profile
from ethopose.store import State

if TYPE_CHECKING:
    from ethopose.predict.predictor import Predictor


@dataclass(frozen=True, slots=True)
class ByWindow:
    """`--dynamic`: where a keypoint has at least the `threshold` of confidence, the next frame is looked at
    within `margin` px around all of them."""

    threshold: float = 0.5
    margin: int = 10

    def __post_init__(self) -> None:
        if not (0 <= self.threshold <= 1 and self.margin >= 0):
            what = f"dynamic: threshold {self.threshold}, margin {self.margin}"
            raise UsageError(what, fix="give a threshold from 0 to 1 and 0 px or more")

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """What of it decides the numbers."""
        return {"dynamic": asdict(self)}

    def tracks(self, spec: ModelSpec) -> tuple[str, ...]:
        """None: it follows all animals together. Raises UsageError for a model that reads crops, as these do
        so already."""
        if len(spec.stages) > 1 or spec.stages[0].preparation.crop:
            what = f"--dynamic is for models of whole frames, and this one is {spec.kind}"
            raise UsageError(what, fix="leave it out; for one animal there is --top-down-dynamic")
        return ()

    def begin(self, predictor: Predictor) -> Moving:
        """One that has seen nothing yet."""
        return Moving(self, predictor)


class Moving:
    """A window on its way through a video."""

    def __init__(self, way: ByWindow, predictor: Predictor) -> None:
        self._way, self._limit, self._runner = way, predictor.limit, predictor.stages[0]
        skeleton = predictor.model.spec.skeleton
        self._keypoints = [i for i, name in enumerate(skeleton.keypoints) if name not in skeleton.unique]
        self._places = places(self._runner.stage.grouping)
        self.state: State = {}

    def __call__(self, images: Images, profile: Profile) -> Seen:
        """The animals in the window."""
        fitted, pictures = self._runner.prepared(images, profile)
        height, width = pictures.shape[1:3]
        left, right, top, bottom = self._window(width, height)
        inside = pictures[:, top:bottom, left:right]
        corner = np.array((left, top), np.float32)
        seen = self._runner.animals(inside, 1, profile, limit=self._limit).moved(lambda xy: xy + corner)
        self._follow(seen.instances, (left, right, top, bottom), (width, height))
        return in_frame(seen, self._runner.stage, fitted)

    def _window(self, width: int, height: int) -> Window:
        known = self.state.get("window", np.empty(0)).astype(int).tolist()
        if not known or self.state["size"].tolist() != [width, height]:
            return 0, width, 0, height
        left, right, top, bottom = known
        return left, right, top, bottom

    def _follow(self, found: Instances, window: Window, size: tuple[int, int]) -> None:
        """Remember where to look next."""
        xy, confidence = found.xy[:, self._keypoints], found.confidence[:, self._keypoints]
        animals = ~np.isnan(xy).all((1, 2))  # and not the row of unique keypoints
        xy, confidence = xy[animals], confidence[animals]
        self.state = {}
        if not (confidence[~np.isnan(xy).any(-1)] >= self._way.threshold).any():
            return
        multiple = self._runner.stage.preparation.pad_to
        sides = [
            reach(self._at(xy[..., axis], window[2 * axis]), self._way.margin, size[axis]) for axis in (0, 1)
        ]
        if all(high > low for low, high in sides):
            grown = [_grown(*side, size[axis], multiple) for axis, side in enumerate(sides)]
            self.state = {"window": np.array(grown, float).ravel(), "size": np.array(size, float)}

    def _at(self, along: np.ndarray, corner: int) -> Float32[np.ndarray, "place"]:
        """Where animals are on an axis. Where one more might be, the window's corner counts."""
        known = along[~np.isnan(along)]
        return np.append(known, np.float32(corner - 1)) if len(along) < self._places else known


def _grown(first: int, last: int, size: int, multiple: int) -> tuple[int, int]:
    """From and to on an axis of `size` px, apart by a multiple."""
    last = min(first + math.ceil((last - first) / multiple) * multiple, size)
    return last - math.ceil((last - first) / multiple) * multiple, last
