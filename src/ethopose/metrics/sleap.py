"""SLEAP's metrics, as the evaluator of sleap-nn 0.3.5 computes them; its names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from ethopose.metrics.scene import Scene
from ethopose.metrics.similarity import (
    EPSILON,
    THRESHOLDS,
    average_precision,
    extents,
    labelled,
    similarity,
)

SIGMA = 0.025
NO_AREA = 1e-9  # px²; animals below it are matched by distance
REACH = 50.0  # px; the mean distance at which such a match is worth nothing
PIXELS = np.arange(1.0, 11.0)
PERCENTILES = (50, 75, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class _Matches:
    """Matched animals over all scenes."""

    oks: Float64[np.ndarray, "pair"]
    score: Float64[np.ndarray, "pair"]
    distance: Float64[np.ndarray, "pair keypoint"]  # px; NaN: missing in either
    seen: Bool[np.ndarray, "pair keypoint"]
    labelled: Bool[np.ndarray, "pair keypoint"]
    total: int  # labelled animals


def sleap(scenes: Sequence[Scene]) -> dict[str, float]:
    """SLEAP's OKS and PCK precision and recall, mOKS, distances and PCK of matched animals.

    OKS has sigma 0.025; found animals beyond the labelled ones count nowhere; PCK counts points that
    are *not labelled* as misses; distances are in px, everything else 0 to 1. NaN where nothing matched,
    but 0 for mAP and mAR.
    """
    matches = _matches(scenes)
    away = np.where(np.isnan(matches.distance), np.inf, matches.distance)
    within = away[..., None] < PIXELS
    pck = within.mean(axis=(1, 2)) if len(within) else np.empty(0)
    known = matches.distance[~np.isnan(matches.distance)]
    both = int((matches.seen & matches.labelled).sum())
    return {
        **_precision("oks_voc", matches.oks, matches),
        **_precision("pck_voc", pck, matches),
        "mOKS": _mean(matches.oks),
        "avg": _mean(known),
        **{
            f"p{share}": float(np.percentile(known, share)) if len(known) else np.nan for share in PERCENTILES
        },
        "mPCK": _mean(pck),
        "PCK@5": _mean(within[..., 4]),
        "PCK@10": _mean(within[..., 9]),
        "visibility_precision": _share(both, matches.seen),
        "visibility_recall": _share(both, matches.labelled),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _share(count: int, of: Bool[np.ndarray, "pair keypoint"]) -> float:
    return count / int(of.sum()) if of.any() else float("nan")


def _precision(name: str, values: Float64[np.ndarray, "pair"], matches: _Matches) -> dict[str, float]:
    """Mean precision and recall of matches that are worth the thresholds."""
    pairs = [(0.0, 0.0)]
    if len(values):
        ranked = values[np.argsort(-matches.score, kind="stable")]
        pairs = [average_precision(ranked >= threshold, matches.total) for threshold in THRESHOLDS]
    precision, recall = np.mean(pairs, axis=0)
    return {f"{name}.mAP": float(precision), f"{name}.mAR": float(recall)}


def _matches(scenes: Sequence[Scene]) -> _Matches:
    oks: list[float] = []
    score: list[float] = []
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for scene in scenes:
        worth = _worth(scene)
        free = np.ones(len(scene.truth), bool)
        for row in np.argsort(-scene.score, kind="stable"):
            values = np.where(free & (worth[row] > 0), worth[row], -1.0)
            if not len(values) or values.max() <= 0:
                continue
            best = int(values.argmax())
            free[best] = False
            oks.append(float(values[best]))
            score.append(float(scene.score[row]))
            pairs.append((scene.truth[best], scene.found[row]))
    keypoints = scenes[0].truth.shape[1] if scenes else 0
    truth, found = np.array(pairs).reshape(len(pairs), 2, keypoints, 2).transpose(1, 0, 2, 3)
    distance = np.linalg.norm(found - truth, axis=-1)
    total = sum(len(scene.truth) for scene in scenes)
    return _Matches(np.array(oks), np.array(score), distance, labelled(found), labelled(truth), total)


def _worth(scene: Scene) -> Float64[np.ndarray, "instance animal"]:
    """OKS of every pair; for animals without area how far the mean distance is from 50 px."""
    area = extents(scene.truth).prod(axis=1)
    spread = np.full(scene.truth.shape[1], SIGMA)
    oks = similarity(scene.truth, scene.found, area + EPSILON, spread)
    flat = area < NO_AREA
    away = np.linalg.norm(scene.found[:, None] - scene.truth[None, flat], axis=-1)
    known = ~np.isnan(away)
    mean = np.where(known, away, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    oks[:, flat] = np.where(known.any(axis=-1), np.maximum(0, 1 - mean / REACH), 0)
    return oks
