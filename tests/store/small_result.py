"""A small result whose every number is known, and disks that fail."""

from pathlib import Path

import numpy as np

from ethopose import store
from ethopose.core import Poses, Skeleton
from ethopose.store import atomic

SKELETON = Skeleton(("nose", "left.ear", "tail"), ((0, 1), (0, 2)), ((1, 2),), individuals=("a", "b"))
MANIFEST = store.Manifest(
    skeleton=SKELETON,
    video={"path": "clip.mp4", "sha256": "0a", "frames": 60},
    model=store.ModelRecord(name="mice", digest="d1"),
    settings={"peak_threshold": 0.2},
    frames=((3, 11), (20, 40)),
    part_frames=8,
)


def part_of(manifest: store.Manifest, done: int) -> tuple[store.FrameTable, Poses]:
    """The part after `done` frames, drawn from the frames' numbers alone; every third frame is empty."""
    frame = manifest.selected(done, done + manifest.part_frames)
    animals = (frame % 3).astype(np.int32)
    rows = np.repeat(frame, animals)
    rng = np.random.default_rng(int(frame[0]))
    xy = rng.uniform(0, 500, (len(rows), 3, 2)).astype(np.float32)
    xy[rng.random((len(rows), 3)) < 0.2] = np.nan
    poses = Poses(
        manifest.skeleton,
        frame=rows,
        xy=xy,
        confidence=rng.random((len(rows), 3)).astype(np.float32),
        score=rng.random(len(rows)).astype(np.float32),
        track=np.arange(len(rows), dtype=np.int32),
        individual=(rows % 2).astype(np.int16),
        identity_score=np.full(len(rows), np.nan, np.float32),
    )
    return store.FrameTable(frame, frame / 30, (frame % 2).astype(np.uint8), animals), poses


JOINS = store.Joins(
    *(
        np.array([value], dtype)
        for value, dtype in ((0, "i4"), (3, "i8"), (5, "i8"), (0.7, "f4"), (-1, "i4"))
    ),
    *np.zeros((2, 1), np.float32),
)


def make(path: Path, manifest: store.Manifest = MANIFEST, *, overwrite: bool = False) -> store.Result:
    """Write the whole result, or the rest of one."""
    with store.start(path, manifest, overwrite=overwrite) as writer:
        while not writer.finished and (missing := writer.manifest.missing()):
            writer.write_part(*part_of(manifest, missing[0][0]))
        return writer.finish({"seconds": 2.5}, joins=JOINS)


def files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


class Killed(BaseException):
    """The process is gone: nothing that it wanted to do happens any more."""


class Disk(atomic.Disk):
    """Records each operation; operation number `last` fails with `failure`, a killed process does no more."""

    def __init__(self, last: int | None = None, failure: BaseException | None = None) -> None:
        self.log: list[str] = []
        self.last, self.failure = last, failure or Killed()

    def step(self, name: str) -> bool:
        """Whether the operation happens."""
        self.log.append(name)
        if self.last is None or len(self.log) < self.last:
            return True
        if len(self.log) == self.last or isinstance(self.failure, Killed):
            raise self.failure
        return True

    def make_folder(self, path):
        self.step("make_folder")
        super().make_folder(path)

    def create(self, path):
        self.step("create")
        return _File(super().create(path), self)

    def sync(self, path):
        self.step("sync")
        super().sync(path)

    def replace(self, source, target):
        self.step("replace")
        super().replace(source, target)

    def sync_folder(self, path):
        self.step("sync_folder")
        super().sync_folder(path)

    def remove(self, path):
        self.step("remove")
        super().remove(path)


class _File:
    def __init__(self, file, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])  # a failed write leaves half of it
        self.disk.step("write")
        return self.file.write(content[len(content) // 2 :])
