"""COCO's keypoint metrics, as pycocotools 2.0 computes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64

from ethopose.metrics.scene import Scene
from ethopose.metrics.similarity import EPSILON, THRESHOLDS, average_precision, extents, similarity

SIGMA = 0.05  # of every keypoint, until double labels tell better
MOST = 20  # animals an image that are looked at: the highest scores


def coco(scenes: Sequence[Scene], sigma: float | Sequence[float] = SIGMA) -> dict[str, float]:
    """AP, AP50, AP75 and AR, AR50, AR75 (0 to 1) over OKS 0.50:0.05:0.95; found animals too many count.

    `sigma`: one for all keypoints, or each keypoint's own. COCO takes an animal's area from its outline;
    here it is that of the box around its labelled keypoints. A keypoint that was not found counts as
    infinitely far. NaN where nobody is labelled, or where no animal has an area: single points have no OKS.
    """
    areas = np.concatenate([np.empty(0), *(extents(scene.truth).prod(axis=1) for scene in scenes)])
    if not np.any(areas > 0):
        return dict.fromkeys(("AP", "AP50", "AP75", "AR", "AR50", "AR75"), float("nan"))
    looked_at = [_best(scene) for scene in scenes]
    order = np.argsort(-np.concatenate([scene.score for scene in looked_at]), kind="stable")
    likeness = [_likeness(scene, sigma) for scene in looked_at]
    precisions, recalls = [], []
    for threshold in THRESHOLDS:
        hits = np.concatenate([_hits(oks, threshold) for oks in likeness])[order]
        precision, recall = average_precision(hits, len(areas))
        precisions.append(precision)
        recalls.append(recall)
    return {
        "AP": float(np.mean(precisions)),
        "AP50": precisions[0],
        "AP75": precisions[5],
        "AR": float(np.mean(recalls)),
        "AR50": recalls[0],
        "AR75": recalls[5],
    }


def _best(scene: Scene) -> Scene:
    order = np.argsort(-scene.score, kind="stable")[:MOST]
    return Scene(scene.truth, scene.found[order], scene.confidence[order], scene.score[order])


def _likeness(scene: Scene, sigma: float | Sequence[float]) -> Float64[np.ndarray, "instance animal"]:
    spread = np.broadcast_to(np.asarray(sigma, np.float64), scene.truth.shape[1:2])
    area = extents(scene.truth).prod(axis=1) + EPSILON
    return similarity(scene.truth, scene.found, area, spread)


def _hits(oks: Float64[np.ndarray, "instance animal"], threshold: float) -> Bool[np.ndarray, "instance"]:
    """Each found animal in turn takes the free labelled one that it is most like, the last of equals."""
    hits = np.zeros(len(oks), bool)
    free = np.ones(oks.shape[1], bool)
    for row, values in enumerate(oks):
        candidates = np.where(free, values, -1)[::-1]
        if len(candidates) and candidates.max() >= threshold:
            free[len(free) - 1 - candidates.argmax()] = False
            hits[row] = True
    return hits
