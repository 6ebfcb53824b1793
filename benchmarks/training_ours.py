"""Train with `ethopose train` on a split for some minutes, and predict its held-out images.

    python training_ours.py --labels FOLDER --split split.json --minutes 5 --out OUT.json

All that a training does counts: reading the images, validation, pictures. Its last weights are measured, as
the peers' are, and not those that were best on these very images. `--subset 20`
learns from the split's nested subset of so many images.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import ethopose
from ethopose.train import train  # the import is start-up, which does not count for the peers either
from training_shared import read_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--subset", help="a key of the split's subsets")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    with tempfile.TemporaryDirectory() as folder:
        result = run(options, Path(folder))
    options.out.write_text(json.dumps(result) + "\n")


def run(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    split = json.loads(options.split.read_text())
    if options.subset:
        split["train"] = split["subsets"][options.subset]
    chosen = folder / "split.json"
    chosen.write_text(json.dumps({name: split[name] for name in ("train", "val")}))
    began = time.perf_counter()
    trained = train(
        options.labels,
        folder / "model",
        split=chosen,
        minutes=options.minutes,
        threads=options.threads,
        seed=options.seed,
    )
    took = time.perf_counter() - began
    rows = trained.rows
    shutil.copy(folder / "model/training/last.safetensors", folder / "model/weights.safetensors")
    return {
        "tool": "ethopose",
        "version": version("ethopose"),
        "dataset": options.labels.resolve().name,
        "minutes": options.minutes,
        "threads": options.threads,
        "seed": options.seed,
        "subset": options.subset,
        "train_s": round(took, 1),
        "steps": rows[-1].step,
        "batch": trained.plan.config.stages["single"].batch,
        "images_per_s": round(sum(row.images_per_s for row in rows) / len(rows), 2),
        "predictions": predictions(options, folder / "model"),
    }


def predictions(options: argparse.Namespace, model: Path) -> dict[str, list[list[float | None]]]:
    """Every held-out image through the model as anybody would run it."""
    labels = read_labels(options.labels, options.split)
    found: dict[str, list[list[float | None]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "images"
        place.mkdir()
        names = labels.names[labels.held_out]
        for number, image in enumerate(labels.images[labels.held_out]):
            (place / f"{number:06d}{image.suffix}").symlink_to(image.resolve())
        poses = ethopose.predict(place, model, peak_threshold=0.0, format="none").poses
    for number, name in enumerate(names):
        mine = np.flatnonzero(poses.frame == number)[:1]
        pose = np.full((len(labels.keypoints), 3), np.nan)
        if len(mine):
            pose = np.concatenate((poses.xy[mine[0]], poses.confidence[mine[0]][:, None]), 1)
        found[name] = [[None if np.isnan(v) else round(float(v), 3) for v in point] for point in pose]
    return found


if __name__ == "__main__":
    main()
