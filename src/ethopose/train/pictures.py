"""What a training looks like: batches as augmented, validation frames with truth and prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lightning_fabric import Fabric
from torch import Tensor

from ethopose.draw import marks, page, write_png
from ethopose.train.batches import Batches
from ethopose.train.loop import Lesson
from ethopose.train.state import State

SHOWN = 12  # pictures of a sheet


def draw_batch(batches: Batches, path: Path) -> None:
    """The first batches as the network sees them, with their keypoints."""
    tiles: list[np.ndarray] = []
    colours = batches.examples.pictures.shape[-1]
    for step in range(-(-SHOWN // batches.batch)):
        batch = batches(step, slice(0, batches.batch), 1.0)
        tiles += [
            marks(_image(i[:colours]), xy.numpy())
            for i, xy in zip(batch.images.cpu(), batch.truth.xy.cpu(), strict=True)
        ]
    write_png(page(tiles[:SHOWN], "as augmented", "crosses: what people placed"), path)


def draw_validation(fabric: Fabric, lesson: Lesson, state: State, path: Path) -> None:
    """Validation pictures with truth and prediction, the worst first."""
    check = lesson.validation
    lesson.graph.load_state_dict(state.best)
    points = check(lesson.graph.eval(), fabric).points
    colours = check.batches.examples.pictures.shape[-1]
    images = np.unique(points.image)
    error = [np.nanmax(points[points.image == image].error, initial=0) for image in images]
    tiles = []
    for image in images[np.argsort(error)[::-1]][:SHOWN]:
        mine = points[points.image == image]
        batch = check.batches.plain(np.array([image]))
        picture, scale = _image(batch.images[0, :colours].cpu()), batch.scale
        placed, found = np.full((2, len(mine), len(check.skeleton.keypoints), 2), np.nan)
        each = np.arange(len(mine))
        placed[each, mine.keypoint], found[each, mine.keypoint] = mine.truth * scale, mine.found * scale
        tiles.append(marks(picture, placed, found))
    if tiles:
        write_png(page(tiles, "the worst of the validation", "crosses: placed, dots: found"), path)


def _image(image: Tensor) -> np.ndarray:
    """RGB uint8 of a picture from 0 to 1."""
    pixels = (image.float().permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels
