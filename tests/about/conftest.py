"""A small model, video, result and folder of images, whose every property is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from ethopose import store
from ethopose.core import Poses, Skeleton
from ethopose.media import VideoWriter
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage

SKELETON = Skeleton(("nose", "ear", "tail"), edges=((0, 1), (0, 2)), individuals=("a", "b"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder of ours, made without torch: 12 learnt numbers in one stage."""
    stage = Stage(
        preparation=Preparation(color="gray", fit=(48, None), crop=(32, 24), scale=0.5, pad_to=8),
        network=Network(
            in_channels=1,
            backbone=Part(name="unet", options={"filters": 4, "stem_stride": None}),
            heads=(Part(name="confidence_map", options={"stride": 2}), Part(name="class_vector")),
        ),
        grouping=Part(name="one_each"),
    )
    spec = ModelSpec(name="mice", family="ethopose", kind="top_down", skeleton=SKELETON, stages=(stage,))
    folder = tmp_path / "mice"
    folder.mkdir()
    (folder / "model.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json")))
    weights = {"0.layer.weight": np.zeros((3, 4), np.float16), "0.norm.running_mean": np.zeros(7, np.float16)}
    save_file(weights, folder / "weights.safetensors")
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """50 frames of height 32, width 48, at 25 frames a second."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25, (32, 48)) as video:
        for _ in range(50):
            video.write(np.full((32, 48, 3), 99, np.uint8))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three pictures of height 20, width 30."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((20, 30, 3), np.uint8))
    return folder


@pytest.fixture
def result(clip: Path) -> store.Result:
    """A finished result of ten frames: three animals, frame 4 undecodable, frames 6 and 7 skipped."""
    manifest = store.Manifest(
        skeleton=SKELETON,
        video={"path": str(clip), "frames": 50},
        model=store.ModelRecord(name="mice", digest="d1", paths=("models/mice",)),
        settings={"peak_threshold": 0.25},
        frames=((0, 7), (20, 21)),
        part_frames=16,
    )
    rows = np.array([0, 0, 5])
    poses = Poses(
        SKELETON,
        frame=rows,
        xy=np.zeros((3, 3, 2), np.float32),
        confidence=np.ones((3, 3), np.float32),
        score=np.ones(3, np.float32),
    )
    frame = manifest.selected(0, 10)
    status = np.array([0, 0, 0, 0, 1, 0, 2, 2, 0, 0], np.uint8)
    animals = np.array([np.sum(rows == number) for number in frame], np.int32)
    with store.start(clip.with_name("clip.mp4.mice.ethopose"), manifest) as writer:
        writer.write_part(store.FrameTable(frame, frame / 25, status, animals), poses)
        return writer.finish({"timestamp_end": "2026-01-02T03:04:05+00:00"})
