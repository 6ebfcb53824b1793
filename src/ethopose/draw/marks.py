"""What people placed beside what was found: crosses and dots on one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ethopose.draw.overlay import INK, PALETTE, PAPER, SHIFT, fixed, resized

ENLARGED = 320  # px: smaller pictures are enlarged to it, so that marks do not hide what they mark
ARM, DOT = 5, 3  # px

Canvas = UInt8[np.ndarray, "height width 3"]
Points = Float[np.ndarray, "point 2"]
Colour = tuple[int, int, int]


def marks(
    image: Canvas,
    placed: Float[np.ndarray, "animal keypoint 2"],
    found: Float[np.ndarray, "animal keypoint 2"] | None = None,
    *,
    side: int = ENLARGED,
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The picture with a cross where a keypoint was placed, a dot where it was found, a colour each
    keypoint, and a line between the two. NaN is left out."""
    factor = max(side / max(image.shape[:2]), 1.0)
    size = round(image.shape[0] * factor), round(image.shape[1] * factor)
    canvas = resized(np.ascontiguousarray(image), size) if factor > 1 else image.copy()
    truth = enlarged(placed, factor).reshape(-1, 2)
    colours = [PALETTE[point % placed.shape[1] % len(PALETTE)] for point in range(len(truth))]
    if found is None:
        draw_crosses(canvas, truth, colours, arm=ARM, line=1)
        return canvas
    seen = enlarged(found, factor).reshape(-1, 2)
    draw_links(canvas, truth, seen, PAPER, line=1)
    draw_crosses(canvas, truth, colours, arm=ARM, line=1)
    draw_dots(canvas, seen, colours, radius=DOT)
    return canvas


def enlarged(xy: Float[np.ndarray, "*any 2"], factor: float) -> Float[np.ndarray, "*any 2"]:
    """Where points lie in a picture so many times as large; pixels' centres are whole."""
    return (xy + 0.5) * factor - 0.5


def draw_crosses(
    canvas: Canvas,
    points: Points,
    colours: Sequence[Colour],
    *,
    arm: float,
    line: int,
    slanted: bool = False,
) -> None:
    """A plus, or an x, with a dark rim on each point; NaN is left out."""
    arms = ((arm, arm), (arm, -arm)) if slanted else ((arm, 0.0), (0.0, arm))
    for ink in (True, False):
        for point, colour in zip(points, colours, strict=True):
            for along in () if np.isnan(point).any() else arms:
                ends = fixed(point - along), fixed(point + along)
                width = line + 2 if ink else line
                cv2.line(canvas, *ends, INK if ink else colour, width, cv2.LINE_AA, SHIFT)


def draw_dots(canvas: Canvas, points: Points, colours: Sequence[Colour], *, radius: float) -> None:
    """A dot with a dark rim on each point; NaN is left out."""
    size, rim = (round(each * (1 << SHIFT)) for each in (radius, radius + 1))
    for point, colour in zip(points, colours, strict=True):
        if not np.isnan(point).any():
            cv2.circle(canvas, fixed(point), rim, INK, cv2.FILLED, cv2.LINE_AA, SHIFT)
            cv2.circle(canvas, fixed(point), size, colour, cv2.FILLED, cv2.LINE_AA, SHIFT)


def draw_links(canvas: Canvas, starts: Points, ends: Points, colour: Colour, *, line: int) -> None:
    """A line from each point to its partner; NaN is left out."""
    for start, end in zip(starts, ends, strict=True):
        if not np.isnan((start, end)).any():
            cv2.line(canvas, fixed(start), fixed(end), colour, line, cv2.LINE_AA, SHIFT)
