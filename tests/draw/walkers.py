"""Tracked results of animals that walk past each other, and their video."""

import numpy as np

from ethopose.core import Poses, Skeleton
from ethopose.media import VideoWriter, open_video
from ethopose.store import FrameTable, Joins, Manifest, ModelRecord, start

POINT = Skeleton(("nose",), individuals=("anna", "bert"))


def write_result(folder, frame, track, *, frames=100, names=("one", "two"), runs=None, part=32, video=None):
    """A tracked result of rows of one keypoint each, 25 frames a second."""
    runs = runs or ((0, frames - 1),)
    manifest = Manifest(
        skeleton=POINT,
        tracks=tuple(names),
        video=video or {"path": "gone.mp4", "sha256": "0"},
        model=ModelRecord(name="m", digest="1"),
        frames=runs,
        part_frames=part,
    )
    with start(folder, manifest) as writer:
        for first in range(0, manifest.n_frames, part):
            of = manifest.selected(first, first + part)
            row = np.flatnonzero(np.isin(frame, of))
            n = len(row)
            xy = np.stack([20 + frame[row] / 2, 30 + 20 * track[row]], -1).astype(np.float32)[:, None]
            poses = Poses(
                POINT,
                frame[row],
                xy,
                np.ones((n, 1), np.float32),
                np.ones(n, np.float32),
                track[row].astype(np.int32),
            )
            count = (frame[row][:, None] == of).sum(0).astype(np.int32)
            writer.write_part(FrameTable(of, of / 25, np.zeros(len(of), np.uint8), count), poses)
        return writer.finish()


def rows(*tracks):
    """Frames and tracks, in order, of arrays of the frames in which each is there."""
    frame = np.concatenate(tracks)
    track = np.repeat(np.arange(len(tracks)), [len(each) for each in tracks])
    order = np.argsort(frame, kind="stable")
    return frame[order], track[order]


def one_join(certainty):
    return Joins(
        *(np.array([value], dtype) for value, dtype in ((0, "i4"), (29, "i8"), (40, "i8"))),
        np.array([certainty], np.float32),
        np.array([1], np.int32),
        *(np.zeros(1, np.float32) for _ in range(2)),
    )


def write_video(path, frames=100):
    """A gray video; its fingerprint."""
    with VideoWriter(path, 25, (96, 128)) as writer:
        for _ in range(frames):
            writer.write(np.full((96, 128, 3), 90, np.uint8))
    return open_video(path).fingerprint()
