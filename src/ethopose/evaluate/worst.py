"""The images that were found worst, drawn: the labels as crosses, what was found as dots."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from ethopose.draw import Style, overlay, page, write_png
from ethopose.draw.marks import draw_crosses, draw_links, enlarged
from ethopose.draw.overlay import PAPER, Pen, rescaled, resized, write_text
from ethopose.evaluate.naming import file_name, short_name
from ethopose.evaluate.sample import Sample
from ethopose.media import read_pictures

WORST = 20
SIDE = 960  # px; smaller images are enlarged until their longer side is at least this
TILE = (270, 360)  # height, width on the sheet
CAPTION = 24
ROOM = 1.4  # of a tile, over the extent of the points in it
SHEET = "worst.png"  # beside the images, of all of them
ERROR, PAGE = (213, 94, 0), (32, 32, 36)


def draw_worst(sample: Sample, folder: Path, *, cutoff: float) -> list[Path]:
    """Write the worst images as `01_NAME.png` into `folder`, and all of them on a sheet; gives the files.

    Dots of less confidence than `cutoff` are hollow; a line leads from each label to the dot that is
    meant for it. Images that cannot be read again are passed over. Raises `ResultError`.
    """
    badness = _badness(sample)
    order = np.argsort(-badness, kind="stable")[:WORST]
    images = [int(sample.seen[place]) for place in order if badness[place] > 0]
    drawn, tiles = [], []
    for rank, picture in enumerate(read_pictures([sample.images[index] for index in images]), start=1):
        if picture is None:
            continue
        index = images[rank - 1]
        canvas = _drawn(picture, sample, index, cutoff)
        drawn.append(folder / f"{rank:02d}_{file_name(sample.images[index])}.png")
        write_png(canvas, drawn[-1])
        caption = f"{rank}  {short_name(sample.images[index])}  {_told(sample, index)}"
        tiles.append(_tile(canvas, enlarged(_places(sample, index), _factor(picture)), caption))
    if tiles:
        drawn.append(folder.with_name(SHEET))
        facts = "crosses: placed; dots: found; the worst first"
        title = f"the {len(tiles)} worst images" if len(tiles) > 1 else "the worst image"
        write_png(page(tiles, title, facts), drawn[-1])
    return drawn


def is_drawing(path: Path) -> bool:
    """Whether a file bears the name of one of the images drawn."""
    return re.match(r"\d\d_.+\.png$", path.name) is not None


def _badness(sample: Sample) -> Float64[np.ndarray, "image"]:
    """Mean error of each image's labelled points, px; one that was not found errs by a body length."""
    points = sample.points[sample.points.labelled]
    typical = np.nanmax(points.error) if np.any(points.seen) else 1.0
    error = np.where(points.seen, points.error, typical if np.isnan(sample.body) else sample.body)
    place = np.searchsorted(sample.seen, points.image)
    counts = np.bincount(place, minlength=len(sample.seen))
    return np.asarray(np.bincount(place, error, minlength=len(sample.seen)) / np.maximum(counts, 1))


def _places(sample: Sample, image: int) -> Float64[np.ndarray, "point 2"]:
    points = sample.points[sample.points.image == image]
    return np.concatenate([points.truth[points.labelled], points.found[points.seen]])


def _told(sample: Sample, image: int) -> str:
    points = sample.points[sample.points.image == image]
    error = points.error[~np.isnan(points.error)]
    missed = int((points.labelled & ~points.seen).sum())
    mean = f"mean {error.mean():.1f} px" if len(error) else "nothing found"
    return mean + (f", {missed} missed" if missed else "")


def _drawn(
    picture: UInt8[np.ndarray, "height width 3"], sample: Sample, image: int, cutoff: float
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The whole picture, enlarged by a whole number where it is small; dots lie over crosses."""
    factor = _factor(picture)
    size = picture.shape[0] * factor, picture.shape[1] * factor
    canvas = resized(picture, size) if factor > 1 else picture.copy()
    points = sample.points[sample.points.image == image]
    pen = Pen.for_frame(*size, 1)
    points = points[points.labelled]
    truth, found = (enlarged(xy, factor) for xy in (points.truth, points.found))
    draw_crosses(canvas, truth, [PAPER] * len(truth), arm=2.5 * pen.radius, line=pen.line)
    draw_links(canvas, truth, found, ERROR, line=pen.line)
    poses = rescaled(sample.found[sample.found.frame == image], picture.shape, size)
    return overlay(canvas, poses, style=Style(cutoff=cutoff, labels=False))


def _factor(picture: UInt8[np.ndarray, "height width 3"]) -> int:
    longest: int = max(picture.shape)
    return max(1, math.ceil(SIDE / longest))


def _tile(
    canvas: UInt8[np.ndarray, "height width 3"], points: Float64[np.ndarray, "point 2"], caption: str
) -> UInt8[np.ndarray, "tall wide 3"]:
    """What of the drawing lies round its points, in a tile of constant size above its caption."""
    tile = np.full((TILE[0] + CAPTION, TILE[1], 3), PAGE, np.uint8)
    (left, top), (right, bottom) = _window(canvas, points)
    part = canvas[top:bottom, left:right]
    factor = min(TILE[0] / part.shape[0], TILE[1] / part.shape[1])
    small = resized(part, (max(1, int(part.shape[0] * factor)), max(1, int(part.shape[1] * factor))))
    start = (TILE[1] - small.shape[1]) // 2
    tile[: small.shape[0], start : start + small.shape[1]] = small
    write_text(tile, caption, (2, TILE[0] + CAPTION - 8), 9)
    return tile


def _window(
    canvas: UInt8[np.ndarray, "height width 3"], points: Float64[np.ndarray, "point 2"]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """A tile's shape round the points that lie in the picture, with room, a tile's pixels at least."""
    size = np.array(canvas.shape[1::-1])
    inside = points[np.all((points >= 0) & (points < size), axis=1)]
    if not len(inside):
        return (0, 0), (int(size[0]), int(size[1]))
    low, high = inside.min(axis=0), inside.max(axis=0)
    shape = np.array(TILE[::-1])
    wanted = shape * max(1.0, float(np.max(ROOM * (high - low) / shape)))
    sides = np.minimum(wanted, size)
    start = np.clip((low + high - sides) / 2, 0, size - sides).astype(int)
    stop = start + np.maximum(sides.astype(int), 1)
    return (int(start[0]), int(start[1])), (int(stop[0]), int(stop[1]))
