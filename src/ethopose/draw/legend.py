"""What marks and colours of a picture mean, in a column beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from ethopose.draw.marks import Colour, draw_crosses, draw_dots
from ethopose.draw.overlay import PAPER, write_text

Mark = Literal["plus", "dot", "x"]
Entry = tuple[Mark, Colour, str]
ROW, LETTER = 22, 9  # px: of a line, of a capital letter
MARK, GAP = 28, 14  # px: before the words, after them
PAGE = (96, 96, 102)  # what is dark and what is light stands out from it


def with_legend(
    picture: UInt8[np.ndarray, "height width 3"], entries: Sequence[Entry]
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The picture with a line an entry at its right, in as many columns as its height asks for."""
    rows = max(1, picture.shape[0] // ROW)
    columns = math.ceil(len(entries) / rows)
    wide = MARK + max(_width(text) for _, _, text in entries) + GAP
    height = max(picture.shape[0], ROW)
    page = np.full((height, picture.shape[1] + columns * wide, 3), PAGE, np.uint8)
    page[: picture.shape[0], : picture.shape[1]] = picture
    for number, (mark, colour, text) in enumerate(entries):
        left = picture.shape[1] + number // rows * wide
        middle = (number % rows + 0.5) * ROW
        draw_mark(page, np.array([[left + MARK / 2, middle]]), [colour], mark, across=12)
        write_text(page, text, (left + MARK, middle + LETTER / 2), LETTER, PAPER)
    return page


def draw_mark(
    canvas: UInt8[np.ndarray, "height width 3"],
    points: np.ndarray,
    colours: Sequence[Colour],
    mark: Mark,
    *,
    across: float,
) -> None:
    """The same mark on each of `points` (n, 2), about so many px wide; NaN is left out."""
    line = max(1, round(across / 8))
    if mark == "dot":
        draw_dots(canvas, points, colours, radius=0.3 * across)
    else:
        slanted = mark == "x"
        arm = across * (0.36 if slanted else 0.5)
        draw_crosses(canvas, points, colours, arm=arm, line=line, slanted=slanted)


def _width(text: str) -> int:
    font = cv2.FONT_HERSHEY_SIMPLEX
    return int(cv2.getTextSize(text, font, cv2.getFontScaleFromHeight(font, LETTER, 1), 1)[0][0])
