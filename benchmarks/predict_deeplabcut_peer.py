"""DeepLabCut on a rendered world: trains a model from nothing for some minutes, or analyses a video with it.

    PYTHON predict_deeplabcut_peer.py train WORLD NETWORK [--detector NAME] --minutes 8
    PYTHON predict_deeplabcut_peer.py analyze WORLD NETWORK VIDEO

Run by the Python that has deeplabcut. WORLD is a folder that `predict_deeplabcut.py` made; the project lies
in it, each network a shuffle of its own. `train` prints the `train` folder; `analyze` prints JSON: seconds
of `analyze_videos` from the start of its inference, models loaded, to its end, files written.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import deeplabcut
import numpy as np
import pandas as pd
from deeplabcut.core.config import ProjectConfig
from deeplabcut.pose_estimation_pytorch import DLCLoader, analyze_videos
from deeplabcut.pose_estimation_pytorch.apis import videos

import training_shared as peer
from deeplabcut_timed import train_timed

SCORER, BATCH = "people", 8
EPOCHS = 10_000  # the clock ends it
TRAINED_AT_ONCE, TRAINED_SIZE = 2, 160  # images and px of their crops: more steps in the minutes


def project(world: Path) -> Path:
    """The project of a world: every labelled image of `labels.npz`, one in twenty for testing."""
    config = world / "project" / "config.yaml"
    if config.is_file():
        return config
    with np.load(world / "labels.npz") as stored:
        xy, keypoints = stored["xy"], stored["keypoints"].tolist()
    several = xy.shape[1] > 1
    animals = [f"animal{number}" for number in range(1, xy.shape[1] + 1)]
    names = [SCORER], *([animals] if several else []), keypoints, ["x", "y"]
    levels = ["scorer", *(["individuals"] if several else []), "bodyparts", "coords"]
    place = config.parent / "labeled-data" / "world"
    place.parent.mkdir(parents=True)
    place.symlink_to((world / "images").resolve())
    rows = [("labeled-data", "world", image.name) for image in sorted(place.glob("*.png"))]
    table = pd.DataFrame(
        xy.reshape(len(rows), -1),
        pd.MultiIndex.from_tuples(rows),
        pd.MultiIndex.from_product(names, names=levels),
    )
    table.to_hdf(place / f"CollectedData_{SCORER}.h5", key="df_with_missing", mode="w")
    parts = {"bodyparts": keypoints}
    if several:
        parts = {
            "bodyparts": "MULTI!",
            "multianimalbodyparts": keypoints,
            "uniquebodyparts": [],
            "individuals": animals,
        }
    ProjectConfig(
        Task="world",
        scorer=SCORER,
        date="Jan1",
        multianimalproject=several,
        project_path=config.parent,
        video_sets={str(config.parent / "videos" / "world.mp4"): {"crop": "0, 1, 0, 1"}},
        TrainingFraction=[0.95],
        iteration=0,
        snapshotindex=-1,
        detector_snapshotindex=-1,
        **parts,
    ).to_yaml(config)
    return config


def shuffle_of(config: Path, network: str) -> int:
    """The number that a network's shuffle has: its place among those that were made."""
    known = config.parent / "networks.json"
    names = json.loads(known.read_text()) if known.is_file() else []
    if network not in names:
        names.append(network)
        known.write_text(json.dumps(names))
    return names.index(network) + 1


def train(options: argparse.Namespace) -> None:
    config = project(options.world)
    shuffle = shuffle_of(config, options.network)
    with np.load(options.world / "labels.npz") as stored:
        images = np.arange(len(stored["xy"])).tolist()
    deeplabcut.create_training_dataset(
        config,
        Shuffles=[shuffle],
        userfeedback=False,
        trainIndices=[images[:-3]],
        testIndices=[images[-3:]],
        net_type=options.network,
        detector_type=options.detector,
    )
    folder = DLCLoader(config, shuffle=shuffle).model_folder
    own = {"model.backbone.freeze_bn_stats": False, "train_settings.batch_size": TRAINED_AT_ONCE}
    if not options.detector:
        own |= {f"data.train.crop_sampling.{side}": TRAINED_SIZE for side in ("width", "height")}
    if options.detector:
        boxes = {
            "detector.train_settings.batch_size": TRAINED_AT_ONCE,
            "detector.runner.eval_interval": 10_000,
        }
        train_timed(config, peer.Clock(60 * options.minutes), own | boxes, shuffle, epochs=0)
    train_timed(config, peer.Clock(60 * options.minutes), own, shuffle, epochs=EPOCHS, detector_epochs=0)
    print(folder)


def analyze(options: argparse.Namespace) -> None:
    config = project(options.world)
    began: list[float] = []
    infer = videos.video_inference

    def timed(*arguments, **keywords):
        began.append(time.perf_counter())
        return infer(*arguments, **keywords)

    videos.video_inference = timed
    with tempfile.TemporaryDirectory() as folder:
        analyze_videos(
            config,
            str(options.video),
            shuffle=shuffle_of(config, options.network),
            device="cpu",
            batch_size=BATCH,
            detector_batch_size=BATCH,
            destfolder=folder,
            auto_track=False,
        )
        written = sorted(path.name for path in Path(folder).iterdir())
    print(json.dumps({"seconds": time.perf_counter() - began[0], "files": written}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for command in (train, analyze):
        own = commands.add_parser(command.__name__)
        own.set_defaults(command=command)
        own.add_argument("world", type=Path)
        own.add_argument("network")
    commands.choices["train"].add_argument("--detector")
    commands.choices["train"].add_argument("--minutes", type=float, required=True)
    commands.choices["analyze"].add_argument("video", type=Path)
    options = parser.parse_args()
    options.command(options)


if __name__ == "__main__":
    sys.exit(main())
