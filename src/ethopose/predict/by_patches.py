"""A top-down model without its detector: one animal, looked for around where it was.

In the first frame, and wherever it was lost, the frame is cut into patches that overlap, and the one in which
the network is surest counts. Source: DeepLabCut 3.0.1, TopDownDynamicCropper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from pydantic import JsonValue

from ethopose.core import UsageError
from ethopose.models.grouping import Context
from ethopose.models.preparation import Images, fit
from ethopose.models.spec import ModelSpec
from ethopose.models.windows import Box, Pair, box_of, cut_floats, patches, reach
from ethopose.predict.following import Seen
from ethopose.predict.profile import Profile
from ethopose.store import State

if TYPE_CHECKING:
    from ethopose.predict.predictor import Predictor


@dataclass(frozen=True, slots=True)
class ByPatches:
    """`--top-down-dynamic`, by the names of DeepLabCut's option; pairs are width and height, px."""

    patch_counts: Pair = (3, 2)
    patch_overlap: int = 50
    min_bbox_size: Pair = (50, 50)
    threshold: float = 0.6  # of confidence: keypoints that have it
    margin: int = 25
    min_hq_keypoints: int = 2  # and so many of them are an animal that is found
    bbox_from_hq: bool = False  # only they make its box

    def __post_init__(self) -> None:
        least = min(*self.patch_counts, *self.min_bbox_size, self.min_hq_keypoints, self.margin + 1)
        if least < 1 or self.patch_overlap < 0 or not 0 <= self.threshold <= 1:
            what = f"top_down_dynamic: {', '.join(f'{name} {value}' for name, value in asdict(self).items())}"
            raise UsageError(what, fix="give counts and sizes of 1 or more, and a threshold from 0 to 1")

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """What of it decides the numbers."""
        told = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {"top_down_dynamic": told}

    def tracks(self, spec: ModelSpec) -> tuple[str, ...]:
        """None: there is one animal. Raises UsageError for a model that does not read crops of it."""
        preparation = spec.stages[0].preparation
        if len(spec.stages) > 1 or preparation.boxed is None or spec.skeleton.unique:
            what = f"--top-down-dynamic is for top-down models alone, and this one is {spec.kind}"
            raise UsageError(what, fix="leave it out, or name only the model that reads crops")
        return ()

    def begin(self, predictor: Predictor) -> Searching:
        """One that has seen nothing yet."""
        return Searching(self, predictor)


class Searching:
    """A box on its way through a video."""

    def __init__(self, way: ByPatches, predictor: Predictor) -> None:
        self._way, self._runner = way, predictor.stages[0]
        crop = self._runner.stage.preparation.crop
        assert crop is not None
        self._crop = crop[1], crop[0]
        self._shape = self._crop, way.min_bbox_size
        self.state: State = {}

    def __call__(self, images: Images, profile: Profile) -> Seen:
        """The animal in its box, or in the patch where it shows best."""
        size = images.shape[2], images.shape[1]
        with profile.during("preparation"):
            image = fit(images, self._runner.stage.preparation).images[0]
            boxes = self._boxes(size)
            pictures = np.stack([cut_floats(image, box, self._crop) for box in boxes])
        found = self._runner.found(pictures, 1, profile)
        with profile.during("grouping"):
            context = Context(self._runner.stage.peak_threshold, None, np.zeros(len(boxes), np.int64))
            instances = self._runner.grouped(found, context)
            best = int(instances.confidence.mean(1).argmax())
            box = np.array(boxes[best], np.float32)
            xy = instances.xy[best] * (box[2:] / np.array(self._crop, np.float32)) + box[:2]
            xy = np.clip(xy, 0, np.array(size, np.float32))
            self._follow(xy, instances.confidence[best], size)
        return Seen(replace(instances[np.array([best])], xy=xy[None]))

    def _boxes(self, size: Pair) -> list[Box]:
        if self.state and self.state["size"].tolist() == list(size):
            left, top, wide, tall = self.state["box"].astype(int).tolist()
            return [(left, top, wide, tall)]
        way = self._way
        return patches(size, way.patch_counts, way.patch_overlap, way.margin, self._shape)

    def _follow(
        self, xy: Float32[np.ndarray, "keypoint 2"], confidence: Float32[np.ndarray, "keypoint"], size: Pair
    ) -> None:
        """Remember where to look next."""
        way, sure = self._way, confidence >= self._way.threshold
        self.state = {}
        if sure.sum() < way.min_hq_keypoints:
            return
        places = xy[sure] if way.bbox_from_hq else xy
        (left, right), (top, bottom) = (reach(places[:, axis], way.margin, size[axis]) for axis in (0, 1))
        if right > left and bottom > top:
            box = box_of((left, top, right, bottom), way.margin, self._shape)
            self.state = {"box": np.array(box, float), "size": np.array(size, float)}
