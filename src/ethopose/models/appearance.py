"""What animals look like to a network: vectors of the features that it reads keypoints from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float32, Int64

LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of features lie: cell k at k * `stride` + `first`, px of the prepared picture."""

    stride: int
    first: float = 0.0


@dataclass(frozen=True, slots=True)
class Appearance:
    """How vectors of `size` numbers are made of features of `channels`, whose cells lie in a `grid`.

    Where `size` is less, they are what is left of them in as many directions, at right angles to each other,
    that `seed` draws; so long that distances between vectors are what they were, in the mean (Johnson and
    Lindenstrauss 1984).
    """

    grid: Grid
    channels: int
    size: int
    seed: str

    @property
    def directions(self) -> Float32[np.ndarray, "number channel"] | None:
        """What features are multiplied by; None where they are kept as they are."""
        if self.size == self.channels:
            return None
        chance = np.random.default_rng([*self.seed.encode()])
        drawn, _ = np.linalg.qr(chance.normal(size=(self.channels, self.size)))
        return np.ascontiguousarray(drawn.T * np.sqrt(self.channels / self.size), np.float32)


def at_keypoints(
    features: Float32[np.ndarray, "picture number row column"],
    picture: Int64[np.ndarray, "instance"],
    xy: Float32[np.ndarray, "instance keypoint 2"],
    grid: Grid,
) -> Float16[np.ndarray, "instance keypoint*number"]:
    """Vectors of keypoints, one after the other, bilinear between the four cells around each; `xy` are px of
    the pictures. NaN where a keypoint was not found, and where it lies off the map: outside of the pixels,
    `stride` by `stride`, that its cells stand for. Beyond the middles of the outermost cells it is theirs."""
    rows, columns = features.shape[2:]
    with np.errstate(invalid="ignore"):
        there = ((xy >= -0.5) & (xy < np.array((columns, rows)) * grid.stride - 0.5)).all(-1)
    instance, keypoint = np.nonzero(there)
    cell = (xy[instance, keypoint].astype(np.float64) - grid.first) / grid.stride
    cell = np.clip(cell, 0, (columns - 1, rows - 1))
    low = np.floor(cell).astype(np.int64)
    high = np.minimum(low + 1, (columns - 1, rows - 1))
    x, y = (cell - low).astype(np.float32).T[..., None]
    of = picture[instance]
    top, bottom = (
        features[of, :, row, low[:, 0]] * (1 - x) + features[of, :, row, high[:, 0]] * x
        for row in (low[:, 1], high[:, 1])
    )
    vectors = np.full((*there.shape, features.shape[1]), np.nan, np.float16)
    vectors[instance, keypoint] = np.clip(top * (1 - y) + bottom * y, -LARGEST, LARGEST)
    return vectors.reshape(len(xy), xy.shape[1] * features.shape[1])
