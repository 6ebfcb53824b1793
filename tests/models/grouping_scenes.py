"""Drawn crowds, lines and windows, rebuilt from seeds with NumPy alone.

The recorder of the peer's answers runs in the peer's environment and imports this file, so that the
two see the same maps and only answers need to be stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KEYPOINTS = 13
ANIMALS = 10
HEIGHT, WIDTH = 192, 256  # px
MAP_STRIDE, FIELD_STRIDE = 2, 4
MAP_SIGMA, FIELD_SIGMA = 3.0, 6.0  # px
PEAKS_KEPT = 64
STEP = 1 / 4096  # maps are multiples of it: the last bit of exp differs between machines

# nose, ears, neck, spine, tail, legs; edges lead away from the neck, which is not keypoint 0
TREE = ((3, 0), (0, 1), (0, 2), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (3, 9), (3, 10), (6, 11), (6, 12))
WEB = (*TREE[:4], (1, 4), (2, 1), *TREE[4:], (9, 11), (8, 12), (10, 9))
SHAPE = np.array(
    (
        *((18, 0), (15, 6), (15, -6), (9, 0), (3, 1), (-3, 0), (-9, -1), (-17, 0), (-26, 3)),
        *((8, 7), (8, -7), (-8, 7), (-8, -7)),
    ),
    float,
)


@dataclass(frozen=True)
class Scene:
    """How a crowd is drawn, and how the peer is told to group it."""

    seed: int
    edges: tuple[tuple[int, int], ...]
    spread: float  # px between the middle of the crowd and its animals, roughly
    noise: float
    missing: float  # share of keypoints that are hidden
    min_line_score: float = 0.25
    min_peaks: int = 0


SCENES = {
    "tree apart": Scene(1, TREE, 80, 0.0, 0.0),
    "tree hidden": Scene(2, TREE, 60, 0.02, 0.25),
    "tree crowded": Scene(3, TREE, 25, 0.02, 0.1),
    "tree noisy": Scene(4, TREE, 45, 0.07, 0.15),
    "tree noisy, all lines": Scene(5, TREE, 45, 0.07, 0.15, min_line_score=0.0),
    "tree crowded, five peaks": Scene(6, TREE, 25, 0.04, 0.3, min_peaks=5),
    "web apart": Scene(7, WEB, 80, 0.0, 0.0),
    "web crowded": Scene(8, WEB, 25, 0.03, 0.2),
    "web noisy, all lines": Scene(9, WEB, 35, 0.07, 0.3, min_line_score=0.0),
    "web hidden, four peaks": Scene(10, WEB, 50, 0.02, 0.4, min_peaks=4),
}


def drawn(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Confidence maps (keypoint, height, width) and fields (2 * edge, height, width), float32."""
    chance = np.random.RandomState(scene.seed)  # its numbers are frozen for all NumPy versions
    xy = _places(scene, chance)
    maps = np.zeros((KEYPOINTS, HEIGHT // MAP_STRIDE, WIDTH // MAP_STRIDE))
    heights = chance.uniform(0.5, 1.0, xy.shape[:2])
    grid = _grid(MAP_STRIDE)
    for animal, keypoint in np.argwhere(~np.isnan(xy[..., 0])):
        distance = ((grid - xy[animal, keypoint]) ** 2).sum(-1)
        bump = heights[animal, keypoint] * np.exp(-distance / (2 * MAP_SIGMA**2))
        maps[keypoint] = np.maximum(maps[keypoint], bump)
    maps += scene.noise * chance.standard_normal(maps.shape)
    fields = np.zeros((2 * len(scene.edges), HEIGHT // FIELD_STRIDE, WIDTH // FIELD_STRIDE))
    grid = _grid(FIELD_STRIDE)
    for edge, (source, destination) in enumerate(scene.edges):
        for animal in xy:
            start, line = animal[source], animal[destination] - animal[source]
            if np.isnan(line[0]):
                continue
            length = np.hypot(*line)
            along = np.clip(((grid - start) * line).sum(-1) / length**2, 0, 1)
            distance = ((grid - start - along[..., None] * line) ** 2).sum(-1)
            near = np.exp(-distance / (2 * FIELD_SIGMA**2))
            fields[2 * edge : 2 * edge + 2] += (line / length)[:, None, None] * near
    fields += 3 * scene.noise * chance.standard_normal(fields.shape)
    return _stepped(maps), _stepped(fields)


def _places(scene: Scene, chance: np.random.RandomState) -> np.ndarray:
    angle = chance.uniform(0, 2 * np.pi, ANIMALS)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
    middle = np.array([WIDTH, HEIGHT]) / 2 + chance.uniform(-scene.spread, scene.spread, (ANIMALS, 2))
    xy = (
        np.einsum("aij,kj->aki", turn, SHAPE) + middle[:, None] + chance.normal(0, 1, (ANIMALS, KEYPOINTS, 2))
    )
    xy[chance.uniform(size=(ANIMALS, KEYPOINTS)) < scene.missing] = np.nan
    return xy


def _grid(stride: int) -> np.ndarray:
    rows, columns = np.mgrid[0:HEIGHT:stride, 0:WIDTH:stride]
    return np.stack((columns, rows), -1)


def _stepped(maps: np.ndarray) -> np.ndarray:
    return (np.round(maps / STEP) * STEP).astype(np.float32)


def lines() -> tuple[np.ndarray, np.ndarray]:
    """Peaks (keypoint, peak, 2) on whole pixels, and fields that are smaller than their channels are many.

    Points of the lines often lie exactly between two cells.
    """
    chance = np.random.RandomState(50)
    fields = chance.randint(-4096, 4097, (2 * len(TREE), 8, 10)) * STEP
    peaks = chance.randint(0, 20, (KEYPOINTS, 6, 2)) * 2
    return peaks.astype(np.float32), fields.astype(np.float32)


CROP_SIZES = ((8, 12), (7, 5))


def windows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (image, height, width), and around which places (crop, 2) of which image windows are cut.

    Places lie within the images and up to a pixel outside.
    """
    chance = np.random.RandomState(60)
    images = chance.randint(1, 256, (2, 20, 30)).astype(np.uint8)
    places = chance.uniform(-0.99, (30.0, 20.0), (24, 2))
    places[:8] = np.round(2 * places[:8]) / 2
    places[8:14] = -(np.abs(places[8:14]) % 1)
    return images, places.astype(np.float32), chance.randint(0, 2, 24)
