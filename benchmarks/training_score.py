"""Errors of predictions on withheld images, by one definition for all tools.

    python training_score.py --labels FOLDER --split split.json RESULT.json...

Prints a row a result. A labelled keypoint that a tool did not find counts as an error of the image's
diagonal, the largest there is, in median, mean and RMSE alike, and as a miss in PCK: a tool gains
nothing by holding back its doubtful points. `missing` says how many. Confidences are not looked at.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from training_shared import read_labels

PCK_LIMITS = 2, 5, 10  # px


def score(
    predictions: Mapping[str, ArrayLike], truth: Mapping[str, ArrayLike], diagonal: float
) -> dict[str, float]:
    """Errors in px over the labelled points of `truth`.

    Both give `(keypoints, 2 or more)` for an image's name: x and y in px, NaN or None where there is none;
    images without a prediction are missing whole. `diagonal` is the image's, in px.
    """
    names = sorted(truth)
    true = np.concatenate([_xy(truth[name]) for name in names])
    found = np.concatenate(
        [_xy(predictions.get(name, np.full_like(_xy(truth[name]), np.nan))) for name in names]
    )
    labelled = ~np.isnan(true).any(axis=1)
    away = np.linalg.norm(found - true, axis=1)[labelled]
    missing = np.isnan(away)
    away[missing] = diagonal
    shares = {f"PCK@{limit}": float((away <= limit).mean()) for limit in PCK_LIMITS}
    return {
        "n": int(labelled.sum()),
        "missing": int(missing.sum()),
        "median": float(np.median(away)),
        "mean": float(away.mean()),
        "rmse": float(np.sqrt((away**2).mean())),
        **shares,
    }


def _xy(points: ArrayLike) -> np.ndarray:
    return np.asarray(points, dtype=float)[:, :2]  # None becomes NaN


def main() -> None:
    import cv2

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("results", type=Path, nargs="+")
    options = parser.parse_args()
    labels = read_labels(options.labels, options.split)
    truth = dict(zip(labels.names[labels.held_out], labels.xy[labels.held_out], strict=True))
    diagonal = float(np.hypot(*cv2.imread(str(labels.images[-1])).shape[:2]))
    columns = ["steps", "images_per_s", "n", "missing", "median", "mean", "rmse", "PCK@2", "PCK@5", "PCK@10"]
    print("| tool | minutes | " + " | ".join(columns) + " |\n" + "| --- " * (2 + len(columns)) + "|")
    for path in options.results:
        told = json.loads(path.read_text())
        row = told | score(told["predictions"], truth, diagonal)
        figures = " | ".join(f"{row[column]:.4g}" for column in columns)
        print(f"| {told['tool']} {told['version']} | {told['minutes']:g} | {figures} |")


if __name__ == "__main__":
    main()
