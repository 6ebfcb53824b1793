"""Record what DeepLabCut 3 finds in a video by a conditional network, for tests/families.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1
    python tools/record_dlc3_conditional.py DATA

DATA is the folder of shared recordings, whose trained network finds the conditions, in a copy of its project.
Writes tests/families/golden/dlc3_conditional.npz: the poses of the first frames, and the names and shapes of
the conditional network's weights. Half a minute.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from deeplabcut.pose_estimation_pytorch.apis.utils import get_pose_inference_runner
from deeplabcut.pose_estimation_pytorch.config import PoseConfig
from deeplabcut.pose_estimation_pytorch.config.ctd_conditions import ConditionsModelConfig
from deeplabcut.pose_estimation_pytorch.models.model import PoseModel

FOLDER = Path(__file__).parents[1] / "tests/families"
sys.path.insert(0, str(FOLDER))
import dlc3_pairs as pairs  # noqa: E402  it stands beside the tests


def main(data: Path) -> None:
    torch.set_num_threads(2)
    synth = pairs.script(data / "synth_weights.py")
    with TemporaryDirectory() as temporary:
        project = Path(temporary) / "project"
        first, second = pairs.make_pair(data, project)
        config = PoseConfig.from_yaml(second / "pytorch_config.yaml")
        manifest = synth.manifest_of(PoseModel.build(config["model"]).state_dict())
        pairs.write_weights(data, second, manifest)
        told = ConditionsModelConfig(
            config_path=first / "pytorch_config.yaml", snapshot_path=max(first.glob("snapshot-best*.pt"))
        )
        runner = get_pose_inference_runner(
            config, second / "snapshot-001.pt", batch_size=1, device="cpu", cond_provider=told
        )
        found = runner.inference(frames(next(project.glob("videos/*.mp4"))))
    np.savez_compressed(
        FOLDER / "golden/dlc3_conditional.npz",
        poses=np.stack([frame["bodyparts"] for frame in found]).astype(np.float32),
        boxes=np.stack([frame["bboxes"] for frame in found]),
        manifest=np.array(json.dumps(manifest)),
    )


def frames(video: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    return [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(pairs.FRAMES)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
