"""DeepLabCut from nothing for some minutes, then its predictions. Run by the Python that has deeplabcut.

    PYTHON training_deeplabcut.py --labels FOLDER --split split.json --minutes 5 --out deeplabcut.json

Its configuration for `cspnext_s` as `create_training_dataset` writes it, on a project of the split's
images; two things differ: the backbone is not pretrained (nobody's is here), and it does not evaluate
itself on the test images meanwhile. The last weights predict, by its own `analyze_images`, whole frames.
"""

# ruff: noqa: E402 (the clock and the limit of cores come before the imports)
from __future__ import annotations

import tempfile
from pathlib import Path

import training_shared as peer

OPTIONS = peer.arguments(__doc__)

import deeplabcut
import pandas as pd
import torch
from deeplabcut.core.config import ProjectConfig
from deeplabcut.pose_estimation_pytorch import analyze_images

from deeplabcut_timed import train_timed

NETWORK, BATCH, SCORER = "cspnext_s", 8, "people"


def project(labels: peer.Labels, folder: Path) -> tuple[Path, list[Path]]:
    """Its config.yaml and its images, which it sorts by name: named by their place in the split."""
    place = folder / "labeled-data" / "frames"
    place.mkdir(parents=True)
    images = [place / f"{index:05d}{path.suffix}" for index, path in enumerate(labels.images)]
    for image, path in zip(images, labels.images, strict=True):
        image.symlink_to(path.resolve())
    levels = ["scorer", "bodyparts", "coords"]
    columns = pd.MultiIndex.from_product([[SCORER], labels.keypoints, ["x", "y"]], names=levels)
    rows = pd.MultiIndex.from_tuples([image.relative_to(folder).parts for image in images])
    table = pd.DataFrame(labels.xy.reshape(len(images), -1), rows, columns)
    table.to_hdf(place / f"CollectedData_{SCORER}.h5", key="df_with_missing", mode="w")
    config = ProjectConfig(
        Task="benchmark",
        scorer=SCORER,
        date="Jan1",
        project_path=folder,
        video_sets={"frames.mp4": {}},
        bodyparts=labels.keypoints,
        TrainingFraction=[round(labels.trained / len(images), 2)],
        iteration=0,
        snapshotindex=-1,
    )
    config.to_yaml(folder / "config.yaml")
    return folder / "config.yaml", images


def main() -> None:
    torch.set_num_threads(OPTIONS.threads)
    labels, clock = peer.read_labels(OPTIONS.labels, OPTIONS.split), peer.Clock(60 * OPTIONS.minutes)
    indices = list(range(len(labels.names)))
    with tempfile.TemporaryDirectory() as folder:
        config, images = project(labels, Path(folder))
        deeplabcut.create_training_dataset(
            config,
            Shuffles=[1],
            userfeedback=False,
            trainIndices=[indices[: labels.trained]],
            testIndices=[indices[labels.held_out]],
            net_type=NETWORK,
        )
        train_timed(config, clock, {"train_settings.seed": OPTIONS.seed})
        asked = images[labels.held_out]
        found = analyze_images(config, asked, device="cpu", output_dir=folder, progress_bar=False)
    names = labels.names[labels.held_out]
    predictions = {name: found[str(image)]["bodyparts"][0] for name, image in zip(names, asked, strict=True)}
    tool = {"tool": "DeepLabCut", "version": deeplabcut.__version__, "batch": BATCH}
    peer.write(OPTIONS, tool, clock, predictions)


if __name__ == "__main__":
    main()
