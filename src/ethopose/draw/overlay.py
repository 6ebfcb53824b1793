"""Poses drawn on one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from ethopose.core import Poses

# Okabe and Ito, "Color Universal Design" (2008): told apart in every form of colour blindness; without black,
# and those first that stand out from grey video
PALETTE = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 190, 130),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
)
INK, PAPER = (20, 20, 20), (255, 255, 255)
NOBODY = (150, 150, 150)  # an animal without a track, where others have one
FAR = 1 << 20  # px; beyond it a point is nonsense, and OpenCV's integers overflow
SHIFT = 4  # OpenCV draws at sixteenths of a pixel


@dataclass(frozen=True, slots=True)
class Style:
    """How poses are drawn."""

    cutoff: float = 0.2  # keypoints of less confidence are hollow, their edges thin
    labels: bool = True  # write the name of the individual or track
    scale: float = 1.0  # of points, lines and letters, against what suits the frame's size
    color_by: Literal["individual", "keypoint"] = "individual"  # by keypoint, edges are white
    skeleton: bool = True  # draw edges
    trail: float = 0.0  # seconds of a track that a labelled video shows behind it


@dataclass(frozen=True, slots=True)
class Pen:
    """Sizes in pixels that suit a frame."""

    radius: float
    line: int
    text: float  # height of a capital letter

    @classmethod
    def for_frame(cls, height: int, width: int, scale: float) -> Pen:
        """Sizes that look alike in frames of any size."""
        side = min(height, width) * scale
        return cls(max(1.5, side / 120), max(1, round(side / 300)), max(7.0, side / 38))


def overlay(
    image: UInt8[np.ndarray, "height width 3"],
    poses: Poses,
    *,
    style: Style | None = None,
    names: Sequence[str] = (),
) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of the frame with its poses: edges, keypoints, names; NaN keypoints are left out.

    An animal's colour is its track's, grey where it has none and others have; without tracks that of its
    individual, else of its place among the rows. `poses` holds this frame's rows only, `names` are those of
    the tracks.
    """
    style = style or Style()
    canvas = image.copy()
    pen = Pen.for_frame(image.shape[0], image.shape[1], style.scale)
    for row, place in enumerate(places(poses, names).tolist()):
        found = (np.abs(poses.xy[row]) < FAR).all(axis=1)  # NaN compares as not found
        sure = found & ~(poses.confidence[row] < style.cutoff)  # no confidence told: drawn as sure
        own = NOBODY if place < 0 else PALETTE[place % len(PALETTE)]
        by_keypoint = style.color_by == "keypoint"
        if style.skeleton:
            _draw_edges(canvas, poses, row, (found, sure), PAPER if by_keypoint else own, pen)
        colours = [PALETTE[k % len(PALETTE)] if by_keypoint else own for k in range(len(found))]
        _draw_keypoints(canvas, poses.xy[row], (found, sure), colours, pen)
        name = _name(poses, row, names) if style.labels else ""
        if name and found.any():
            x, y = min(poses.xy[row][found], key=lambda point: point[1])
            place = (float(x), float(y) - 2 * pen.radius - 0.4 * pen.text)
            write_text(canvas, name, place, pen.text, own, centred=True)
    return canvas


def places(poses: Poses, tracks: Sequence[str]) -> Int64[np.ndarray, "instance"]:
    """Of each animal the place in the palette, which is its own within a frame; -1: it has no track, and
    others have."""
    if tracks:
        place: np.ndarray = np.append(track_places(tracks, poses.skeleton.individuals), -1)[poses.track]
        return place
    rows = np.where(poses.track >= 0, poses.track, np.arange(len(poses)))
    return np.where(poses.individual >= 0, poses.individual, rows).astype(np.int64)


def track_places(tracks: Sequence[str], individuals: Sequence[str]) -> Int64[np.ndarray, "track"]:
    """Of each track the place in the palette: of the individual that it is, else the next free one."""
    known = {name: place for place, name in enumerate(individuals)}
    taken = {known[name] for name in tracks if name in known}
    free = (place for place in count() if place not in taken)
    return np.array([known[name] if name in known else next(free) for name in tracks], np.int64)


