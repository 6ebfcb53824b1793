"""Heads without features to read: maps in, arrays and animals out."""

from __future__ import annotations

import numpy as np
import torch

from ethopose.models.grouping import Arrays, Context
from ethopose.models.heads.class_map import ClassMap
from ethopose.models.heads.confidence_map import ConfidenceMap
from ethopose.models.heads.part_affinity import PartAffinity

THRESHOLD = 0.2


def peaks_of(maps: np.ndarray, *, stride: int = 1, **options: object) -> Arrays:
    """What a confidence head finds in maps (batch keypoint height width)."""
    head = ConfidenceMap({stride: 1}, keypoints=maps.shape[1], stride=stride, **options)
    return _plain(head.decode({"maps": torch.from_numpy(maps)}, {}))


def lines_of(fields: np.ndarray, found: Arrays, edges: list, stride: int, **options: object) -> Arrays:
    """`found` with the score of every line between its peaks."""
    head = PartAffinity({stride: 1}, edges=edges, stride=stride, **options)
    return found | _plain(head.decode({"fields": torch.from_numpy(fields)}, _tensors(found)))


def classes_of(maps: np.ndarray, found: Arrays, stride: int) -> Arrays:
    """`found` with the probability of each class at its peaks."""
    head = ClassMap({stride: 1}, classes=maps.shape[1], stride=stride)
    return found | _plain(head.decode({"classes": torch.from_numpy(maps)}, _tensors(found)))


def context(batch: int = 1, threshold: float = THRESHOLD, limit: int | None = None) -> Context:
    return Context(threshold, limit, np.arange(batch))


def in_scan_order(found: Arrays, threshold: float = THRESHOLD) -> tuple[np.ndarray, ...]:
    """Unrefined peaks above the threshold, by sample, row, column and keypoint as the peer lists them.

    Gives their xy, value, sample, keypoint, and index among the peaks of their keypoint.
    """
    sample, keypoint, peak = np.nonzero(found["value"] > threshold)
    xy = found["xy"][sample, keypoint, peak]
    column, row = np.floor(xy).astype(int).T
    order = np.lexsort((keypoint, column, row, sample))
    return tuple(
        array[order] for array in (xy, found["value"][sample, keypoint, peak], sample, keypoint, peak)
    )


def _plain(found: dict[str, torch.Tensor]) -> Arrays:
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def _tensors(found: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in found.items()}
