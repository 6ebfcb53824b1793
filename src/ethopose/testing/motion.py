"""How the animals of a world move: paths that cross and leave the picture, and limbs that walk along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from ethopose.testing.anatomy import PARTS

KNOT = 20  # frames from one control point of a path to the next
ROUND = 8  # control points of one round: three through the meeting place, five along the wall
PERIOD = KNOT * ROUND  # frames of a round: one meeting, and one animal out of the picture
START = 6.5  # knots before frame 0: the animals are on their way to their first meeting
LAG = 1.0  # knots by which the tail's tip follows the body
GRAIN = 64  # places are multiples of 1/64 px, so that the picture can hold them exactly

# Where the parts lie on an animal that stands straight: forwards and to its left, in body lengths.
BUILD = {
    "body": (0.0, 0.0),
    "nose": (0.20, 0.0),  # from the head
    "tail_base": (-0.43, 0.0),
    "left_forepaw": (0.13, 0.22),
    "right_forepaw": (0.13, -0.22),
    "left_hindpaw": (-0.26, 0.26),
    "right_hindpaw": (-0.26, -0.26),
    "head": (0.33, 0.0),
    "left_ear": (-0.055, 0.115),  # from the head
    "right_ear": (-0.055, -0.115),  # from the head
}
TAIL = 0.75  # body lengths
STRIDE = 0.6  # body lengths of path for one swing of the limbs there and back
SWING = 0.10  # body lengths that a paw swings to either side at a run
# The part of a swing at which each paw begins: the diagonal pairs go together.
GAIT = {"left_forepaw": 0.0, "right_forepaw": 0.5, "left_hindpaw": 0.5, "right_hindpaw": 0.0}


@dataclass(frozen=True, slots=True)
class Motion:
    """Where every part is in every frame, px; the tail is a quadratic Bézier curve from its base."""

    parts: Float32[np.ndarray, "frame animal part 2"]  # in the order of `anatomy.PARTS`
    bend: Float32[np.ndarray, "frame animal 2"]
    tip: Float32[np.ndarray, "frame animal 2"]

    def tail(self, share: Float64[np.ndarray, " point"]) -> Float32[np.ndarray, "frame animal point 2"]:
        """Places along the tail, px: 0 is its base, 1 its tip."""
        base = self.parts[:, :, PARTS.index("tail_base")]
        along = share[:, None]
        curve = (
            (1 - along) ** 2 * base[:, :, None]
            + 2 * along * (1 - along) * self.bend[:, :, None]
            + along**2 * self.tip[:, :, None]
        )
        return _grained(curve)

    def __getitem__(self, frames: slice) -> Motion:
        """The frames asked for."""
        return Motion(self.parts[frames], self.bend[frames], self.tip[frames])


def body_length(animals: int, size: tuple[int, int]) -> float:
    """From the nose to the root of the tail, px; more than four animals are smaller."""
    return float(0.26 * min(size) * min(1.0, (4 / animals) ** 0.5))


def move(animals: int, size: tuple[int, int], frames: int, seed: int) -> Motion:
    """The motion of all animals over all frames; a longer motion begins as the shorter does."""
    length = body_length(animals, size)
    points = _paths(animals, size, frames, seed, length)
    knots = START + np.arange(frames) / KNOT
    centre, velocity = _along(points, knots)
    ahead, behind = (_unit(_along(points, knots + shift)[1]) for shift in (0.3, -0.4))
    follow = _unit(_along(points, knots - LAG)[1])
    here = _unit(velocity)
    front, rear, gaze = _unit(here + ahead), _unit(here + behind), _unit(0.5 * here + ahead)

    speed = np.linalg.norm(velocity, axis=-1) / KNOT  # px a frame
    swings = np.cumsum(speed, axis=0) / (STRIDE * length) + 0.37 * np.arange(animals)
    reach = (SWING * length * speed / (speed + 0.02 * length))[..., None]

    def place(name: str, origin: np.ndarray, forwards: np.ndarray) -> np.ndarray:
        along, across = BUILD[name]
        spot: np.ndarray = origin + length * (along * forwards + across * _left(forwards))
        if name in GAIT:
            spot = spot + reach * np.sin(2 * np.pi * (swings + GAIT[name]))[..., None] * forwards
        return spot

    head = place("head", centre, front)
    origins = {"nose": (head, gaze), "left_ear": (head, gaze), "right_ear": (head, gaze)}
    origins |= dict.fromkeys(("tail_base", "left_hindpaw", "right_hindpaw"), (centre, rear))
    parts = np.stack([place(name, *origins.get(name, (centre, front))) for name in PARTS], axis=2)

    base = parts[:, :, PARTS.index("tail_base")]
    sway = 0.12 * np.sin(np.pi * swings)[..., None] * _left(rear)
    bend = base - TAIL * length * (0.5 * rear + sway)
    tip = bend - TAIL * length * (0.5 * _unit(rear + 1.5 * follow) - 1.6 * sway)
    return Motion(_grained(parts), _grained(bend), _grained(tip))


def _paths(
    animals: int, size: tuple[int, int], frames: int, seed: int, length: float
) -> Float64[np.ndarray, "animal point 2"]:
    """Control points of the animals' paths, px, as a uniform cubic B-spline.

    In every round an animal goes straight through the middle of the arena and then back to the other side
    along the wall, this way or that. Two animals meet in the same place at the same time; one walks out.
    """
    height, width = size
    middle, half = np.array([width - 1, height - 1]) / 2, np.array([width, height]) / 2
    rounds = int(np.ceil((frames / KNOT + START + 4) / ROUND)) + 1
    draws = np.random.Generator(np.random.PCG64(seed)).random((rounds, 4 + 7 * animals))
    own = draws[:, 4:].reshape(rounds, animals, 7)

    turn = np.radians(130 + 100 * draws[:, 1])  # along the wall, seen from the middle
    heading = 2 * np.pi * draws[0, 0] + np.concatenate([[0], np.cumsum(turn - np.pi)[:-1]])
    # The golden angle apart, no two of a handful of animals run side by side.
    headings = heading[:, None] + np.radians(137.5) * np.arange(animals)
    way = np.where(own[..., 0] < 0.5, 1.0, -1.0)
    turns = np.where(way > 0, turn[:, None], turn[:, None] - 2 * np.pi)
    steps = np.array([0, 0, 0, 1, 2, 3, 4, 5]) / 6
    angles = headings[..., None] + turns[..., None] * steps + np.array([np.pi, *[0] * 7])
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=-1)

    radii = np.concatenate(
        [np.broadcast_to([0.5, 0, 0.5], (rounds, animals, 3)), 0.9 + 0.3 * own[..., 2:]], -1
    )
    points = middle + radii[..., None] * rays * (0.7 * half)
    # Who meets nobody passes beside the middle, if it goes the same way round before and after.
    aside, before = headings - np.pi / 2, np.concatenate([way[:1], way[:-1]])
    shifts = (way + before) / 2 * (0.3 + 0.2 * own[..., 1])
    places = shifts[..., None] * np.stack([np.cos(aside), np.sin(aside)], axis=-1)
    these = np.arange(rounds)
    for partner in range(min(animals, 2)):
        places[these, (these + partner) % animals] = 0.3 * (draws[:, 2:4] - 0.5)
    points[:, :, :3] += (places * half)[:, :, None]
    if animals > 1:  # the round before frame 0 keeps everybody in
        out = rays[these[1:], these[1:] % animals, 4:6]
        far = np.min((half + 1.5 * length) / np.maximum(np.abs(out), 1e-9), axis=-1)
        points[these[1:], these[1:] % animals, 4:6] = middle + far[..., None] * out
    return np.asarray(np.moveaxis(points, 1, 0).reshape(animals, rounds * ROUND, 2))


def _along(
    points: Float64[np.ndarray, "animal point 2"], knots: Float64[np.ndarray, " frame"]
) -> tuple[Float64[np.ndarray, "frame animal 2"], Float64[np.ndarray, "frame animal 2"]]:
    """Places on the splines, px, and velocities, px a knot."""
    whole = np.floor(knots).astype(np.int64)
    u = (knots - whole)[:, None, None]
    weights = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    slopes = (-((1 - u) ** 2), 3 * u**2 - 4 * u, -3 * u**2 + 2 * u + 1, u**2)
    near = [points[:, whole + shift].transpose(1, 0, 2) for shift in (-1, 0, 1, 2)]
    place = sum(weight * point for weight, point in zip(weights, near, strict=True)) / 6
    velocity = sum(slope * point for slope, point in zip(slopes, near, strict=True)) / 2
    return np.asarray(place), np.asarray(velocity)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def _left(forwards: np.ndarray) -> np.ndarray:
    """The direction to an animal's left, seen from above with y down."""
    return np.stack([forwards[..., 1], -forwards[..., 0]], axis=-1)


def _grained(places: np.ndarray) -> np.ndarray:
    return (np.round(places * GRAIN) / GRAIN).astype(np.float32)
