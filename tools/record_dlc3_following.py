"""Record what DeepLabCut 3 makes of frames that hang on the ones before, for tests/predict and /families.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install deeplabcut==3.0.1
    python tools/record_dlc3_following.py DATA

DATA is the folder of shared recordings. Writes tests/predict/golden/dlc3_tracks.npz, the tracks that its own
runner makes of animals on paper (tests/predict/followed_world.py), and
tests/families/golden/dlc3_conditional_tracks.npz, those of real networks in the first frames of the recorded
video: the project's own, and a conditional one of drawn weights; and golden/dlc3_patches.npz there, what a
top-down network without detector finds. A minute.
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
from deeplabcut.pose_estimation_pytorch.runners.dynamic_cropping import TopDownDynamicCropper
from deeplabcut.pose_estimation_pytorch.runners.inference import CTDInferenceRunner

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "families"), str(TESTS / "predict"), str(Path(__file__).parent)]
import dlc3_pairs as pairs  # noqa: E402  they stand beside the tests
import followed_world as world  # noqa: E402
from dlc3_nets import make_net  # noqa: E402

from record_dlc3_conditional import frames  # noqa: E402

TOP_DOWN = "rtmpose_m"
PATCHED: dict[str, tuple[int, dict[str, Any]]] = {  # frames and settings
    "found": (12, {"threshold": 0.3}),
    "lost": (3, {"min_hq_keypoints": 6, "patch_counts": (2, 2), "patch_overlap": 20}),
}


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
    boxes = json.dumps(list(boxes_of(30)))
    np.savez_compressed(TESTS / "families/golden/dlc3_patches.npz", boxes=np.array(boxes), **patched(data))


def boxes_of(number: int) -> Iterator[dict[str, Any]]:
    """The patches and boxes that the peer's cropper makes in frames of any size, of animals anywhere."""
    chance = np.random.default_rng(0)
    for _ in range(number):
        width, height = chance.integers(80, 900, 2).tolist()
        crop = tuple(chance.integers(3, 9, 2).tolist())
        settings = {
            "patch_counts": chance.integers(1, 5, 2).tolist(),
            "patch_overlap": int(chance.integers(0, 60)),
            "min_bbox_size": chance.integers(20, 200, 2).tolist(),
            "margin": int(chance.integers(0, 40)),
            "min_hq_keypoints": int(chance.integers(1, 3)),
            "bbox_from_hq": bool(chance.integers(0, 2)),
        }
        cropper = TopDownDynamicCropper(crop, **settings)
        cropper._shape = width, height
        patches = cropper.generate_patches()
        cropper._crop = patches[0]
        pose = np.concatenate([chance.uniform(0, crop, (3, 2)), chance.uniform(0, 1, (3, 1))], 1)
        cropper.update(torch.tensor(pose[None, None], dtype=torch.float32))
        told = {"size": [width, height], "crop": crop, "settings": settings, "pose": pose.tolist()}
        yield {**told, "patches": patches, "box": cropper._crop}


def patched(data: Path) -> dict[str, np.ndarray]:
    """Poses (frame, keypoint, 3) of a recorded top-down network in the first frames of the video."""
    told = {}
    for case, (number, settings) in PATCHED.items():
        with TemporaryDirectory() as temporary:
            folder = make_net(data, TOP_DOWN, Path(temporary)).folder
            runner = get_pose_inference_runner(
                PoseConfig.from_yaml(folder / "pytorch_config.yaml"),
                folder / "snapshot-001.pt",
                device="cpu",
                max_individuals=1,
                dynamic=TopDownDynamicCropper((256, 256), **settings),
            )
            video = next((data / "dlc3" / pairs.PROJECT).glob("videos/*.mp4"))
            found = runner.inference(frames(video)[:number])
            told[case] = np.stack([frame["bodyparts"][0] for frame in found]).astype(np.float32)
    return told


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
