"""Small random videos of animals and tracks for the metrics' tests; the peers' recorder redraws them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """Who is there, in ascending order, and how like each other they are."""

    animals: np.ndarray
    tracks: np.ndarray
    similarity: np.ndarray  # (animal, track), 0 to 1


CASES = {
    "all there": {"lost": 0.0, "absent": 0.0, "ghosts": 0.0},
    "gaps": {"lost": 0.3, "absent": 0.3, "renewed": 0.2},
    "swaps": {"swapped": 0.2, "lost": 0.1},
    "crowd": {"animals": 7, "near": 0.6, "swapped": 0.1},
    "ties": {"digits": 1, "near": 0.7, "swapped": 0.2, "absent": 0.2},
    "coarse ties": {"step": 0.5, "near": 0.9, "swapped": 0.2, "animals": 5},
    "one animal": {"animals": 1, "renewed": 0.3, "lost": 0.2},
    "more tracks than animals": {"animals": 2, "ghosts": 0.9, "renewed": 0.3, "near": 0.6},
    "empty frames": {"lost": 0.6, "absent": 0.7, "ghosts": 0.1},
    "nothing found": {"lost": 1.0, "ghosts": 0.0},
}
SEEDS = range(3)


def drawn(
    seed,
    *,
    frames=40,
    animals=3,
    lost=0.15,
    absent=0.1,
    ghosts=0.2,
    swapped=0.05,
    renewed=0.05,
    near=0.3,
    digits=4,
    step=0.0,
) -> list[Frame]:
    """Chances a frame and animal: lost by the tracker, absent, its track swapped or renewed; `near`: how
    like it others may be. Similarities have so many digits, or are multiples of `step`.
    """
    chance = np.random.Generator(np.random.PCG64(seed))
    track, newest = np.arange(animals), animals + 1  # track `animals` is that of ghosts
    told = []
    for _ in range(frames):
        if animals > 1 and chance.random() < swapped:
            one, other = chance.permutation(animals)[:2]
            track[[one, other]] = track[[other, one]]
        for animal in np.flatnonzero(chance.random(animals) < renewed):
            track[animal], newest = newest, newest + 1
        there = np.flatnonzero(chance.random(animals) >= absent)
        seen = there[chance.random(len(there)) >= lost]
        tracks = np.concatenate([track[seen], np.full(int(chance.random() < ghosts), animals)])
        similarity = near * chance.random((len(there), len(tracks)))
        mine = there[:, None] == np.append(seen, np.full(len(tracks) - len(seen), -1))[None]
        similarity[mine] = chance.uniform(0.4, 1, mine.sum())
        similarity = np.round(similarity / step) * step if step else similarity.round(digits)
        order = np.argsort(tracks)
        told.append(Frame(there, tracks[order], similarity[:, order]))
    return told


def videos() -> Iterator[tuple[str, list[Frame]]]:
    """Every case with every seed, by name."""
    for case, options in CASES.items():
        for seed in SEEDS:
            yield f"{case} {seed}", drawn(seed, **options)
