"""Small random videos of poses, drawn by the tests and by tools/record_sleap_trackers.py (NumPy only)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SIZE = 96  # px


@dataclass(frozen=True)
class Scene:
    """Poses of a video, one row an instance, sorted by frame."""

    frame: np.ndarray
    xy: np.ndarray
    confidence: np.ndarray
    score: np.ndarray
    frames: np.ndarray  # those that were looked at, also where nobody is


def scenes() -> dict[str, Scene]:
    """Scenes by name."""
    return {
        "few": draw(1, animals=3, keypoints=4, length=70),
        "crowd": draw(2, animals=6, keypoints=3, length=50, lost=0.25, ghosts=0.3),
        "gaps": draw(3, animals=4, keypoints=5, length=90, lost=0.1, asleep=0.4, hidden=0.4),
        "points": draw(4, animals=3, keypoints=1, length=60),
        "long": draw(5, animals=4, keypoints=4, length=260, lost=0.2, asleep=0.15, ghosts=0.1, step=0.6),
        # Of 850 random ones, those on which single rules of the peer hang.
        "hosts": draw(
            453589, animals=1, keypoints=1, length=100, lost=0.0, ghosts=0.5, asleep=0.3, stride=2, step=4.0
        ),
        "rivals": draw(
            708495, animals=5, keypoints=2, length=46, hidden=0.5, ghosts=0.0, asleep=0.3, stride=2
        ),
        "knots": draw(719043, animals=3, keypoints=4, length=86, lost=0.0, ghosts=0.1),
        "twins": draw(600100, animals=6, keypoints=2, length=22, lost=0.0, ghosts=0.5),
        "ranks": draw(581497, animals=6, keypoints=5, length=77, lost=0.0, hidden=0.5, ghosts=0.0, step=4.0),
        "capped": draw(564958, animals=2, keypoints=6, length=15, lost=0.3, hidden=0.5, ghosts=0.5, stride=2),
        "full": draw(397218, animals=1, keypoints=6, length=45, ghosts=0.0),
        "reserved": draw(
            117305, animals=5, keypoints=6, length=107, hidden=0.5, ghosts=0.1, asleep=0.6, step=4.0
        ),
        "faint": draw(5824, animals=5, keypoints=2, length=13, lost=0.3, hidden=0.5, ghosts=0.0, asleep=0.3),
        "nobody": draw(
            448396, animals=2, keypoints=4, length=60, lost=0.3, hidden=0.5, ghosts=0.5, asleep=0.3, step=0.5
        ),
        "strides": draw(6, animals=3, keypoints=4, length=120, lost=0.15, stride=3, step=0.8),
    }


def draw(
    seed: int,
    *,
    animals: int,
    keypoints: int,
    length: int,
    lost: float = 0.1,  # instances not found
    hidden: float = 0.15,  # keypoints not found
    ghosts: float = 0.05,  # frames with an instance that is nobody
    asleep: float = 0.0,  # frames in which nobody is found
    stride: int = 1,
    step: float = 1.5,  # px/frame
) -> Scene:
    """Stiff animals that drift about a small field."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 6, (animals, keypoints, 2))
    place, speed = rng.uniform(20, SIZE - 20, (animals, 2)), rng.normal(0, step, (animals, 2))
    rows, looked = [], []
    for number in range(length):
        frame = number * stride
        speed = 0.9 * speed + rng.normal(0, 0.45 * step, (animals, 2)) - 0.01 * (place - SIZE / 2)
        place = place + speed
        found = rng.random(animals) >= lost
        nobody, ghost, order = rng.random() < asleep, rng.random() < ghosts, rng.permutation(animals)
        noise, seen = rng.normal(0, 0.4, shape.shape), rng.random(shape.shape[:2]) >= hidden
        stray = rng.uniform(0, SIZE, (keypoints, 2))
        sure = rng.uniform(0.2, 1, (animals + 1, keypoints))
        if nobody:
            continue
        looked.append(frame)
        poses = np.where(seen[..., None], place[:, None] + shape + noise, np.nan)
        chosen = [animal for animal in order if found[animal] and seen[animal].any()]
        rows += [(frame, poses[animal], sure[animal]) for animal in chosen]
        if ghost:
            rows.append((frame, stray, 0.5 * sure[-1]))
    frames, xy, confidence = (np.array(column) for column in zip(*rows, strict=True))
    xy, confidence = xy.astype(np.float32), confidence.astype(np.float32)
    confidence[np.isnan(xy).any(-1)] = np.nan
    return Scene(frames, xy, confidence, np.nanmean(confidence, axis=1), np.array(looked))


def images(scene: Scene) -> Iterator[np.ndarray]:
    """A picture a frame: a patterned ground that slides, uint8, one channel."""
    rng = np.random.default_rng(99)
    ground = np.kron(rng.integers(0, 255, (60, 60)), np.ones((4, 4))).astype(np.uint8)
    for frame in scene.frames:
        shift = int(frame) % 40
        yield ground[shift : shift + SIZE, 2 * shift : 2 * shift + SIZE, None]
