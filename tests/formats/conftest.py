"""Results for the formats to write."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from ethopose import store
from ethopose.core import Poses
from ethopose.store.manifest import plain_columns


@pytest.fixture(scope="session")
def make_result(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., store.Result]:
    """A finished result of these poses in parts of four frames; `more` goes into the manifest.

    `extra` holds columns beyond those of every result, row by row.
    """

    def make(
        poses: Poses,
        frames: np.ndarray | None = None,
        *,
        extra: Mapping[str, np.ndarray] | None = None,
        **more: object,
    ) -> store.Result:
        frames = np.unique(poses.frame) if frames is None else frames
        extra = extra or {}
        manifest = store.Manifest(
            **{
                "skeleton": poses.skeleton,
                "video": {"path": "clip.mp4", "frames": 99},
                "model": store.ModelRecord(name="mice", digest="d", paths=("models/mice",)),
                "frames": tuple((int(frame), int(frame)) for frame in frames),
                "part_frames": 4,
                "columns": plain_columns(poses.skeleton) | dict.fromkeys(extra, "1"),
                **more,
            }
        )
        folder: Path = tmp_path_factory.mktemp("result") / "r"
        with store.start(folder, manifest) as writer:
            while writer.done < manifest.n_frames:
                numbers = manifest.selected(writer.done, writer.done + 4)
                mine = np.isin(poses.frame, numbers)
                rows, more_columns = poses[mine], {name: column[mine] for name, column in extra.items()}
                animals = np.array([np.sum(rows.frame == number) for number in numbers], np.int32)
                status = np.zeros(len(numbers), np.uint8)
                writer.write_part(
                    store.FrameTable(numbers, numbers / 30, status, animals), rows, more_columns
                )
            return writer.finish()

    return make
