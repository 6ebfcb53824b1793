"""Results of the predictions that DeepLabCut's recorded files were written from."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ethopose.core import Poses, Skeleton

CASES = ("single", "multi_plain_100_frames", "multi_unique_identity", "topdown_box_tracker")


def recorded(folder: Path, ending: str) -> Path:
    """The file of a case with this ending."""
    (found,) = (path for path in folder.glob("clip*") if path.name.endswith(ending))
    return found


def given(folder: Path) -> tuple[Poses, dict[str, Any]]:
    """The poses of a case, and what else `make_result` is to be told."""
    arrays = dict(np.load(folder / "given_predictions.npz"))
    config = yaml.safe_load((folder / "project_pytorch_config.yaml").read_text())
    project = yaml.safe_load((folder / "project_config.yaml").read_text())
    metadata = config["metadata"]
    individuals = tuple(metadata["individuals"]) if metadata["with_identity"] else ()
    unique = tuple(metadata["unique_bodyparts"])
    skeleton = Skeleton((*metadata["bodyparts"], *unique), individuals=individuals, unique=unique)
    poses, extra = _rows(arrays, skeleton)
    count = len(arrays["bodyparts"])
    config["runner"]["scheduler"]["params"]["lr_list"] = _numbers(
        config["runner"]["scheduler"]["params"]["lr_list"]
    )
    name = recorded(folder, "_meta.pickle").name.removeprefix("clip").removesuffix("_meta.pickle")
    facts = {
        "config": config,
        "multi_animal": project["multianimalproject"],
        "individuals": metadata["individuals"],
        "iteration": project["iteration"],
        "training_fraction": project["TrainingFraction"][0],
    }
    return poses, {
        "frames": np.arange(count),
        "extra": extra,
        "batch": 8,
        "provenance": {
            "deeplabcut": facts,
            "timestamp_start": "2026-11-22T00:00:00+00:00",
            "runtime_sec": 2.5,
        },
        "model": {"name": name, "digest": "d"},
        "video": {"path": "clip.mp4", "frames": count, "width": 320, "height": 240, "fps": 25.0},
    }


def _numbers(rates: list[list[Any]]) -> list[list[float]]:
    return [[float(rate) for rate in group] for group in rates]  # YAML 1.1 reads 1e-05 as a text


def _rows(arrays: dict[str, np.ndarray], skeleton: Skeleton) -> tuple[Poses, dict[str, np.ndarray]]:
    """A row for each animal that is there; unique keypoints are one more in each frame."""
    animals, n_unique = arrays["bodyparts"][..., :3], len(skeleton.unique)
    frame, place = np.nonzero(~(animals == -1).all(axis=(2, 3)))
    columns = [np.full((len(frame), 0), np.nan)]
    names: list[str] = []
    if "bboxes" in arrays:
        names += ["box.x", "box.y", "box.width", "box.height", "box.score"]
        columns += [arrays["bboxes"][frame, place], arrays["bbox_scores"][frame, place][:, None]]
    if "identity_scores" in arrays:
        keypoints = skeleton.keypoints[: animals.shape[2]]
        names += [f"{keypoint}.{name}" for keypoint in keypoints for name in skeleton.individuals]
        columns.append(arrays["identity_scores"][frame, place].reshape(len(frame), -1))
    extra = np.concatenate(columns, axis=1).astype(np.float32)
    points = np.pad(animals[frame, place], ((0, 0), (0, n_unique), (0, 0)), constant_values=np.nan)
    if n_unique:
        row = np.full((len(animals), *points.shape[1:]), np.nan, np.float32)
        row[:, -n_unique:] = arrays["unique_bodyparts"][:, 0]
        points = np.concatenate([row, points])
        extra = np.concatenate([np.full((len(animals), len(names)), np.nan, np.float32), extra])
        frame = np.append(np.arange(len(animals)), frame)
        place = np.append(np.full(len(animals), -1), place)
    order = np.argsort(frame, kind="stable")
    poses = Poses(
        skeleton,
        frame=frame[order],
        xy=points[order][..., :2],
        confidence=np.nan_to_num(points[order][..., 2]),  # as a model says it of what it did not find
        score=np.ones(len(order), np.float32),
        individual=(place if skeleton.individuals else np.full(len(place), -1))[order].astype(np.int16),
    )
    return poses, dict(zip(names, extra[order].T, strict=True))
