"""How far a network is from what people placed, on pictures that it is not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from lightning_fabric import Fabric

from ethopose.core import InferenceError, Poses, Skeleton
from ethopose.metrics.points import Points, compare_points
from ethopose.models.build import DecodeGraph, NetworkGraph
from ethopose.models.grouping import GROUPINGS, Context, Grouping, Instances
from ethopose.models.spec import Stage
from ethopose.train.batches import Batches
from ethopose.train.devices import free_memory, is_out_of_memory

AT_ONCE = 8  # pictures, as long as memory holds them
SINGLE = ("one_each", "class_vector")  # groupings in which every picture shows one animal


@dataclass(frozen=True, slots=True)
class Checked:
    """What a validation found, in pixels of the frames."""

    median: float  # NaN where nothing was found
    mean: float
    missing: float  # share of the labelled keypoints
    extra: float  # animals a picture that nobody labelled
    score: float  # geometric mean error (of error + 1, less 1); missing and extra err by an animal's length
    overflown: int  # pictures with more peaks than are kept
    points: Points


class Validation:
    """The examples that a stage is checked on, and how."""

    def __init__(self, batches: Batches, stage: Stage, skeleton: Skeleton, length: float) -> None:
        self.batches, self.stage, self.length = batches, stage, length
        self.skeleton = Skeleton(("centroid",)) if batches.examples.centroid else skeleton
        self.grouping: Grouping = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
        single = stage.grouping.name in SINGLE
        self.threshold = -1.0 if single else stage.peak_threshold
        self.rows = np.arange(len(batches.examples))
        self.at_once = AT_ONCE

    def __call__(self, graph: NetworkGraph, fabric: Fabric) -> Checked:
        """Check a network that is in evaluation mode, in the precision that it is trained in."""
        found, truth, overflown = [], [], 0
        decode, done = DecodeGraph(graph), 0
        while done < len(self.rows):
            rows = self.rows[done : done + self.at_once]
            try:
                instances, placed, more = self._batch(graph, decode, rows, fabric)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self.at_once == 1:
                    fix = "choose a smaller scale, or --preset fast"
                    raise InferenceError("out of memory with one whole picture", fix=fix) from error
                self.at_once //= 2
                free_memory(fabric.device)
                continue
            done += len(rows)
            found.append(instances)
            truth.append(placed)
            overflown += more
        return self._compare(found, np.concatenate(truth), overflown)

    def _batch(
        self, graph: NetworkGraph, decode: DecodeGraph, rows: np.ndarray, fabric: Fabric
    ) -> tuple[Instances, np.ndarray, int]:
        batch = self.batches.plain(rows)
        with torch.inference_mode():
            with fabric.autocast():
                maps = [output for outputs in graph.outputs(batch.images) for output in outputs.values()]
            names, arrays = decode.names, decode(*maps)
        found = {name: array.float().cpu().numpy() for name, array in zip(names, arrays, strict=True)}
        instances = self.grouping(found, Context(self.threshold, None, rows))
        more = int(np.any(found["next_value"] > self.threshold, 1).sum()) if "next_value" in found else 0
        xy = instances.xy / batch.scale[instances.picture][:, None]
        truth = batch.truth.xy.cpu().numpy() / batch.scale[:, None, None]
        return replace(instances, xy=xy), truth, more

    def _compare(self, found: list[Instances], truth: np.ndarray, overflown: int) -> Checked:
        rows, animal = np.nonzero(np.isfinite(truth).any((2, 3)))
        placed = _poses(self.skeleton, self.rows[rows], truth[rows, animal])
        frame, xy, confidence = (
            np.concatenate([getattr(each, name) for each in found]) for name in ("frame", "xy", "confidence")
        )
        points = compare_points(_poses(self.skeleton, frame, xy, confidence), placed)
        labelled = points[points.labelled]
        error = labelled.error[labelled.seen]
        extra = points.truth_row < 0
        wrong = np.concatenate((np.nan_to_num(labelled.error, nan=np.inf), np.full(extra.sum(), np.inf)))
        counted = np.log1p(np.minimum(wrong, self.length))
        return Checked(
            median=float(np.median(error)) if len(error) else float("nan"),
            mean=float(error.mean()) if len(error) else float("nan"),
            missing=float(1 - len(error) / max(len(labelled), 1)),
            extra=len(np.unique(points.row[extra])) / max(len(self.rows), 1),
            score=float(np.expm1(counted.mean())) if len(counted) else float("nan"),
            overflown=overflown,
            points=points,
        )


def _poses(
    skeleton: Skeleton, frame: np.ndarray, xy: np.ndarray, confidence: np.ndarray | None = None
) -> Poses:
    known = np.isfinite(xy).all(-1)
    return Poses(
        skeleton,
        frame.astype(np.int64),
        xy.astype(np.float32),
        np.where(known, 1, np.nan).astype(np.float32) if confidence is None else confidence,
        np.ones(len(frame), np.float32),
    )