def _name(poses: Poses, row: int, tracks: Sequence[str]) -> str:
    individual, track = int(poses.individual[row]), int(poses.track[row])
    if tracks:
        return tracks[track] if track >= 0 else ""
    if 0 <= individual < len(poses.skeleton.individuals):
        return poses.skeleton.individuals[individual]
    return str(track) if track >= 0 else ""


Certainty = tuple[Bool[np.ndarray, "keypoint"], Bool[np.ndarray, "keypoint"]]  # found, sure
Colour = tuple[int, int, int]


def _draw_edges(
    canvas: np.ndarray, poses: Poses, row: int, certainty: Certainty, colour: Colour, pen: Pen
) -> None:
    found, sure = certainty
    for a, b in poses.skeleton.edges:
        if found[a] and found[b]:
            width = pen.line + 1 if sure[a] and sure[b] else 1
            ends = fixed(poses.xy[row, a]), fixed(poses.xy[row, b])
            cv2.line(canvas, *ends, colour, width, cv2.LINE_AA, SHIFT)


def _draw_keypoints(
    canvas: np.ndarray,
    xy: Float32[np.ndarray, "keypoint 2"],
    certainty: Certainty,
    colours: Sequence[Colour],
    pen: Pen,
) -> None:
    radius, rim = (round(size * (1 << SHIFT)) for size in (pen.radius, pen.radius + pen.line / 2))
    for point, is_found, is_sure, colour in zip(xy, *certainty, colours, strict=True):
        if is_found and is_sure:
            cv2.circle(canvas, fixed(point), rim, INK, cv2.FILLED, cv2.LINE_AA, SHIFT)
        if is_found:
            width = cv2.FILLED if is_sure else 1
            cv2.circle(canvas, fixed(point), radius, colour, width, cv2.LINE_AA, SHIFT)


def fixed(point: Float[np.ndarray, "2"]) -> tuple[int, int]:
    """A place in sixteenths of a pixel, as OpenCV draws; far beyond any frame it is cut off."""
    x, y = np.clip(point, -FAR, FAR) * (1 << SHIFT)
    return round(float(x)), round(float(y))


def write_text(
    canvas: UInt8[np.ndarray, "height width 3"],
    text: str,
    place: tuple[float, float],
    height: float,
    colour: Colour = PAPER,
    *,
    centred: bool = False,
) -> None:
    """Write a line with a dark rim; `place` is its left (or middle) on the base line. It stays in the frame.

    OpenCV's letters are ASCII: others become "?".
    """
    text = text.encode("ascii", "replace").decode()
    font, weight = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(height / 12))
    scale = cv2.getFontScaleFromHeight(font, max(1, round(height)), weight)
    (width, tall), below = cv2.getTextSize(text, font, scale, weight)
    left = place[0] - (width / 2 if centred else 0)
    x = round(min(max(left, 2), max(2, canvas.shape[1] - width - 2)))
    y = round(min(max(place[1], tall + 2), canvas.shape[0] - below))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):  # a heavier stroke would be a wider text in OpenCV 5
        cv2.putText(canvas, text, (x + dx, y + dy), font, scale, INK, weight, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), font, scale, colour, weight, cv2.LINE_AA)


def resized(
    image: UInt8[np.ndarray, "height width 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The frame at another size (height, width)."""
    method = cv2.INTER_CUBIC if size[0] > image.shape[0] else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size[::-1], interpolation=method))


def rescaled(poses: Poses, before: tuple[int, ...], after: tuple[int, ...]) -> Poses:
    """Poses on a resized frame (sizes: height, width), where they lay before; pixels' centres are whole."""
    scale = np.array([after[1] / before[1], after[0] / before[0]], np.float32)
    return replace(poses, xy=(poses.xy + np.float32(0.5)) * scale - np.float32(0.5))
