"""Worlds: videos of small animals of which every keypoint is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int64, UInt8

from ethopose.core import Image, Labels, Poses, Skeleton, UsageError
from ethopose.core.labels import ABSENT, OCCLUDED, VISIBLE
from ethopose.core.poses import COLUMNS
from ethopose.testing import anatomy, painting
from ethopose.testing.anatomy import PARTS
from ethopose.testing.motion import Motion, body_length, move

BLOCK = 64  # frames drawn at a time: bounds the memory that outlines take


@dataclass(frozen=True)
class World:
    """A scene of animals that walk, turn, cross one another and leave the picture, known in every frame.

    The same world is the same motion and, with the same versions of NumPy and OpenCV, the same picture
    everywhere; a world with more frames begins as the shorter one does. Two animals or more: in any 200
    frames two of them cross, and one is out of the picture. Animals lie over one another in constant
    order, the last on top. Raises `UsageError` on numbers that make no world.
    """

    animals: int = 2
    keypoints: int = 7  # from `anatomy.PARTS`; beyond ten, points along the tail
    size: tuple[int, int] = (192, 256)  # height, width, px
    frames: int = 240
    seed: int = 0
    fps: float = 30.0
    alike: bool = True  # False: each animal has a coat of its own
    noise: float = 3.0  # standard deviation of every frame's own noise, grey values

    def __post_init__(self) -> None:
        if min(self.animals, self.keypoints, self.frames) < 1 or min(self.size) < 16:
            raise UsageError(
                f"no world has {self.animals} animals, {self.keypoints} keypoints, {self.frames} frames "
                f"and size {self.size}",
                fix="ask for one of each at least, and 16 × 16 px",
            )
        if self.seed < 0 or self.noise < 0 or self.fps <= 0:
            raise UsageError("seed and noise are 0 or more, fps is more than 0")

    @property
    def length(self) -> float:
        """From an animal's nose to the root of its tail, px."""
        return body_length(self.animals, self.size)

    @cached_property
    def skeleton(self) -> Skeleton:
        """Keypoints, edges as a tree from the body, symmetries, and the animals' names."""
        return anatomy.skeleton(self.keypoints, self.animals)

    @cached_property
    def truth(self) -> Poses:
        """Where the animals are: a row for each animal in the picture, in order of frame, then animal.

        An animal is in the picture while at least half of its keypoints are: x from -0.5 to width - 0.5,
        y from -0.5 to height - 0.5 px. Its keypoints outside are NaN, those hidden by another animal are
        kept. `track` and `individual` are the animal; confidences and scores are 1.
        """
        xy = self._places
        height, width = self.size
        inside = np.all((xy >= -0.5) & (xy < np.array([width, height]) - 0.5), axis=-1)
        frame, animal = np.nonzero(2 * inside.sum(axis=-1) >= self.keypoints)
        seen = inside[frame, animal]
        ones = np.ones(len(frame), np.float32)
        return Poses(
            self.skeleton,
            frame.astype(np.int64),
            np.where(seen[..., None], xy[frame, animal], np.float32(np.nan)),
            np.where(seen, np.float32(1), np.float32(np.nan)),
            ones,
            animal.astype(np.int32),
            animal.astype(np.int16),
            ones.copy(),
        )

    def image(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """One frame, RGB."""
        picture: np.ndarray = self.images(frame, frame + 1)[0]
        return picture

    def images(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        """The frames from `start` up to, not including, `stop`, RGB."""
        if not 0 <= start <= stop <= self.frames:
            raise UsageError(f"frames {start} to {stop} of a world that has {self.frames}")
        pictures = np.empty((stop - start, *self.size, 3), np.uint8)
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            pictures[first - start : last - start] = self._drawn(slice(first, last))
        return pictures

    def write(self, path: Path) -> Path:
        """The world as a video at `path`. Raises `VideoError` where it cannot be written."""
        from ethopose.media import VideoWriter

        with VideoWriter(path, self.fps, self.size) as video:
            for first in range(0, self.frames, BLOCK):
                for image in self.images(first, min(first + BLOCK, self.frames)):
                    video.write(image)
        return path

    def labels(self, frames: Sequence[int], path: Path = Path("world.mp4")) -> Labels:
        """What a person would place in these frames of the video at `path`, one image a frame.

        A keypoint under the trunk of an animal further up is occluded, one outside the picture absent.
        """
        if len(frames) and not 0 <= min(frames) <= max(frames) < self.frames:
            raise UsageError(f"labels beyond the {self.frames} frames of the world")
        bounds = np.searchsorted(self.truth.frame, np.array([frames, np.add(frames, 1)], np.int64))
        rows = [np.arange(start, stop) for start, stop in bounds.T]
        chosen = np.concatenate([np.empty(0, np.int64), *rows])
        columns = {name: getattr(self.truth, name)[chosen] for name in COLUMNS}
        hidden = self._hidden(columns["frame"], columns["individual"], columns["xy"])
        visibility = np.where(hidden, OCCLUDED, VISIBLE)
        visibility[np.isnan(columns["confidence"])] = ABSENT
        columns["frame"] = np.repeat(np.arange(len(frames)), [len(row) for row in rows])
        images = tuple(Image(path, int(frame), video=path.stem) for frame in frames)
        return Labels(images, Poses(self.skeleton, **columns), visibility.astype(np.uint8))

    @cached_property
    def _motion(self) -> Motion:
        return move(self.animals, self.size, self.frames, self.seed)

    @cached_property
    def _places(self) -> Float32[np.ndarray, "frame animal keypoint 2"]:
        shares = np.arange(1, anatomy.tail_points(self.keypoints) + 1) / max(1, self.keypoints - len(PARTS))
        return np.concatenate([self._motion.parts, self._motion.tail(shares)], axis=2)[:, :, : self.keypoints]

    @cached_property
    def _arena(self) -> UInt8[np.ndarray, "height width 3"]:
        return painting.arena(self.size, self.seed)

    @cached_property
    def _grains(self) -> Int16[np.ndarray, "tall wide 3"]:
        return painting.grains(self.size, self.noise, self.seed)

    def _drawn(self, frames: slice) -> UInt8[np.ndarray, "frame height width 3"]:
        palettes = [painting.palette(animal, self.alike) for animal in range(self.animals)]
        beads = self._places[frames, :, len(PARTS) :]
        pictures = painting.paint(self._arena, self._motion[frames], self.length, palettes, beads)
        for frame, picture in enumerate(pictures, start=frames.start):
            painting.sprinkle(picture, self._grains, (self.seed, frame))
        return pictures

    def _hidden(
        self,
        frame: Int64[np.ndarray, " row"],
        animal: Int16[np.ndarray, " row"],
        xy: Float32[np.ndarray, "row keypoint 2"],
    ) -> Bool[np.ndarray, "row keypoint"]:
        """Which of these keypoints lie under the trunk or head of another animal."""
        centres, axes = painting.ellipses(self._motion.parts[frame], painting.SOLID, self.length)
        away = xy[:, None, :, None] - centres[:, :, None]  # row, animal, keypoint, shape, xy
        share = np.einsum("raksx,rasdx->raksd", away, axes) / np.sum(axes**2, axis=-1)[:, :, None]
        covered = np.any(np.sum(share**2, axis=-1) < 1, axis=-1)
        above = np.arange(self.animals) > animal[:, None]
        return np.asarray(np.any(covered & above[..., None], axis=1))
