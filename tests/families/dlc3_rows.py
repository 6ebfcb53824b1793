"""Networks of DeepLabCut 3 that the shared recordings lack: what is kept of them, and how it is compared.

`tools/record_dlc3_networks.py` writes each into a file here, in the peer's environment; tests read them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from dlc3_nets import script

GOLDEN = Path(__file__).parent / "golden/dlc3"
PICTURE = GOLDEN / "picture.png"
SNAPSHOTS = {"manifest": "snapshot-001.pt", "detector_manifest": "snapshot-detector-001.pt"}
SAMPLES = 256  # values of a map


@dataclass(frozen=True)
class Row:
    """A network's `train` folder, and what the peer said of the picture."""

    folder: Path
    outputs: dict[str, np.ndarray]


def picture() -> np.ndarray:
    """RGB; its sides are multiples of 32, so that nothing is padded."""
    return cv2.cvtColor(cv2.imread(str(PICTURE)), cv2.COLOR_BGR2RGB)


def frames() -> np.ndarray:
    """The picture, its mirror image, and it on its head."""
    image = picture()
    return np.stack((image, image[:, ::-1], image[::-1]))


def kept(array: np.ndarray) -> dict[str, np.ndarray]:
    """Of an array its shape, values at places drawn by chance, the largest and the mean."""
    values = np.asarray(array, np.float32).ravel()
    places = np.random.default_rng(0).integers(0, values.size, min(SAMPLES, values.size))
    top, mean = np.abs(values).max(), values.mean(dtype=np.float64)
    return {"shape": np.array(array.shape), "values": values[places], "top": top, "mean": mean}


def assert_kept(array: np.ndarray, name: str, outputs: dict[str, np.ndarray]) -> None:
    """An array is the one that was recorded under a name, within 1e-4 of its largest value."""
    exact = 1e-4 * outputs[f"{name}/top"]
    for what, ours in kept(array).items():
        np.testing.assert_allclose(ours, outputs[f"{name}/{what}"], rtol=0, atol=exact, err_msg=what)


def make_row(data: Path, name: str, folder: Path) -> Row:
    """A `train` folder with the weights of the recording; those that it needs none of are empty files."""
    with np.load(GOLDEN / f"{name}.npz") as stored:
        outputs = dict(stored)
    train = folder / name / "train"
    train.mkdir(parents=True)
    (train / "pytorch_config.yaml").write_text(str(outputs["config"]))
    for manifest, snapshot in SNAPSHOTS.items():
        (train / snapshot).touch()
        if manifest in outputs:
            write_weights(data, str(outputs[manifest]), train / snapshot)
    return Row(train, outputs)


def write_weights(data: Path, manifest: str, snapshot: Path) -> None:
    """A snapshot by the recipe of weights."""
    told, synth = json.loads(manifest), recipe(data)
    synth.GAIN = told["gain"]
    state = synth.to_torch(synth.synth_state(told, told["seed"]))
    torch.save({"model": state, "metadata": {"epoch": 1, "metrics": {}, "losses": {}}}, snapshot)


@cache
def recipe(data: Path):
    """How weights are drawn by their names."""
    return script(data / "synth_weights.py")
