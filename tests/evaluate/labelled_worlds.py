"""A world with its labels on disk, and results whose errors are known."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ethopose import store
from ethopose.core import Image, Labels, Poses
from ethopose.testing import World

WORLD = World(animals=2, keypoints=3, size=(48, 64), frames=60, seed=3, alike=False)
FRAMES = tuple(range(0, 60, 3))


def image_labels(folder: Path, frames=FRAMES, world: World = WORLD) -> Labels:
    """Labels of `frames`, as a DeepLabCut project has them: `folder/img0003.png` ..."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for frame in frames:
        images.append(Image(folder / f"img{frame:04d}.png"))
        images[-1].path.write_bytes(cv2.imencode(".png", world.image(frame)[..., ::-1])[1].tobytes())
    return replace(world.labels(frames), images=tuple(images))


def stored(path: Path, poses: Poses, video: Path, **manifest) -> store.Result:
    """A finished result that holds these poses, of the world's length."""
    made = store.Manifest(
        skeleton=poses.skeleton,
        video={"path": str(video), "sha256": "0a", "frames": WORLD.frames},
        model=store.ModelRecord(name="mice", digest="d1", paths=manifest.pop("paths", ())),
        **{"frames": ((0, WORLD.frames - 1),), "part_frames": 16} | manifest,
    )
    with store.start(path, made) as writer:
        while writer.done < made.n_frames:
            frame = made.selected(writer.done, writer.done + made.part_frames)
            rows = poses[np.isin(poses.frame, frame)]
            animals = np.array([(rows.frame == number).sum() for number in frame], np.int32)
            status = np.zeros(len(frame), np.uint8)
            writer.write_part(store.FrameTable(frame, frame / 30, status, animals), rows)
        return writer.finish({})


def shifted(poses: Poses, by=(3.0, 4.0)) -> Poses:
    return replace(poses, xy=poses.xy + np.array(by, np.float32))
