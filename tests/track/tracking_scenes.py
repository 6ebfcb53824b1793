"""Random scenes of animals that meet, hide and are missed, for the trackers; NumPy only, no ethopose.

Also read by the tool that records what DeepLabCut makes of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden/deeplabcut.npz"  # what DeepLabCut says
SEEDS = range(6)
# name of a tracker, its options as `inference_cfg.yaml` calls them
TRACKERS = [
    (method, {"max_age": age, "min_hits": hits, "iou_threshold": threshold, "boundingboxslack": slack})
    for method, (age, hits, threshold, slack) in product(
        ("ellipse", "box", "skeleton"), ((1, 1, 0.6, 0), (3, 2, 0.4, 4), (0, 0, 0.8, 0))
    )
]
# how ellipses are stitched: options of the stitcher, the name of a weight
STITCHERS = [
    ({}, "distance"),
    ({}, "identity"),
    ({"min_length": 4}, "motion"),
    ({"split_tracklets": False}, "shape"),
    ({"prestitch_residuals": False}, "overlap"),
    ({"max_gap": 20}, "dynamics"),
    ({"min_length": 6, "max_gap": 40}, "distance"),
]
N_KEYPOINTS = 5


@dataclass(frozen=True)
class Scene:
    """Detections, sorted by frame."""

    frame: np.ndarray
    xy: np.ndarray  # px, float32
    confidence: np.ndarray
    individual: np.ndarray  # which animal a keypoint looks like
    n_animals: int

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Numbers of frames that have rows, and these."""
        for number in np.unique(self.frame):
            yield int(number), np.flatnonzero(self.frame == number)


def scene(seed: int) -> Scene:
    """Two to four animals in 160 frames of a small arena."""
    random = np.random.default_rng(seed)
    n, length = 2 + seed % 3, 160
    place, heading = random.uniform(60, 340, (n, 2)), random.uniform(0, 6.28, n)
    missed = np.zeros(n, int)
    body = np.stack([np.linspace(-20, 20, N_KEYPOINTS), 6 * np.cos(np.arange(N_KEYPOINTS))], axis=1)
    rows = []
    for frame in range(length):
        heading += random.normal(0, 0.15, n)
        place += 4 * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        heading[((place < 40) | (place > 360)).any(axis=1)] += 1.2
        place = np.clip(place, 20, 380)
        missed = np.where(random.random(n) < 0.02, random.integers(1, 9, n), missed - 1)
        nobody = random.random() < 0.02
        for animal in random.permutation(n):
            if missed[animal] > 0 or nobody:
                continue
            rows.append((frame, animal, *_detected(random, body, place[animal], heading[animal])))
        if random.random() < 0.05:
            rows.append((frame, -1, *_detected(random, body, random.uniform(50, 350, 2), 0.0)))
    frames, animals, xy, confidence = (np.array(column) for column in zip(*rows, strict=True))
    votes = np.where(animals < 0, 0, animals)[:, None].repeat(N_KEYPOINTS, axis=1)
    wrong = random.random(votes.shape) < 0.2
    votes[wrong] = random.integers(0, n, wrong.sum())
    return Scene(frames, xy.astype(np.float32), confidence.astype(np.float32), votes, n)


def _detected(
    random: np.random.Generator, body: np.ndarray, place: np.ndarray, heading: float
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints, some of which are missing, or too unsure, or by chance left of the picture."""
    turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
    xy = body @ turn.T + place + random.normal(0, 1, body.shape)
    xy[random.random(len(body)) < 0.06] = np.nan
    return xy, np.where(np.isnan(xy[:, 0]), 0.0, random.beta(3, 1.2, len(body)))
