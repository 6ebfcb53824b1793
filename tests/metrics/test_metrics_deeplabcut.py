"""DeepLabCut's metrics against a plain, slow reference and against the tables that it wrote itself."""

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest

from ethopose.metrics import Scene, deeplabcut

NAMES = ("rmse", "rmse_pcutoff", "mAP", "mAR", "rmse_detections", "rmse_detections_pcutoff")


def likeness(found: np.ndarray, truth: np.ndarray) -> float:
    """One pair's OKS, keypoint by keypoint."""
    there = [k for k in range(len(truth)) if not np.isnan(truth[k]).any()]
    if len(there) < 2:
        return np.nan
    area = np.prod([np.ptp(truth[there, axis]) for axis in (0, 1)])
    if area < 1e-8:
        return np.nan
    terms = []
    for k in there:
        squared = np.sum((found[k] - truth[k]) ** 2)
        terms.append(0.0 if np.isnan(squared) else np.exp(-squared / (2 * area * (2 * 0.1) ** 2)))
    return np.mean(terms)


def takes(found: np.ndarray, truth: np.ndarray, threshold: float) -> dict[int, int]:
    """Which labelled animal each found one takes: its best or nothing, in the order given."""
    taken: dict[int, int] = {}
    for row, animal in enumerate(found):
        values = [likeness(animal, other) for other in truth]
        if values and not np.all(np.isnan(values)):
            best = int(np.nanargmax(values))
            if values[best] >= threshold and best not in taken.values():
                taken[row] = best
    return taken


def in_order(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort([-np.nanmean(confidence) for confidence in scene.confidence], kind="stable")
    return scene.found[order], scene.confidence[order]


def mean(pairs: list[tuple[float, float]], cutoff: float = -1) -> float:
    kept = [distance for distance, confidence in pairs if confidence >= cutoff and not np.isnan(distance)]
    return float(np.mean(kept)) if kept else float("nan")


def plain_rmse(scenes: list[Scene], single: bool) -> list[tuple[float, float]]:
    pairs = []
    for scene in scenes:
        found, confidence = in_order(scene)
        taken = takes(found, scene.truth, 1e-6)
        if single:
            taken = {0: 0} if len(found) and len(scene.truth) else {}
        for row, animal in taken.items():
            for k in range(found.shape[1]):
                pairs.append((np.linalg.norm(found[row, k] - scene.truth[animal, k]), confidence[row, k]))
    return pairs


def plain_detections(scenes: list[Scene]) -> list[tuple[float, float]]:
    pairs = []
    for scene in scenes:
        found, confidence = in_order(scene)
        for k in range(scene.truth.shape[1]):
            truth = [xy for xy in scene.truth[:, k] if not np.isnan(xy).any()]
            spots = [(xy, c) for xy, c in zip(found[:, k], confidence[:, k], strict=True) if not np.isnan(c)]
            choices = [sorted((np.linalg.norm(xy - at), place) for place, (xy, _) in enumerate(spots))
                       for at in truth]  # fmt: skip
            used: set[int] = set()
            for choice in sorted(choices):
                free = [(distance, place) for distance, place in choice[:3] if place not in used]
                if free:
                    used.add(free[0][1])
                    pairs.append((free[0][0], spots[free[0][1]][1]))
    return pairs


def plain_precision(scenes: list[Scene]) -> tuple[float, float]:
    precisions, recalls = [], []
    for threshold in np.linspace(0.5, 0.95, 10):
        hits, total = [], 0
        for scene in scenes:
            found, confidence = in_order(scene)
            several = (~np.isnan(found).any(axis=-1)).sum(axis=1) > 1
            found, confidence = found[several], confidence[several]
            truth = scene.truth[(~np.isnan(scene.truth).any(axis=-1)).sum(axis=1) > 1]
            total += len(truth)
            taken = takes(found, truth, threshold)
            hits += [(np.nanmean(confidence[row]), row in taken) for row in range(len(found))]
        hits.sort(key=lambda hit: -hit[0])
        curve = []
        for count in range(1, len(hits) + 1):
            right = sum(hit for _, hit in hits[:count])
            curve.append((right / total, right / count))
        wanted = np.linspace(0, 1, 101)
        best = [max((p for r, p in curve if r >= recall), default=0) for recall in wanted]
        precisions.append(np.mean(best))
        recalls.append(curve[-1][0] if curve else 0)
    return 100 * float(np.mean(precisions)), 100 * float(np.mean(recalls))


def test_every_number_is_the_plain_references(random_scenes, case):
    single = case == "one animal"
    numbers = deeplabcut(random_scenes, 0.6, single=single)
    matched, near = plain_rmse(random_scenes, single), plain_detections(random_scenes)
    expected = (
        mean(matched), mean(matched, 0.6), *plain_precision(random_scenes), mean(near), mean(near, 0.6)
    )  # fmt: skip
    assert numbers == pytest.approx(dict(zip(NAMES, expected, strict=True)), abs=1e-9, nan_ok=True)


def test_its_rmse_is_the_mean_distance():
    truth = np.array([[[0.0, 0.0], [100.0, 100.0]]])
    found = truth + np.array([[[0.0, 2.0], [0.0, 6.0]]])
    scene = Scene(truth, found, np.array([[0.9, 0.5]]), np.ones(1))
    numbers = deeplabcut([scene], 0.6, single=True)
    assert (numbers["rmse"], numbers["rmse_pcutoff"]) == (4, 2)


def test_a_point_of_negative_confidence_was_not_found():
    truth = np.array([[[0.0, 0.0], [100.0, 100.0]]])
    scene = Scene(truth, truth + 3, np.array([[0.9, -1.0]]), np.ones(1))
    assert deeplabcut([scene], 0.6, single=True)["rmse"] == pytest.approx(np.sqrt(18))


def images_and_values(file: Path) -> tuple[list[str], np.ndarray]:
    """A table that pandas wrote in its fixed format."""
    with h5py.File(file) as stored:
        table = stored["df_with_missing"]
        names = table["axis1_level2"][()][table["axis1_label2"][()]]
        return [name.decode() for name in names], table["block0_values"][()].astype(np.float64)


def test_its_own_predictions_give_the_table_that_it_wrote(shared_data):
    project = shared_data / "dlc3/real/openfield-Pranav-2018-10-30"
    folder = next((project / "evaluation-results-pytorch/iteration-0").glob("openfield*"))
    names, found = images_and_values(next(folder.glob("*best-4.h5")))
    labels = project / "training-datasets/iteration-0/UnaugmentedDataSet_openfieldOct30"
    same, truth = images_and_values(labels / "CollectedData_Pranav.h5")
    assert names == same
    written = next(csv.DictReader(next(folder.glob("*best-4-results.csv")).read_text().splitlines()))
    found, truth = found.reshape(len(names), 1, 4, 3), truth.reshape(len(names), 1, 4, 2)
    scenes = [
        Scene(at, rows[..., :2], rows[..., 2], rows[..., 2].mean(axis=1))
        for at, rows in zip(truth, found, strict=True)
    ]
    test = {file.name for file in (project / "labeled-data/m4s1").glob("*.png")}
    for split, chosen in (("train", False), ("test", True)):
        members = [scene for name, scene in zip(names, scenes, strict=True) if (name in test) is chosen]
        numbers = deeplabcut(members, float(written["pcutoff"]), single=True)
        for metric in ("rmse", "rmse_pcutoff", "mAP", "mAR"):
            assert round(numbers[metric], 2) == float(written[f"{split} {metric}"])
