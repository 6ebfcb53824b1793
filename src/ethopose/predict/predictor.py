"""A model on a device: frames in, animals out, batch by batch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ethopose.core import MemoryFullError, Poses, UsageError
from ethopose.families import Model, of
from ethopose.media import Block
from ethopose.models.appearance import at_keypoints
from ethopose.models.boxes import cut
from ethopose.models.conditions import (
    Conditions,
    boxes_around,
    condition_crops,
    conditions_of,
    rescored,
)
from ethopose.models.grouping import GROUPINGS, Arrays, Context, Grouping, Instances, no_instances
from ethopose.models.grouping.instances import make_instances, strongest
from ethopose.models.preparation import Fitted, Images, fit, to_pictures, unscaled
from ethopose.models.spec import Stage
from ethopose.predict.beside import beside, with_all
from ethopose.predict.following import Following, Seen, nobody
from ethopose.predict.options import BATCH_SIZE, Manner
from ethopose.predict.profile import Profile
from ethopose.runtime import CompiledStage, Compute, Shape, StageSource, appearance, compile_stage
from ethopose.store import Lists, State

log = logging.getLogger(__name__)

SHAPES_KEPT = 4  # compiled sizes of pictures: a folder of images may mix some
ANY_SHAPE = (0, 0, 0, 0)  # which torch takes
FEATURES = "features"  # among what is found, where they are kept


@dataclass(frozen=True, slots=True)
class BlockPoses:
    """The animals of a block. Its pixels are let go of: a part waits for a thousand frames."""

    frame: np.ndarray
    status: np.ndarray
    poses: Poses
    left_out: np.ndarray  # (frame,) bool: more peaks above the threshold than are kept
    extra: Mapping[str, np.ndarray | Lists] = field(default_factory=dict)  # columns and lists beside poses
    state: State | None = None  # what is known after it, where frames hang on the ones before
    features: Mapping[str, np.ndarray] = field(default_factory=dict)  # vectors, row by row of poses


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
        self.tracks = () if manner.way is None else manner.way.tracks(model.spec)
        self.model, self.compute, self.window = model, compute, manner.window
        self.way, self.known, self.first_batch = manner.way, manner.known, manner.first_batch
        stages = model.spec.stages
        self.limit = limit
        self._crops = BATCH_SIZE[str(compute.runtime)]  # that the second stage sees at a time
        self.threshold = stages[-1].peak_threshold if threshold is None else threshold
        if threshold is not None:
            stages = tuple(stage.model_copy(update={"peak_threshold": threshold}) for stage in stages)
        last = stages[-1].preparation
        self._conditional = last.conditions is not None
        self._judged_last = self._conditional or (last.boxed is not None and len(stages) == 1)
        if self._judged_last:  # in the light of conditions, or among patches
            stages = (*stages[:-1], stages[-1].model_copy(update={"peak_threshold": -np.inf}))
        whose, skipped = model.digest, 0
        if self.known is not None:
            stages, skipped = stages[-1:], len(stages) - 1  # what would be found is known
        if manner.first_batch and (len(stages) == 1 or stages[1].preparation.conditions is not None):
            raise UsageError(
                f"a {model.spec.kind} model has no detector", fix="leave --detector-batch-size out"
            )
        if manner.detections:
            stages, whose = (*stages[:-1], with_all(stages[-1])), f"{whose}.all"
        self._stages = [
            Runner(model, index, stage, compute, f"{whose}.{index}")
            for index, stage in enumerate(stages, skipped)
        ]
        if manner.features is not None:
            self._stages[-1].look_closely(manner.features)
        self.beside = beside(model.spec, stages, self._stages[-1].grouping, detections=manner.detections)

    @property
    def parallel(self) -> int:
        """Batches under way: one more than the network computes, to prepare, decode and group meanwhile."""
        return self.compute.at_once + 1

    @property
    def features(self) -> Mapping[str, int]:
        """Kinds of appearance vectors that are kept, and how many numbers a row they have."""
        size = self._stages[-1].numbers
        return {"keypoints": size * len(self.model.spec.skeleton.keypoints)} if size else {}

    def __call__(
        self, block: Block, batch: int, profile: Profile, following: Following | None = None
    ) -> BlockPoses:
        """The animals in a block of at most `batch` frames; each by itself, or, of a block of one, as what
        follows them looks at it."""
        images = self._within(block.image)
        if self.known is not None:
            seen = self._told(images, self.known.of(block.frame, self.window), profile)
        elif following is None:
            seen = self.look(images, batch, profile)
        elif block.status[0]:
            seen = nobody(len(self.model.spec.skeleton.keypoints))
        else:
            seen = following(images, profile)
        if self._judged_last:
            seen = seen.above(self.threshold)
        seen = self._whole(seen)
        there = block.status[seen.instances.frame] == 0  # a frame that cannot be read is all zeros
        poses = self._poses(seen.instances[there], block)
        if seen.track is not None:
            poses = replace(poses, track=seen.track[there])
        extra = self.beside.of(seen, there, self._stages[0].stage.peak_threshold, block.status)
        state = None if following is None else following.state
        features = {name: _vectors(seen.instances[there], size) for name, size in self.features.items()}
        return BlockPoses(block.frame, block.status, poses, seen.left_out, extra, state, features)

    @property
    def stages(self) -> Sequence[Runner]:
        """The model's."""
        return self._stages

    def begin(self) -> Following | None:
        """What follows animals from a first frame on, where that is asked for."""
        return None if self.way is None else self.way.begin(self)

    def look(self, images: Images, batch: int, profile: Profile) -> Seen:
        """The animals in frames, each by itself."""
        first = self._stages[0]
        fitted, pictures = first.prepared(images, profile)
        batch = self.first_batch or batch
        seen = in_frame(first.animals(pictures, batch, profile, limit=self.limit), first.stage, fitted)
        if len(self._stages) == 1:
            return seen
        around, second = seen.instances, self._stages[1]
        if self._conditional:
            told = self._told(images, conditions_of(around), profile)
            return replace(told, left_out=seen.left_out)
        own, shared = second.stage.preparation, first.stage.preparation
        if own.color != shared.color or shared.resized is not None:
            fitted = fit(images, own)
        instances = self._read_crops(around, fitted, profile)
        return Seen(instances, around[instances.picture], seen.left_out)

    def _within(self, images: Images) -> Images:
        if self.window is None:
            return images
        left, right, top, bottom = self.window
        height, width = images.shape[1:3]
        if right > width or bottom > height:  # of a folder whose images differ
            part = ",".join(map(str, self.window))
            raise UsageError(f"the part {part} reaches beyond a picture of {width} x {height} px")
        return images[:, top:bottom, left:right]

    def _whole(self, seen: Seen) -> Seen:
        """In pixels of the whole frame."""
        if self.window is None:
            return seen
        corner = np.array(self.window[::2], np.float32)
        return seen.moved(lambda xy: xy + corner)

    def _read_crops(self, found: Instances, fitted: Fitted, profile: Profile) -> Instances:
        """The animals in crops around centroids, or of boxes, that the first stage found."""
        if not len(found.frame):
            return no_instances(len(self.model.spec.skeleton.keypoints))
        second = self._stages[1]
        with profile.during("preparation"):
            crops = cut(fitted, found.frame, found.xy, second.stage.preparation)
            pictures = to_pictures(crops.images, second.stage.preparation)
        arrays = second.found(pictures, self._crops, profile)
        with profile.during("grouping"):
            context = Context(second.stage.peak_threshold, None, found.frame, found.score)
            instances = second.grouped(arrays, context)
            xy = unscaled(instances.xy, second.stage.preparation) * crops.scale[instances.picture][:, None]
            return replace(instances, xy=(xy + crops.corner[instances.picture][:, None]) / fitted.ratio)

    def _told(self, images: Images, told: Conditions, profile: Profile) -> Seen:
        """The animals that conditions tell of, as sure as both are."""
        told, instances, boxes = self.conditioned(images, told, profile)
        confidence = rescored(instances.confidence, told)
        sure = replace(instances, confidence=confidence, score=confidence.sum(1))
        rows = _highest(sure, self.limit)
        return Seen(sure[rows], boxes[rows], np.zeros(len(images), bool))

    def conditioned(
        self, images: Images, told: Conditions, profile: Profile
    ) -> tuple[Conditions, Instances, Instances]:
        """Those of the poses told that can be looked for in frames; the animal that is found for each, and
        how sure the network is of it; and the box that it was read in."""
        second = self._stages[-1]
        how, size = second.stage.preparation.conditions, second.stage.preparation.crop
        assert how is not None
        assert size is not None
        with profile.during("preparation"):
            images = fit(images, second.stage.preparation).images
            told, crops, pictures = condition_crops(images, told, size, how)
            corners = boxes_around(told, images.shape[1:3], how.margin).reshape(-1, 2, 2)
            corners[:, 1] += corners[:, 0]
        if not len(pictures):
            return told, no_instances(len(self.model.spec.skeleton.keypoints)), no_instances(2)
        found = second.found(pictures, self._crops, profile)
        with profile.during("grouping"):
            rows = np.arange(len(pictures))
            unknown = np.full((len(rows), 2), np.nan)
            context = Context(second.stage.peak_threshold, None, told.frame)
            instances = second.grouped(found, context)
            xy = instances.xy * crops.scale[:, None] + crops.corner[:, None]
            around = make_instances(context, rows, corners, unknown, unknown[:, 0])
            return told, replace(instances, xy=xy), around

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


