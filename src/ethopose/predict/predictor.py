"""A model on a device: frames in, animals out, batch by batch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ethopose.core import MemoryFullError, Poses, UsageError
from ethopose.families import Model
from ethopose.media import Block
from ethopose.models.boxes import cut
from ethopose.models.conditions import Conditions, condition_crops, conditions_of, rescored
from ethopose.models.grouping import GROUPINGS, Arrays, Context, Grouping, Instances, no_instances
from ethopose.models.preparation import Fitted, Images, fit, to_pictures, unscaled
from ethopose.models.spec import Stage
from ethopose.predict.beside import beside, with_all
from ethopose.predict.known import Known
from ethopose.predict.options import Manner
from ethopose.predict.profile import Profile
from ethopose.runtime import CompiledStage, Compute, Shape, StageSource, compile_stage
from ethopose.store import Lists

log = logging.getLogger(__name__)

CROPS_AT_ONCE = 4  # the batch of second stages; frames hold few animals, and a crop is small
SHAPES_KEPT = 4  # compiled sizes of pictures: a folder of images may mix some


@dataclass(frozen=True, slots=True)
class BlockPoses:
    """The animals of a block. Its pixels are let go of: a part waits for a thousand frames."""

    frame: np.ndarray
    status: np.ndarray
    poses: Poses
    left_out: np.ndarray  # (frame,) bool: more peaks above the threshold than are kept
    extra: Mapping[str, np.ndarray | Lists] = field(default_factory=dict)  # columns and lists beside poses


class Predictor:
    """A model, compiled where it is to run. Calls from several threads run beside each other."""

    def __init__(
        self,
        model: Model,
        compute: Compute,
        *,
        threshold: float | None,
        limit: int | None,
        manner: Manner = Manner(),  # noqa: B008  # it cannot change
    ) -> None:
        self.model, self.compute, self.window = model, compute, manner.window
        stages = model.spec.stages
        if threshold is not None:
            stages = tuple(stage.model_copy(update={"peak_threshold": threshold}) for stage in stages)
        self.limit, self.known, skipped = limit, manner.known, 0
        if self.known is not None:
            stages, skipped = stages[-1:], len(stages) - 1  # what would be found is known
        self.threshold = stages[-1].peak_threshold
        whose = model.digest
        self.first_batch = manner.first_batch
        if manner.first_batch and (len(stages) == 1 or stages[1].preparation.conditions is not None):
            raise UsageError(
                f"a {model.spec.kind} model has no detector", fix="leave --detector-batch-size out"
            )
        if manner.detections:
            stages, whose = (*stages[:-1], with_all(stages[-1])), f"{whose}.all"
        self._stages = [
            _Runner(model, index, stage, compute, f"{whose}.{index}")
            for index, stage in enumerate(stages, skipped)
        ]
        self.beside = beside(model.spec, stages, self._stages[-1].grouping, detections=manner.detections)

    def __call__(self, block: Block, batch: int, profile: Profile) -> BlockPoses:
        """The animals in a block of at most `batch` frames."""
        if self.known is not None:
            return self._read_known(self.known, block, profile)
        first, images = self._stages[0], self._within(block.image)
        with profile.during("preparation"):
            fitted = fit(images, first.stage.preparation)
            pictures = to_pictures(fitted.images, first.stage.preparation)
        found = first.found(pictures, self.first_batch or batch, profile)
        with profile.during("grouping"):
            frames = np.arange(len(block))
            size = pictures.shape[1], pictures.shape[2]
            context = Context(first.stage.peak_threshold, self.limit, frames, size=size)
            instances = _in_frame(first.grouping(found, context), first.stage, fitted)
        left_out, around = _overflown(found, first.stage.peak_threshold, len(block)), instances
        if len(self._stages) == 2:
            own = self._stages[1].stage.preparation
            if own.color != first.stage.preparation.color or first.stage.preparation.resized is not None:
                fitted = fit(images, own)
            instances = self._read_crops(around, fitted, profile)
            around = around[instances.picture]
        seen = block.status[instances.frame] == 0  # a frame that cannot be read is all zeros
        extra: dict[str, np.ndarray | Lists] = {}
        extra |= self.beside.of_animals(instances[seen], self._whole(around[seen]))
        if self.beside.lists:
            xy = self._shifted(_placed(found["xy"], first.stage, fitted))
            extra |= self.beside.of_frames(found, xy, first.stage.peak_threshold, block.status)
        poses = self._poses(self._whole(instances[seen]), block)
        return BlockPoses(block.frame, block.status, poses, left_out, extra)

    def _within(self, images: Images) -> Images:
        if self.window is None:
            return images
        left, right, top, bottom = self.window
        height, width = images.shape[1:3]
        if right > width or bottom > height:  # of a folder whose images differ
            part = ",".join(map(str, self.window))
            raise UsageError(f"the part {part} reaches beyond a picture of {width} x {height} px")
        return images[:, top:bottom, left:right]

    def _whole(self, instances: Instances) -> Instances:
        """In pixels of the whole frame."""
        return replace(instances, xy=self._shifted(instances.xy))

    def _shifted(self, xy: np.ndarray) -> np.ndarray:
        return xy if self.window is None else xy + np.array(self.window[::2], np.float32)

    def _read_crops(self, found: Instances, fitted: Fitted, profile: Profile) -> Instances:
        """The animals in crops around centroids, or of boxes, that the first stage found."""
        if not len(found.frame):
            return no_instances(len(self.model.spec.skeleton.keypoints))
        second = self._stages[1]
        if second.stage.preparation.conditions is not None:
            return self._read_conditions(conditions_of(found), fitted, profile)
        with profile.during("preparation"):
            crops = cut(fitted, found.frame, found.xy, second.stage.preparation)
            pictures = to_pictures(crops.images, second.stage.preparation)
        arrays = second.found(pictures, CROPS_AT_ONCE, profile)
        with profile.during("grouping"):
            context = Context(second.stage.peak_threshold, None, found.frame, found.score)
            instances = second.grouping(arrays, context)
            xy = unscaled(instances.xy, second.stage.preparation) * crops.scale[instances.picture][:, None]
            return replace(instances, xy=(xy + crops.corner[instances.picture][:, None]) / fitted.ratio)

    def _read_known(self, known: Known, block: Block, profile: Profile) -> BlockPoses:
        with profile.during("preparation"):
            fitted = fit(self._within(block.image), self._stages[-1].stage.preparation)
        instances = self._read_conditions(known.of(block.frame, self.window), fitted, profile)
        instances = self._whole(instances[block.status[instances.frame] == 0])
        return BlockPoses(
            block.frame, block.status, self._poses(instances, block), np.zeros(len(block), bool)
        )

    def _read_conditions(self, told: Conditions, fitted: Fitted, profile: Profile) -> Instances:
        second = self._stages[-1]
        how, size = second.stage.preparation.conditions, second.stage.preparation.crop
        assert how is not None
        assert size is not None
        with profile.during("preparation"):
            conditions, crops, pictures = condition_crops(fitted.images, told, size, how)
        if not len(pictures):
            return no_instances(len(self.model.spec.skeleton.keypoints))
        found = second.found(pictures, CROPS_AT_ONCE, profile)
        with profile.during("grouping"):
            context = Context(second.stage.peak_threshold, None, conditions.frame)
            instances = second.grouping(found, context)
            row = instances.picture
            xy = instances.xy * crops.scale[row, None] + crops.corner[row, None]
            confidence = rescored(instances.confidence, conditions[row])
            return replace(instances, xy=xy, confidence=confidence, score=confidence.sum(1))

    def _poses(self, seen: Instances, block: Block) -> Poses:
        return Poses(
            self.model.spec.skeleton,
            frame=block.frame[seen.frame],
            xy=seen.xy,
            confidence=seen.confidence,
            score=seen.score,
            track=np.full(len(seen.frame), -1, np.int32),
            individual=seen.individual,
            identity_score=seen.identity_score,
        )


class _Runner:
    """One stage, compiled for the sizes of picture that it meets."""

    def __init__(self, model: Model, index: int, stage: Stage, compute: Compute, digest: str) -> None:
        self.stage = stage
        self.grouping: Grouping = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
        self._source = StageSource(stage, lambda: model.weights(index), digest)
        self._compute = compute
        self._compiled: dict[Shape, CompiledStage] = {}
        self._lock = threading.Lock()
        self._halvings = 0  # of the batch, for want of memory

    def found(self, pictures: Images, batch: int, profile: Profile) -> Arrays:
        """What graph 2 finds in pictures, run by batches that are filled up with zeros.

        Where memory ends batches become half as large and the work goes on from the same picture.

        Raises:
            MemoryFullError: not even one picture fits.
        """
        parts: list[Arrays] = []
        done = 0
        while done < len(pictures):
            halvings = self._halvings
            size = max(batch >> halvings, 1)
            try:
                parts.append(self._run(pictures[done : done + size], size, profile))
            except MemoryFullError:
                if size == 1:
                    raise
                self._halve(halvings)
                continue
            done += size
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}

    def _run(self, pieces: Images, batch: int, profile: Profile) -> Arrays:
        compiled = self._for((batch, *pieces.shape[1:]))
        with profile.during("network"):
            maps = compiled.network(_filled(pieces, batch))
        with profile.during("decoding"):
            found = compiled.decode(maps)
            if np.any(_overflown(found, self.stage.peak_threshold, batch)):
                found = compiled.decode(maps, wide=True)
        return {name: array[: len(pieces)] for name, array in found.items()}

    def _halve(self, known: int) -> None:
        """Once for all threads that ran into it at the same size."""
        with self._lock:
            if self._halvings == known:
                self._halvings += 1
                self._compiled.clear()
                log.warning("out of memory: going on with half as many frames at a time")

    def _for(self, shape: Shape) -> CompiledStage:
        with self._lock:
            if shape not in self._compiled:
                if len(self._compiled) == SHAPES_KEPT:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[shape] = compile_stage(self._source, shape, self._compute)
            return self._compiled[shape]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One after the other; some may have been decoded with room for more peaks."""
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    most = np.max([part.shape[1:] for part in parts], axis=0)
    room = [[(0, 0), *zip(np.zeros_like(most), most - part.shape[1:], strict=True)] for part in parts]
    return np.concatenate(
        [np.pad(part, wide, constant_values=-np.inf) for part, wide in zip(parts, room, strict=True)]
    )


def _in_frame(instances: Instances, stage: Stage, fitted: Fitted) -> Instances:
    return replace(instances, xy=_placed(instances.xy, stage, fitted))


def _placed(xy: np.ndarray, stage: Stage, fitted: Fitted) -> np.ndarray:
    """Coordinates of pictures as pixels of the frame; divided in this order, as sleap-nn 0.3.5 does."""
    placed: np.ndarray = unscaled(xy, stage.preparation) / fitted.ratio
    return placed


def _overflown(found: Arrays, threshold: float, pictures: int) -> np.ndarray:
    """Which pictures have more peaks above the threshold than were kept; heads of one peak tell of none."""
    if "next_value" not in found:
        return np.zeros(pictures, bool)
    overflown: np.ndarray = np.any(found["next_value"] > threshold, axis=-1)
    return overflown


def _filled(pictures: Images, size: int) -> Images:
    if len(pictures) == size:
        return pictures
    filled = np.zeros((size, *pictures.shape[1:]), np.uint8)
    filled[: len(pictures)] = pictures
    return filled
