"""Record what DeepLabCut 3 makes of frames that hang on the ones before, for tests/predict and /families.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1
    python tools/record_dlc3_following.py DATA

DATA is the folder of shared recordings. Writes tests/predict/golden/dlc3_tracks.npz, the tracks that its own
runner makes of animals on paper (tests/predict/followed_world.py), and
tests/families/golden/dlc3_conditional_tracks.npz, those of real networks in the first frames of the recorded
video: the project's own, and a conditional one of drawn weights. A minute.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from deeplabcut.pose_estimation_pytorch.apis.utils import get_pose_inference_runner
from deeplabcut.pose_estimation_pytorch.config import PoseConfig
from deeplabcut.pose_estimation_pytorch.config.ctd_conditions import ConditionsModelConfig
from deeplabcut.pose_estimation_pytorch.data import postprocessor, preprocessor
from deeplabcut.pose_estimation_pytorch.runners.ctd import CTDTrackingConfig
from deeplabcut.pose_estimation_pytorch.runners.inference import CTDInferenceRunner

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "families"), str(TESTS / "predict"), str(Path(__file__).parent)]
import dlc3_pairs as pairs  # noqa: E402  they stand beside the tests
import followed_world as world  # noqa: E402

from record_dlc3_conditional import frames  # noqa: E402


class OnPaper(CTDInferenceRunner):
    """The peer's runner, whose networks are the truth."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            torch.nn.Identity(),
            ctd_tracking=CTDTrackingConfig(**settings),
            preprocessor=self._prepared,
            postprocessor=postprocessor.build_top_down_postprocessor(world.ANIMALS, world.KEYPOINTS, 0),
        )
        self.frame = -1
        self._steps = (
            preprocessor.LoadImage(),
            preprocessor.FilterLowConfidencePoses(),
            preprocessor.ComputeBoundingBoxesFromCondKeypoints(bbox_margin=25),
            preprocessor.FilterInvalidBoundingBoxes(),
        )

    def images(self) -> Iterator[np.ndarray]:
        for self.frame in range(world.FRAMES):
            yield np.zeros((*world.SIZE[::-1], 3), np.uint8)

    def add_conditions(self, data: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return data, {"cond_kpts": world.others(self.frame)}

    def _prepared(self, image: np.ndarray, context: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        for step in self._steps:
            image, context = step(image, context)
        told = context["cond_kpts"]
        more = {"scales": np.ones((len(told), 2)), "offsets": np.zeros((len(told), 2))}
        return torch.zeros(len(told), 1), {**context, **more, "model_kwargs": {"cond_kpts": told[:, None]}}

    def predict(self, inputs: torch.Tensor, **told: np.ndarray) -> list[dict[str, dict[str, np.ndarray]]]:
        poses = [world.network(each[0], self.frame) for each in told["cond_kpts"]]
        return [{"bodypart": {"poses": pose[None]}} for pose in poses]


def main(data: Path) -> None:
    torch.set_num_threads(2)
    told = {}
    for case, settings in world.CASES.items():
        runner = OnPaper(**settings)
        found = np.stack([each["bodyparts"] for each in runner.inference(runner.images())])
        told[case], told[f"{case}/confidence"] = who(found), found[..., 0, 2].astype(np.float32)
    np.savez_compressed(TESTS / "predict/golden/dlc3_tracks.npz", **told)
    np.savez_compressed(TESTS / "families/golden/dlc3_conditional_tracks.npz", poses=networks(data))


def who(found: np.ndarray) -> np.ndarray:
    """Which animal (frame, individual) each row is; -1 where nobody is."""
    true = np.stack([world.truth(frame) for frame in range(world.FRAMES)])
    distance = np.abs(found[:, :, None, :, :2] - true[:, None, ..., :2]).max((-1, -2))
    animal = np.where(found[..., 0, 2] < 0, -1, distance.argmin(-1))
    assert np.all(distance.min(-1)[animal >= 0] < 1e-3)
    return animal.astype(np.int8)


def networks(data: Path) -> np.ndarray:
    """(frame, individual, keypoint, 3) of the pair that tools/record_dlc3_conditional.py made."""
    with np.load(TESTS / "families/golden/dlc3_conditional.npz") as stored, TemporaryDirectory() as temporary:
        project = Path(temporary) / "project"
        first, second = pairs.make_pair(data, project)
        pairs.write_weights(data, second, json.loads(str(stored["manifest"])))
        conditions = ConditionsModelConfig(
            config_path=first / "pytorch_config.yaml", snapshot_path=max(first.glob("snapshot-best*.pt"))
        )
        runner = get_pose_inference_runner(
            PoseConfig.from_yaml(second / "pytorch_config.yaml"),
            second / "snapshot-001.pt",
            batch_size=1,
            device="cpu",
            cond_provider=conditions,
            ctd_tracking=CTDTrackingConfig(bu_min_frequency=12),
        )
        found = runner.inference(frames(next(project.glob("videos/*.mp4"))))
        return np.stack([frame["bodyparts"] for frame in found]).astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
