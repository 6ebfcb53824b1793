"""Poses as a model gets them wrong: what a network that is told conditions learns to put right.

Most keypoints are a little beside their place; others further, at the other side of their animal, at
another animal, or lost. How often and how far is DeepLabCut's (3.0.1, GenerativeSampler, after PoseFix,
Moon et al. 2019): distances at which the object keypoint similarity of COCO has a certain value.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, Int64

SIGMA = 0.1  # of a keypoint's place, in shares of the root of its animal's box
TRIES = 8  # of a place that is nearer to what it stands for than to anything else


def _distance(similarity: float) -> float:
    """In shares of the root of a box, at which a keypoint is so similar to the true one."""
    return 2 * SIGMA * math.sqrt(-2 * math.log(similarity))


LITTLE, FAR, LOST = (_distance(similarity) for similarity in (0.85, 0.5, 0.1))
# right, beside its place, lost, at the other side, at another animal: how often; how far from there
SHARES = np.array((0.63, 0.16, 0.10, 0.03, 0.08))
LEAST = np.array((0, LITTLE, FAR, 0, 0))
MOST = np.array((LITTLE, FAR, LOST, FAR, FAR))
IS_LOST = 2


def mistaken(
    xy: Float32[np.ndarray, "example animal keypoint 2"],
    side: Float32[np.ndarray, "example"],
    other: Int64[np.ndarray, "keypoint"] | None,
    key: tuple[int, int],
) -> Float32[np.ndarray, "example keypoint 2"]:
    """The first animal of each example with mistakes, by chance that hangs on `key` alone; what is absent
    stays so.

    `side` is the root of the area of its box, px; `other` the keypoint on its other side, itself where there
    is none: for None any.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64), counter=(0, 0, 0, 1)))
    examples, animals, keypoints = xy.shape[:3]
    each = np.arange(keypoints)
    if other is None:
        steps = 1 + (rng.random((examples, keypoints)) * (keypoints - 1)).astype(np.int64)
        mirrored = (each + steps) % keypoints
    else:
        mirrored = np.broadcast_to(other, (examples, keypoints))
    same = xy.transpose(0, 2, 1, 3)
    across = np.take_along_axis(same, mirrored[..., None, None], 1)
    across = np.where((mirrored == each)[..., None, None], np.nan, across)
    places = np.concatenate((same, across), 2)  # (example, keypoint, 2 animals, xy)
    there = np.isfinite(places).all(-1)

    elsewhere = rng.random(there.shape) * there
    elsewhere[..., [0, animals]] = 0  # of this animal
    whose = np.stack([np.full_like(mirrored, n) for n in (0, 0, 0, animals)] + [elsewhere.argmax(-1)], -1)
    possible = np.take_along_axis(there, whose, -1)
    possible[..., -1] = elsewhere.any(-1)
    shares = (SHARES * possible).cumsum(-1)
    drawn = rng.random((examples, keypoints, 1)) * shares[..., -1:]
    kind = np.minimum((drawn >= shares).sum(-1), len(SHARES) - 1)

    whose = np.take_along_axis(whose, kind[..., None], -1)
    least, most = (table[kind][..., None] * side[:, None, None] for table in (LEAST, MOST))
    away = least + (most - least) * rng.random((examples, keypoints, TRIES))
    angle = rng.uniform(0, 2 * np.pi, away.shape)
    middle = np.take_along_axis(places, whose[..., None], 2)
    tries = middle + away[..., None] * np.stack((np.cos(angle), np.sin(angle)), -1)
    apart = np.linalg.norm(tries[:, :, :, None] - places[:, :, None], axis=-1)
    counts = there[:, :, None] & (np.arange(2 * animals) != whose[:, :, None])
    free = np.where((kind == IS_LOST)[..., None], FAR * side[:, None, None], away)
    chosen = (~counts | (apart > free[..., None])).all(-1).argmax(-1)
    told = np.take_along_axis(tries, chosen[..., None, None], 2)[:, :, 0]
    return np.where(there[..., :1], told, np.nan).astype(np.float32)
