"""Every labelled image drawn: what people placed, what was found, and what of it is doubtful."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Int64, UInt8

from ethopose.core import UsageError
from ethopose.draw import write_png
from ethopose.draw.legend import Entry, draw_mark, with_legend
from ethopose.draw.marks import Colour, enlarged
from ethopose.draw.overlay import PAPER, resized
from ethopose.evaluate.naming import file_name
from ethopose.evaluate.sample import Sample
from ethopose.media import read_pictures
from ethopose.metrics import Points
from ethopose.store import make_folder
from ethopose.store.atomic import remove

LABELLED = "labelled"  # the folder, in that of the evaluation
SIDE = 800  # px; smaller images are enlarged until their longer side is at least this
BY = ("keypoint", "individual")


@dataclass(frozen=True, slots=True)
class Drawing:
    """How labelled images are drawn; the defaults are DeepLabCut's.

    Raises:
        UsageError: there is no such colormap, or a number makes no sense.
    """

    by: str = "keypoint"  # or `individual`: what has a colour of its own
    colormap: str = "rainbow"  # of matplotlib
    dot_size: float = 12  # px across a mark, in the picture as it is drawn
    alpha: float = 0.7  # 1: marks hide what is below, 0: they cannot be seen

    def __post_init__(self) -> None:
        import matplotlib

        if self.by not in BY:
            raise UsageError(f"no colour by {self.by!r}", fix=f"choose {' or '.join(BY)}")
        if self.colormap not in matplotlib.colormaps:
            near = get_close_matches(self.colormap, matplotlib.colormaps, n=3) or ["rainbow", "viridis"]
            raise UsageError(f"no colormap is named {self.colormap!r}", fix=f"choose {', '.join(near)}")
        if not 0 < self.dot_size <= 200 or not 0 <= self.alpha <= 1:
            what = f"marks of {self.dot_size:g} px and alpha {self.alpha:g}"
            raise UsageError(what, fix="give 1 to 200 px, and alpha from 0 to 1")


def draw_labelled(
    sample: Sample,
    folder: Path,
    how: Drawing,
    *,
    cutoff: float,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write every image that was looked at as `SPLIT_NAME.png` into `folder`; gives the files.

    A plus is what people placed, a dot what was found with confidence `cutoff` or more, an x what was found
    with less. Images that cannot be read again are passed over. What an earlier evaluation left is removed.
    Raises `ResultError`.
    """
    make_folder(folder)
    colours = _colours(sample, how)
    palette, entries = list(colours.values()), _entries(colours, cutoff)
    drawn: list[Path] = []
    pictures = read_pictures([sample.images[index] for index in sample.seen])
    for number, (index, picture) in enumerate(zip(sample.seen, pictures, strict=True), start=1):
        if picture is not None:
            split = sample.split_of(int(index))
            name = "_".join(filter(None, (split, file_name(sample.images[index]))))
            points = sample.points[sample.points.image == index]
            own = [palette[which] for which in _which(points, sample, how)]
            marked = _marked(picture, points, own, how, cutoff)
            drawn.append(write_png(with_legend(marked, entries), folder / f"{name}.png"))
        if progress is not None:
            progress(number, len(sample.seen))
    for old in set(folder.glob("*.png")).difference(drawn):
        remove(old)
    return drawn


def _marked(
    picture: UInt8[np.ndarray, "height width 3"],
    points: Points,
    colours: Sequence[Colour],
    how: Drawing,
    cutoff: float,
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The whole picture, enlarged by a whole number where it is small, with its marks over it."""
    factor = max(1, math.ceil(SIDE / max(picture.shape)))
    size = picture.shape[0] * factor, picture.shape[1] * factor
    below = resized(picture, size) if factor > 1 else np.ascontiguousarray(picture)
    canvas = below.copy()
    truth, found = (enlarged(xy, factor) for xy in (points.truth, points.found))
    doubtful = (points.confidence < cutoff)[:, None]  # no confidence told: drawn as sure
    draw_mark(canvas, truth, colours, "plus", across=how.dot_size)
    draw_mark(canvas, np.where(doubtful, np.nan, found), colours, "dot", across=how.dot_size)
    draw_mark(canvas, np.where(doubtful, found, np.nan), colours, "x", across=how.dot_size)
    return np.asarray(cv2.addWeighted(canvas, how.alpha, below, 1 - how.alpha, 0))


def _which(points: Points, sample: Sample, how: Drawing) -> Int64[np.ndarray, "point"]:
    """The number of each point's colour: its keypoint's, or its animal's. What was found for a labelled
    animal has that one's; animals found too many share the last."""
    if how.by == "keypoint":
        return points.keypoint
    placed, extra = points.truth_row >= 0, points.truth_row < 0
    which = np.zeros(len(points), np.int64)
    rows, place = np.unique(points.truth_row[placed], return_inverse=True)
    told = sample.truth.individual[rows]
    which[placed] = np.where(told >= 0, told, np.arange(len(rows)))[place]
    which[extra] = _animals(sample)
    return which


def _animals(sample: Sample) -> int:
    """Animals in an image at most, or the individuals that labels name."""
    most = np.unique(sample.truth.frame, return_counts=True)[1].max(initial=1)
    return max(int(most), len(sample.truth.skeleton.individuals))


def _colours(sample: Sample, how: Drawing) -> dict[str, Colour]:
    """Names and their colours, spread over the colormap."""
    import matplotlib

    names = list(sample.truth.skeleton.keypoints)
    if how.by == "individual":
        told = sample.truth.skeleton.individuals
        names = [told[n] if n < len(told) else f"animal {n + 1}" for n in range(_animals(sample))]
        names.append("found too many")
    spread = matplotlib.colormaps[how.colormap].resampled(len(names))
    in_bytes = (spread(number, bytes=True)[:3] for number in range(len(names)))
    return {
        name: (int(red), int(green), int(blue))
        for name, (red, green, blue) in zip(names, in_bytes, strict=True)
    }


def _entries(colours: dict[str, Colour], cutoff: float) -> list[Entry]:
    marks: list[Entry] = [
        ("plus", PAPER, "placed"),
        ("dot", PAPER, "found"),
        ("x", PAPER, f"found, below {cutoff:g}"),
    ]
    return marks + [("dot", colour, name) for name, colour in colours.items()]