class Runner:
    """One stage, compiled for the sizes of picture that it meets."""

    def __init__(self, model: Model, index: int, stage: Stage, compute: Compute, digest: str) -> None:
        self.stage = stage
        self.grouping: Grouping = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
        self._source = StageSource(stage, lambda: model.weights(index), digest)
        self._where = model.paths[0] if model.paths else None
        self._seed = model.digest
        self._compute = compute
        self._compiled: dict[Shape, CompiledStage] = {}
        self._lock = threading.Lock()
        self._halvings = 0  # of the batch, for want of memory

    def prepared(self, images: Images, profile: Profile) -> tuple[Fitted, Images]:
        """Frames in the model's colours and size, and the pictures that the network sees of them."""
        with profile.during("preparation"):
            fitted = fit(images, self.stage.preparation)
            return fitted, to_pictures(fitted.images, self.stage.preparation)

    def animals(self, pictures: Images, batch: int, profile: Profile, *, limit: int | None = None) -> Seen:
        """The animals in pictures, a frame each, in pixels of these, and what they were made of."""
        found, threshold = self.found(pictures, batch, profile), self.stage.peak_threshold
        with profile.during("grouping"):
            size = pictures.shape[1], pictures.shape[2]
            context = Context(threshold, limit, np.arange(len(pictures)), size=size)
            left_out = _overflown(found, threshold, len(pictures))
            return Seen(self.grouped(found, context), left_out=left_out, found=found)

    def look_closely(self, wish: int | str) -> None:
        """Keep what keypoints look like (`runtime.appearance`)."""
        told = appearance(self.stage, wish, self._seed)
        self._source = replace(self._source, appearance=told)

    @property
    def numbers(self) -> int:
        """How many numbers tell what a keypoint looks like; 0: that is not kept."""
        return 0 if self._source.appearance is None else self._source.appearance.size

    def grouped(self, found: Arrays, context: Context) -> Instances:
        """The animals that were found in pictures, and what their keypoints look like, where that is kept."""
        instances, how = self.grouping(found, context), self._source.appearance
        if how is None:
            return instances
        features = found.pop(FEATURES)  # which are let go of
        vectors = at_keypoints(features, instances.picture, instances.xy, how.grid)
        return replace(instances, vectors=vectors)

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
        compiled = self._for((batch, *pieces.shape[1:]), floats=pieces.dtype == np.float32)
        with profile.during("network"):
            maps = compiled.network(_filled(pieces, batch))
        with profile.during("decoding"):
            found = compiled.decode(maps)
            if np.any(_overflown(found, self.stage.peak_threshold, batch)):
                found = compiled.decode(maps, wide=True)
        if self._source.appearance is not None:
            found[FEATURES] = compiled.features(maps)
        return {name: array[: len(pieces)] for name, array in found.items()}

    def _halve(self, known: int) -> None:
        """Once for all threads that ran into it at the same size."""
        with self._lock:
            if self._halvings == known:
                self._halvings += 1
                self._compiled.clear()
                log.warning("out of memory: going on with half as many frames at a time")

    def _for(self, shape: Shape, *, floats: bool) -> CompiledStage:
        kind = (
            shape if self._compute.runtime == "openvino" else ANY_SHAPE
        )  # a model sees floats, or it does not
        with self._lock:
            if kind not in self._compiled:
                if len(self._compiled) == SHAPES_KEPT:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[kind] = self._compile(shape, floats=floats)
            return self._compiled[kind]

    def _compile(self, shape: Shape, *, floats: bool) -> CompiledStage:
        with of(self._where):
            return compile_stage(replace(self._source, floats=floats), shape, self._compute)


