"""Tracking by conditions: a conditional network looks for each animal where it was in the frame before.

The model that finds whole poses is asked in the first frame, and again where animals are missing or from time
to time. A track is a row of the peer's table of individuals. Source: DeepLabCut 3.0.1, CTDInferenceRunner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, Int64
from pydantic import JsonValue

from ethopose.core import UsageError
from ethopose.models.condition_tracks import going_on, kept, newcomers, order_of
from ethopose.models.conditions import Conditions, conditions_of, rescored
from ethopose.models.grouping import Instances
from ethopose.models.preparation import Images
from ethopose.models.spec import ModelSpec
from ethopose.predict.following import Seen
from ethopose.predict.predictor import in_frame
from ethopose.predict.profile import Profile
from ethopose.store import State

if TYPE_CHECKING:
    from ethopose.predict.predictor import Predictor


@dataclass(frozen=True, slots=True)
class ByConditions:
    """`--track-conditions`, by the names of DeepLabCut's `ctd_tracking`; all frequencies in frames."""

    bu_on_lost_idv: bool = True  # ask the other model again where animals are missing,
    bu_min_frequency: int | None = None  # and in any case after so many frames,
    bu_max_frequency: int = 100  # where some are missing not before so many
    threshold_bu_add: float = 0.25  # less alike than this is another animal
    threshold_ctd: float = 0.01  # keypoints of so little confidence are no conditions
    threshold_nms: float = 0.9  # tracks that are so much alike are one animal
    corrected: bool = False  # a track stays with its animal where others are lost; see the conventions

    def __post_init__(self) -> None:
        shares = self.threshold_bu_add, self.threshold_ctd, self.threshold_nms
        if not all(0 <= share <= 1 for share in shares):
            raise UsageError(f"track_conditions: thresholds {shares}", fix="give numbers from 0 to 1")
        if min(self.bu_max_frequency, self.bu_min_frequency or 1) < 1 or self.bu_min_frequency == 0:
            raise UsageError("track_conditions: a frequency below 1 frame", fix="give 1 or more")

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """What of it decides the numbers."""
        return {"track_conditions": asdict(self)}

    def tracks(self, spec: ModelSpec) -> tuple[str, ...]:
        """What the tracks are called; one animal needs none. Raises UsageError for a model that is not told
        poses."""
        if len(spec.stages) < 2 or spec.stages[1].preparation.conditions is None:
            what = f"--track-conditions is for conditional top-down models, and this one is {spec.kind}"
            raise UsageError(what, fix="leave it out")
        names = _individuals(spec)
        return names if len(names) > 1 else ()

    def begin(self, predictor: Predictor) -> Tracking:
        """One that has seen nothing yet."""
        return Tracking(self, predictor)


class Tracking:
    """Tracks on their way through a video.

    Its state: `ages` of the tracks in frames; `poses`, those that go on; `order`, which track each of these
    is, and after them the tracks that nobody is; `since`, how many frames ago the other model was asked.
    """

    def __init__(self, way: ByConditions, predictor: Predictor) -> None:
        self._way, self._predictor = way, predictor
        several = len(_individuals(predictor.model.spec))
        self._places, self._named = min(several, predictor.limit or several), several > 1
        self.state: State = {}

    def __call__(self, images: Images, profile: Profile) -> Seen:
        """The animals where they were, and others where it is time to look for them."""
        since = int(self.state.get("since", np.array(-1.0))) + 1
        order = self.state.get("order", np.arange(self._places)).astype(np.int64)
        anew, again = "poses" not in self.state, self._asks_again(since)
        poses = None if anew else self.state["poses"].astype(np.float32)
        if anew or again:
            since, found = 0, self._found(images, profile)
            more = found if poses is None else self._more(found, poses)
            poses = (more if poses is None else np.concatenate((poses, more)))[: self._places]
        assert poses is not None
        told = Conditions(np.zeros(len(poses), np.int64), poses[..., :2], poses[..., 2], order[: len(poses)])
        told, instances, boxes = self._predictor.conditioned(images, told, profile)
        if anew:
            confidence = rescored(instances.confidence, told)
            instances = replace(instances, confidence=confidence, score=confidence.sum(1))
        track = self._tracks(told, order)
        self._remember(instances, track, (images.shape[2], images.shape[1]), since)
        row = np.argsort(track)
        named = track[row].astype(np.int32) if self._named else None
        return Seen(instances[row], boxes[row], track=named)

    def _asks_again(self, since: int) -> bool:
        way, ages = self._way, self.state.get("ages", np.empty(0))
        late = way.bu_min_frequency is not None and since >= way.bu_min_frequency
        return late or (way.bu_on_lost_idv and (ages == 0).any() and since >= way.bu_max_frequency)

    def _found(self, images: Images, profile: Profile) -> Float32[np.ndarray, "animal keypoint 3"]:
        """What the other model finds in the whole frame."""
        first = self._predictor.stages[0]
        fitted, pictures = first.prepared(images, profile)
        seen = in_frame(first.animals(pictures, 1, profile, limit=self._places), first.stage, fitted)
        told = conditions_of(seen.instances)
        return np.concatenate((told.xy, told.confidence[..., None]), -1).astype(np.float32)

    def _more(self, found: np.ndarray, poses: np.ndarray) -> Float32[np.ndarray, "new keypoint 3"]:
        return newcomers(found, poses, self._way.threshold_ctd, self._way.threshold_bu_add)

    def _tracks(self, told: Conditions, order: Int64[np.ndarray, "track"]) -> Int64[np.ndarray, "condition"]:
        """Which track each pose is. The peer's rows are in the order of its conditions, counted again where
        one is left out, and it takes that order for its inverse."""
        assert told.track is not None
        return told.track if self._way.corrected else np.argsort(order)[: len(told.track)]

    def _remember(self, found: Instances, track: np.ndarray, size: tuple[int, int], since: int) -> None:
        way = self._way
        rows = np.full((self._places, found.xy.shape[1], 3), np.nan, np.float32)
        rows[track] = np.concatenate((found.xy, found.confidence[..., None]), -1)
        rows = going_on(rows, way.threshold_ctd, size)
        ages = self.state.get("ages", np.zeros(self._places))
        stay = self._staying(rows, order_of(rows, ages, vanished=not way.corrected))
        if not stay.any():
            self.state = {"since": np.array(float(since))}
            return
        self.state = {
            "poses": rows[stay].astype(np.float64),
            "order": np.concatenate((np.flatnonzero(stay), np.flatnonzero(~stay))).astype(np.float64),
            "ages": np.where(stay, ages + 1, 0.0),
            "since": np.array(float(since)),
        }

    def _staying(self, rows: np.ndarray, order: Int64[np.ndarray, "candidate"]) -> Bool[np.ndarray, "track"]:
        if len(rows) > 1:
            return kept(rows, order, self._way.threshold_nms)
        there: np.ndarray = ~np.isnan(rows).all((1, 2))  # the one animal, of which any keypoint will do
        return there


def _individuals(spec: ModelSpec) -> tuple[str, ...]:
    conditions = spec.stages[1].preparation.conditions
    assert conditions is not None
    return conditions.individuals
