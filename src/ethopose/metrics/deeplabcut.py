"""DeepLabCut's metrics, as its evaluate_network (3.0.1) computes them; its names, its units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from ethopose.metrics.scene import Scene, mean_confidence
from ethopose.metrics.similarity import (
    EPSILON,
    THRESHOLDS,
    average_precision,
    extents,
    labelled,
    similarity,
)

SIGMA = 0.1
ANY_LIKENESS = 1e-6  # OKS from which two animals are compared
NO_AREA = 1e-8  # px²; numpy's isclose calls it 0
NEIGHBOURS = 3  # found points that a labelled one may choose from


def deeplabcut(scenes: Sequence[Scene], pcutoff: float, *, single: bool) -> dict[str, float]:
    """DeepLabCut's rmse, rmse_pcutoff, mAP, mAR, rmse_detections and rmse_detections_pcutoff.

    Its rmse is the *mean distance* in px over matched points, rmse_pcutoff that of points with at least
    this confidence; rmse_detections takes each keypoint by itself, whatever animal it belongs to. mAP and
    mAR are per cent, of OKS with sigma 0.1 and animals of two labelled keypoints or more. `single`: one
    animal an image at most, which is compared however far it is. NaN where there is nothing to average.
    """
    ordered = [_by_confidence(scene) for scene in scenes]
    distances, confidences = _matched(ordered, single=single)
    near, near_confidences = _detections(ordered)
    precision, recall = _precision(ordered)
    return {
        "rmse": _mean(distances),
        "rmse_pcutoff": _mean(distances[confidences >= pcutoff]),
        "mAP": 100 * precision,
        "mAR": 100 * recall,
        "rmse_detections": _mean(near),
        "rmse_detections_pcutoff": _mean(near[near_confidences >= pcutoff]),
    }


def _mean(distances: Float64[np.ndarray, "point"]) -> float:
    known = distances[~np.isnan(distances)]
    return float(known.mean()) if len(known) else float("nan")


def _by_confidence(scene: Scene) -> Scene:
    """Without points of negative confidence, the animals of the highest mean confidence first."""
    gone = np.isnan(scene.found).any(axis=-1) | (scene.confidence < 0)
    found = np.where(gone[..., None], np.nan, scene.found)
    confidence = np.where(gone, np.nan, scene.confidence)
    mean = mean_confidence(confidence)
    order = np.argsort(-mean, kind="stable")
    order = order[~gone[order].all(axis=1)]
    return Scene(scene.truth, found[order], confidence[order], mean[order])


def _matched(scenes: Sequence[Scene], *, single: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distance and confidence of every keypoint of matched animals."""
    distances, confidences = [np.empty(0)], [np.empty(0)]
    for scene in scenes:
        if single:
            chosen = np.zeros(min(len(scene.found), len(scene.truth)), np.int64)
        else:
            chosen = _greedy(_likeness(scene), ANY_LIKENESS)
        rows = np.flatnonzero(chosen >= 0)
        away = np.linalg.norm(scene.found[rows] - scene.truth[chosen[rows]], axis=-1)
        distances.append(away.ravel())
        confidences.append(scene.confidence[rows].ravel())
    return np.concatenate(distances), np.concatenate(confidences)


def _likeness(scene: Scene) -> Float64[np.ndarray, "instance animal"]:
    area = (extents(scene.truth) + EPSILON).prod(axis=1)
    oks = similarity(scene.truth, scene.found, area, np.full(scene.truth.shape[1], SIGMA))
    oks[:, area < NO_AREA] = np.nan
    return oks


def _greedy(oks: Float64[np.ndarray, "instance animal"], threshold: float) -> Int64[np.ndarray, "instance"]:
    """The animal that each instance takes: the one it is most like, or -1 where that one is taken already."""
    chosen = np.full(len(oks), -1, np.int64)
    for row, values in enumerate(oks):
        known = np.where(np.isnan(values), -np.inf, values)
        if len(known) and known.max() >= threshold and known.argmax() not in chosen[:row]:
            chosen[row] = known.argmax()
    return chosen


def _precision(scenes: Sequence[Scene]) -> tuple[float, float]:
    """mAP and mAR, 0 to 1."""
    complete = [_of_two_points(scene) for scene in scenes]
    scores = np.concatenate([np.empty(0), *(scene.score for scene in complete)])
    total = sum(len(scene.truth) for scene in complete)
    order = np.argsort(-scores, kind="stable")
    likeness = [_likeness(scene) for scene in complete]
    pairs = []
    for threshold in THRESHOLDS:
        hits = [_greedy(oks, threshold) >= 0 for oks in likeness]
        pairs.append(average_precision(np.concatenate([np.empty(0, bool), *hits])[order], total))
    precision, recall = np.mean(pairs, axis=0)
    return float(precision), float(recall)


def _of_two_points(scene: Scene) -> Scene:
    animals = labelled(scene.truth).sum(axis=1) >= 2
    rows = labelled(scene.found).sum(axis=1) >= 2
    return Scene(scene.truth[animals], scene.found[rows], scene.confidence[rows], scene.score[rows])


def _detections(scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray]:
    """Distance and confidence of the found point that each labelled one gets, keypoint by keypoint."""
    distances, confidences = [np.empty(0)], [np.empty(0)]
    for scene in scenes:
        there, seen = labelled(scene.truth), labelled(scene.found)
        for keypoint in range(scene.truth.shape[1]):
            truth = scene.truth[there[:, keypoint], keypoint]
            found = scene.found[seen[:, keypoint], keypoint]
            if len(truth) and len(found):
                distance, place = _nearest(truth, found)
                distances.append(distance)
                confidences.append(scene.confidence[seen[:, keypoint], keypoint][place])
    return np.concatenate(distances), np.concatenate(confidences)


def _nearest(
    truth: Float64[np.ndarray, "point 2"], found: Float64[np.ndarray, "spot 2"]
) -> tuple[Float64[np.ndarray, "pair"], Int64[np.ndarray, "pair"]]:
    """Nearest first, each labelled point takes a free one of its nearest found ones: distance and place."""
    from scipy.spatial import KDTree  # takes a while to load

    distance, place = KDTree(found).query(truth, k=list(range(1, min(NEIGHBOURS, len(found)) + 1)))
    taken: dict[int, float] = {}
    for point in np.argsort(distance[:, 0], kind="stable"):
        free = [rank for rank, spot in enumerate(place[point]) if int(spot) not in taken]
        if free:
            taken[int(place[point][free[0]])] = float(distance[point][free[0]])
    return np.array(list(taken.values())), np.array(list(taken), np.int64)