def _highest(instances: Instances, limit: int | None) -> np.ndarray:
    """Rows of the `limit` highest scores of each frame, in their order."""
    frames = np.unique(instances.frame)
    each = [np.flatnonzero(instances.frame == frame) for frame in frames]
    kept = [np.sort(rows[strongest(instances.score[rows], limit)]) for rows in each]
    return np.concatenate([np.empty(0, np.int64), *kept])


def _vectors(instances: Instances, size: int) -> np.ndarray:
    """What their keypoints look like; a keypoint that fell away after it was looked at has none."""
    vectors = instances.vectors.reshape(len(instances.frame), size)
    missing = np.isnan(instances.xy).any(-1)
    return np.where(np.repeat(missing, size // missing.shape[1], 1), np.float16(np.nan), vectors)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One after the other; some may have been decoded with room for more peaks."""
    if len(parts) == 1:
        return parts[0]
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    most = np.max([part.shape[1:] for part in parts], axis=0)
    room = [[(0, 0), *zip(np.zeros_like(most), most - part.shape[1:], strict=True)] for part in parts]
    return np.concatenate(
        [np.pad(part, wide, constant_values=-np.inf) for part, wide in zip(parts, room, strict=True)]
    )


def in_frame(seen: Seen, stage: Stage, fitted: Fitted) -> Seen:
    """Coordinates of pictures as pixels of the frame; divided in this order, as sleap-nn 0.3.5 does."""
    return seen.moved(lambda xy: unscaled(xy, stage.preparation) / fitted.ratio)


def _overflown(found: Arrays, threshold: float, pictures: int) -> np.ndarray:
    """Which pictures have more peaks above the threshold than were kept; heads of one peak tell of none."""
    if "next_value" not in found:
        return np.zeros(pictures, bool)
    overflown: np.ndarray = np.any(found["next_value"] > threshold, axis=-1)
    return overflown


def _filled(pictures: Images, size: int) -> Images:
    if len(pictures) == size:
        return pictures
    filled = np.zeros((size, *pictures.shape[1:]), pictures.dtype)
    filled[: len(pictures)] = pictures
    return filled
