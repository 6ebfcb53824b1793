"""Poses by chance, with everything that poses may hold: for property tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ethopose.core import Poses
from ethopose.testing.anatomy import skeleton

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def random_poses(seed: int, *, frames: int = 20, animals: int = 3, keypoints: int = 5) -> Poses:
    """Poses from a seed: some frames empty, some keypoints missing, places outside the picture,
    tracks, individuals and their scores told for some rows and not for others; a row may be empty.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    frame, individual = np.nonzero(rng.random((frames, animals)) < 0.7)
    n = len(frame)
    missing = rng.random((n, keypoints)) < 0.2
    xy = rng.normal(100, 100, (n, keypoints, 2)).astype(np.float32)
    xy[missing] = np.nan
    confidence = np.where(missing, np.nan, rng.random((n, keypoints))).astype(np.float32)
    named, told = rng.random((2, n)) < 0.7
    return Poses(
        skeleton(keypoints, animals),
        frame.astype(np.int64),
        xy,
        confidence,
        rng.random(n, np.float32),
        np.where(named, rng.permutation(animals)[individual], -1).astype(np.int32),
        np.where(named, individual, -1).astype(np.int16),
        np.where(named & told, rng.random(n), np.nan).astype(np.float32),
    )


def any_poses(*, frames: int = 8, animals: int = 4, keypoints: int = 12) -> SearchStrategy[Poses]:
    """A hypothesis strategy of `random_poses` up to these sizes, none included; needs hypothesis."""
    from hypothesis import strategies

    return strategies.builds(
        random_poses,
        strategies.integers(0, 2**32 - 1),
        frames=strategies.integers(0, frames),
        animals=strategies.integers(1, animals),
        keypoints=strategies.integers(1, keypoints),
    )
