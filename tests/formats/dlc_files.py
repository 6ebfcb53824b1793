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
    skeleton = Skeleton(tuple(metadata["bodyparts"]), individuals=individuals, unique=unique)
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
    """A row for each animal that is there, and where there are unique keypoints one for them in each frame."""
    animals, n_keypoints = arrays["bodyparts"][..., :3], len(skeleton.keypoints)
    frame, place = np.nonzero(~(animals == -1).all(axis=(2, 3)))
    found = animals[frame, place]
    extra: dict[str, np.ndarray] = {}
    if "bboxes" in arrays:
        boxes = np.concatenate([arrays["bboxes"], arrays["bbox_scores"][..., None]], axis=2)[frame, place]
        names = ("box.x", "box.y", "box.width", "box.height", "box.score")
        extra |= dict(zip(names, boxes.T, strict=True))
    if "identity_scores" in arrays:
        scores = arrays["identity_scores"][frame, place].astype(np.float32)
        for number, keypoint in enumerate(skeleton.keypoints):
            for index, individual in enumerate(skeleton.individuals):
                extra[f"{keypoint}.{individual}"] = scores[:, number, index]
    if skeleton.unique:
        count = len(animals)
        frame, place = np.append(frame, np.arange(count)), np.append(place, np.full(count, -1))
        found = np.concatenate([found, np.full((count, n_keypoints, 3), np.nan, np.float32)])
        extra = {name: np.append(column, np.full(count, np.nan)) for name, column in extra.items()}
        for number, name in enumerate(skeleton.unique):
            for axis, column in zip(
                ("x", "y", "confidence"), arrays["unique_bodyparts"][:, 0, number].T, strict=True
            ):
                extra[f"{name}.{axis}"] = np.append(np.full(len(frame) - count, np.nan), column)
    order = np.argsort(frame, kind="stable")
    poses = Poses(
        skeleton,
        frame=frame[order],
        xy=found[order][..., :2],
        confidence=found[order][..., 2],
        score=np.ones(len(order), np.float32),
        individual=(place if skeleton.individuals else np.full(len(place), -1))[order].astype(np.int16),
    )
    return poses, {name: column[order].astype(np.float32) for name, column in extra.items()}
