"""Three animals on paper: they are lost, unsure, on top of each other, and leave. Needs nothing but NumPy:
the peer is recorded with it as well (tools/record_dlc3_following.py)."""

from __future__ import annotations

import numpy as np

ANIMALS, KEYPOINTS, FRAMES, SIZE = 3, 4, 70, (200, 160)  # size: width, height
CASES: dict[str, dict[str, object]] = {
    "default": {},
    "often": {"bu_max_frequency": 5},
    "always": {"bu_max_frequency": 20, "bu_min_frequency": 7},
    "never": {"bu_on_lost_idv": False},
    "strict": {"bu_max_frequency": 3, "threshold_ctd": 0.3, "threshold_nms": 0.5, "threshold_bu_add": 0.6},
}


def truth(frame: int) -> np.ndarray:
    """(animal, keypoint, x y confidence)"""
    shape = np.array([[-14, -9], [13, -5], [11, 10], [-12, 8]])
    starts = np.array([[30, 40], [70, 110], [150, 60]])
    speeds = np.array([[0.9, 0.7], [0.8, -0.5], [-0.7, 0.5]])
    poses = np.empty((ANIMALS, KEYPOINTS, 3))
    turn = 0.05 * frame + np.arange(ANIMALS)
    for animal, angle in enumerate(turn):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        poses[animal, :, :2] = starts[animal] + speeds[animal] * frame + shape @ rotation.T
    poses[..., 2] = 0.7 + 0.05 * np.arange(KEYPOINTS) - 0.03 * np.arange(ANIMALS)[:, None] + 0.001 * frame
    if 10 <= frame < 22:
        poses[0, :, 2] = 0.004  # lost
    if 30 <= frame < 34:
        poses[1, :, 2] = 0.03  # no condition, though its keypoints stay
    if 40 <= frame < 46:
        poses[2, 1:, 2] = 0.002  # all but one keypoint
    if 55 <= frame < 60:
        poses[0, :, :2] += (200, 0)  # outside
    return poses.astype(np.float32)


def network(condition: np.ndarray, frame: int) -> np.ndarray:
    """What is found where a pose (keypoint, 3) is told: the animal that is nearest now."""
    poses = truth(frame)
    near = np.nanmean(np.linalg.norm(poses[..., :2] - condition[:, :2], axis=-1), axis=-1)
    found: np.ndarray = poses[near.argmin()]
    return found


def others(frame: int) -> np.ndarray:
    """What a model of whole frames finds: the sure animals inside, in another order every time."""
    poses = truth(frame)
    inside = ((poses[..., :2] > 0) & (poses[..., :2] < SIZE)).all((1, 2))
    poses = poses[inside & (poses[..., 2].mean(-1) > 0.5)]
    return np.roll(poses, frame, axis=0)
