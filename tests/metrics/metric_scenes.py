"""Small random scenes for the metrics' tests; the peer's recorder redraws them and needs NumPy only."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drawn:
    """One image: what `ethopose.metrics.Scene` holds."""

    truth: np.ndarray
    found: np.ndarray
    confidence: np.ndarray
    score: np.ndarray


CASES = {
    "near": {"seed": 1, "noise": 1.0},
    "far": {"seed": 2, "noise": 12.0},
    "crowd": {"seed": 3, "animals": 6, "noise": 4.0},
    "one animal": {"seed": 4, "animals": 1, "noise": 3.0, "keypoints": 4},
    "single points": {"seed": 5, "noise": 6.0, "labelled": 0.25},
    "nobody found": {"seed": 6, "found": 0.0},
    "ties": {"seed": 7, "noise": 2.0, "digits": 1},
}


def drawn(
    seed, *, images=12, animals=3, keypoints=5, noise=3.0, labelled=0.85, found=0.8, digits=4
) -> list[Drawn]:
    """Animals some of which are missed, found besides, labelled in part; scores have so many digits."""
    chance = np.random.Generator(np.random.PCG64(seed))
    return [_image(chance, (animals, keypoints), noise, labelled, found, digits) for _ in range(images)]


def _image(chance, size, noise, labelled, found, digits) -> Drawn:
    animals, keypoints = size
    place = chance.uniform(0, 200, (animals, 1, 2)) + chance.uniform(-25, 25, (animals, keypoints, 2))
    truth = place.round(2)
    truth[chance.random(truth.shape[:2]) > labelled] = np.nan
    truth = truth[~np.isnan(truth).all(axis=(1, 2)) & (chance.random(animals) < 0.9)]
    seen = place[chance.random(animals) < found]
    besides = chance.uniform(0, 200, (int(found > 0 and animals > 1 and chance.random() < 0.4), keypoints, 2))
    spots = np.concatenate([seen + chance.normal(0, noise, seen.shape), besides]).round(2)
    spots = spots[chance.permutation(len(spots))]
    spots[chance.random(spots.shape[:2]) < 0.1] = np.nan
    confidence = chance.random(spots.shape[:2]).round(digits)
    confidence[np.isnan(spots).any(axis=-1)] = np.nan
    keep = ~np.isnan(spots).all(axis=(1, 2))
    return Drawn(truth, spots[keep], confidence[keep], chance.random(len(spots)).round(digits)[keep])
