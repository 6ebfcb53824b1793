"""What people placed beside what was found: crosses and dots on one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ethopose.draw.overlay import INK, PALETTE, resized

ENLARGED = 320  # px: smaller pictures are enlarged to it, so that marks do not hide what they mark
SHIFT = 4

Points = Float[np.ndarray, "animal keypoint 2"]


def marks(
    image: UInt8[np.ndarray, "height width 3"],
    placed: Points,
    found: Points | None = None,
    *,
    side: int = ENLARGED,
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The picture with a cross where a keypoint was placed, a dot where it was found, a colour each
    keypoint, and a line between the two. NaN is left out."""
    factor = max(side / max(image.shape[:2]), 1.0)
    size = round(image.shape[0] * factor), round(image.shape[1] * factor)
    canvas = resized(np.ascontiguousarray(image), size) if factor > 1 else image.copy()
    if found is not None and found.shape == placed.shape:
        for start, end in zip(_fixed(placed, factor), _fixed(found, factor), strict=True):
            _lines(canvas, start, end)
    for points, marker in ((placed, _cross), (found, _dot)):
        for animal in () if points is None else _fixed(points, factor):
            for keypoint, point in enumerate(animal):
                if point is not None:
                    marker(canvas, point, PALETTE[keypoint % len(PALETTE)])
    return canvas


Place = tuple[int, int]


def _fixed(points: Points, factor: float) -> list[list[Place | None]]:
    """Sixteenths of a pixel of the enlarged picture; None for what is not there."""
    moved = ((points + 0.5) * factor - 0.5) * (1 << SHIFT)
    known = np.all(np.abs(moved) < 1 << 20, axis=-1, keepdims=True)[..., 0]  # NaN is not
    return [
        [
            (round(float(x)), round(float(y))) if there else None
            for (x, y), there in zip(animal, seen, strict=True)
        ]
        for animal, seen in zip(moved, known, strict=True)
    ]


def _lines(canvas: np.ndarray, start: Sequence[Place | None], end: Sequence[Place | None]) -> None:
    for a, b in zip(start, end, strict=True):
        if a is not None and b is not None:
            cv2.line(canvas, a, b, (255, 255, 255), 1, cv2.LINE_AA, SHIFT)


def _cross(canvas: np.ndarray, place: Place, colour: tuple[int, int, int]) -> None:
    arm = 5 << SHIFT
    for ink, width in ((INK, 3), (colour, 1)):
        for dx, dy in ((arm, 0), (0, arm)):
            ends = (place[0] - dx, place[1] - dy), (place[0] + dx, place[1] + dy)
            cv2.line(canvas, *ends, ink, width, cv2.LINE_AA, SHIFT)


def _dot(canvas: np.ndarray, place: Place, colour: tuple[int, int, int]) -> None:
    cv2.circle(canvas, place, 4 << SHIFT, INK, cv2.FILLED, cv2.LINE_AA, SHIFT)
    cv2.circle(canvas, place, 3 << SHIFT, colour, cv2.FILLED, cv2.LINE_AA, SHIFT)
