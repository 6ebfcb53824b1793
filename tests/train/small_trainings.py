"""Trainings of seconds: small worlds, narrow networks, one thread."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from safetensors.torch import load_file
from torch import Tensor

from ethopose.core import Labels
from ethopose.testing import World
from ethopose.train import Plan
from ethopose.train.journal import Row

ONE = World(animals=1, keypoints=3, size=(64, 64), frames=16, seed=1)
TWO = World(animals=2, keypoints=3, size=(64, 96), frames=16, seed=3, alike=False)
TINY: dict[str, Any] = {
    "every_stage": {
        "backbone": {"name": "nano", "options": {"width": 8}},
        "neck": {"name": "fpn", "options": {"width": 8, "stride": 4}},
        "batch": 4,
        "steps": 8,
    },
    "loop": {"device": "cpu", "threads": 1, "precision": "fp32", "validations": 2},
}


def tiny(**more: Any) -> dict[str, Any]:
    """The configuration of a training of seconds, with more in it."""
    return merged(TINY, more)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries as one; the other's values count. Parts, which have a name, are replaced whole."""
    both = dict(one)
    for key, value in other.items():
        deeper = isinstance(value, Mapping) and isinstance(both.get(key), Mapping) and "name" not in value
        both[key] = merged(both[key], value) if deeper else value
    return both


def labelled(folder: Path, world: World) -> Labels:
    """All frames of a world, labelled, of a clip in the folder."""
    return world.labels(range(world.frames), world.write(folder / "clip.mp4"))


def weights(model: Path) -> dict[str, Tensor]:
    """What the model's folder holds."""
    return load_file(model / "weights.safetensors")


def journal(model: Path) -> list[dict[str, str]]:
    """The rows of `metrics.csv`."""
    with (model / "training/metrics.csv").open() as file:
        return list(csv.DictReader(file))


@dataclass
class Told:
    """Looks on and remembers."""

    lines: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    bars: list[tuple[str, int, int]] = field(default_factory=list)

    def plan(self, plan: Plan) -> None:
        self.plans.append(plan)

    def bar(self, what: str, done: int, total: int) -> None:
        self.bars.append((what, done, total))

    def row(self, row: Row) -> None:
        self.rows.append(row)

    def say(self, text: str) -> None:
        self.lines.append(text)


def coco_project(folder: Path, world: World) -> Path:
    """The world's labels on disk, as a COCO project of images."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    labels = world.labels(range(world.frames))
    images = [{"id": n, "file_name": f"img{n:03d}.png"} for n in range(world.frames)]
    for image, picture in zip(images, world.images(0, world.frames), strict=True):
        encoded = cv2.imencode(".png", picture[..., ::-1])[1]
        (folder / "images" / str(image["file_name"])).write_bytes(encoded.tobytes())
        image |= {"height": picture.shape[0], "width": picture.shape[1]}
    points = np.concatenate((np.nan_to_num(labels.poses.xy), labels.visibility[..., None]), -1)
    rows = [
        {"id": n, "image_id": int(labels.poses.frame[n]), "category_id": 1, "keypoints": row.ravel().tolist()}
        for n, row in enumerate(points)
    ]
    category = {"id": 1, "name": "mouse", "keypoints": list(world.skeleton.keypoints)}
    content = {"images": images, "annotations": rows, "categories": [category]}
    (folder / "annotations/train.json").write_text(json.dumps(content))
    return folder


def conditions_file(labels: Labels, path: Path) -> Path:
    """The labels as poses that another model found."""
    poses = labels.poses
    frames = [poses.xy[poses.frame == number] for number in range(len(labels.images))]
    told = [[[[*map(float, xy), 0.9] for xy in animal] for animal in frame] for frame in frames]
    path.write_text(json.dumps(told))
    return path


def config_file(folder: Path, **more: Any) -> Path:
    """`tiny` as a file."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny(**more)))
    return path
