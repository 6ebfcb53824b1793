"""The strip of identities: who was seen when, over a whole video, and where that is unsure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ethopose.draw.figures import write_figure
from ethopose.draw.overlay import INK, PALETTE, track_places
from ethopose.store import UNSURE, FrameTable, Joins, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 1800  # of the picture; a longer video has several frames in each
MOST = 60  # tracks; the ones seen most are drawn
UNSEEN, ASIDE = (255, 255, 255), (232, 232, 235)  # a track that is not there; frames that were not selected
WIDTH, ROW, AROUND, SPACE = 14, 0.3, 1.0, 2.0  # inches: of all, of a track, above and below, at the sides
UNITS = (("s", 1.0, 180.0), ("min", 60.0, 3 * 3600.0), ("h", 3600.0, np.inf))  # seconds, up to how many


@dataclass(frozen=True, slots=True)
class Presence:
    """Which share of the frames of each column of a picture a track is there; NaN: none was selected."""

    tracks: Int64[np.ndarray, "row"]  # those drawn, in the order of their numbers
    share: Float32[np.ndarray, "row column"]
    first: int  # frame
    last: int
    place: Int64[np.ndarray, "track"]  # the row of each track, -1 for none; and last of all that of no track

    @property
    def others(self) -> int:
        """How many tracks are not drawn."""
        return len(self.place) - 1 - len(self.tracks)


def identity_strip(result: Result, path: Path, *, title: str = "") -> Path:
    """Write a PNG of a tracked result, a row a track: coloured where it is there, white where it is not,
    with a mark at each join that is unsure. Memory does not grow with rows.

    Raises ResultError where it cannot be written, FormatError where a part of the result is damaged.
    """
    from matplotlib.figure import Figure

    presence = _presence(result)
    rows = len(presence.tracks)
    height = ROW * max(rows, 2) + AROUND
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    left, right = SPACE / WIDTH, 1 - 0.3 / WIDTH
    axes = figure.add_axes((left, 0.6 / height, right - left, 1 - AROUND / height))
    axes.imshow(
        _picture(presence, _colours(result)[presence.tracks]),
        extent=(presence.first - 0.5, presence.last + 0.5, max(rows, 1) - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    for border in range(1, rows):
        axes.axhline(border - 0.5, color="white", linewidth=3)
    _mark_joins(axes, presence, result.joins[result.joins.unsure])
    axes.set_yticks(range(rows), [result.tracks[track] for track in presence.tracks])
    _label_frames(axes, result.frames)
    axes.set_title(_head(title, presence, result.joins), loc="left", size=10)
    for side in axes.spines.values():
        side.set_visible(False)
    write_figure(figure, path, dpi=150)
    return path


def _presence(result: Result) -> Presence:
    """In two passes over the parts: who is seen most, then when."""
    rows = np.zeros(len(result.tracks), np.int64)
    for part in result:
        rows += np.bincount(part.poses.track[part.poses.track >= 0], minlength=len(rows))
    tracks = np.sort(np.argsort(-rows, kind="stable")[:MOST])
    place = np.full(len(rows) + 1, -1)
    place[tracks] = np.arange(len(tracks))
    first, last = (int(result.frames.frame[end]) for end in (0, -1))
    columns = min(COLUMNS, last - first + 1)
    seen, frames = np.zeros((len(tracks), columns), np.float32), np.zeros(columns, np.float32)
    for part in result:
        row = place[part.poses.track]
        column = (part.poses.frame - first) * columns // (last - first + 1)
        np.add.at(seen, (row[row >= 0], column[row >= 0]), 1)
        np.add.at(frames, (part.frames.frame - first) * columns // (last - first + 1), 1)
    share = seen / np.where(frames, frames, np.nan)
    return Presence(tracks, share.astype(np.float32), first, last, place)


def _colours(result: Result) -> UInt8[np.ndarray, "track 3"]:
    """As in the labelled video."""
    places = track_places(result.tracks, result.skeleton.individuals)
    return np.array([PALETTE[place % len(PALETTE)] for place in places], np.uint8)


def _picture(presence: Presence, colours: UInt8[np.ndarray, "row 3"]) -> UInt8[np.ndarray, "row column 3"]:
    share = np.minimum(presence.share, 1)[..., None]
    mixed = share * colours[:, None] + (1 - share) * np.array(UNSEEN)
    return np.where(np.isnan(share), ASIDE, mixed).round().astype(np.uint8)


def _mark_joins(axes: Axes, presence: Presence, joins: Joins) -> None:
    """A mark on each track, and a line to the track that it might have gone on as."""
    ink = "#{:02x}{:02x}{:02x}".format(*INK)
    own, rival = presence.place[joins.track], presence.place[joins.rival]
    both, there = (own >= 0) & (rival >= 0), own >= 0
    axes.vlines(joins.after[both], own[both], rival[both], color=ink, linewidth=0.6, alpha=0.5)
    axes.scatter(joins.after[there], own[there], 16, color="white", edgecolors=ink, marker="D", zorder=3)


def _label_frames(axes: Axes, frames: FrameTable) -> None:
    """Along the axis the time, where it is known, else the frame."""
    from matplotlib.ticker import MaxNLocator

    time, number = frames.time, frames.frame
    if not (np.isfinite(time).all() and time[-1] > time[0]):
        axes.set_xlabel("frame")
        return
    unit, seconds = next((unit, seconds) for unit, seconds, most in UNITS if time[-1] - time[0] < most)
    ticks = np.array(MaxNLocator(12).tick_values(time[0] / seconds, time[-1] / seconds))
    ticks = ticks[(time[0] <= ticks * seconds) & (ticks * seconds <= time[-1])]
    axes.set_xticks(np.interp(ticks * seconds, time, number), [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(f"time, {unit}")


def _head(title: str, presence: Presence, joins: Joins) -> str:
    unsure = int(joins.unsure.sum())
    facts = [title, f"frames {presence.first:,} to {presence.last:,}"]
    facts.append(f"{unsure:,} of {len(joins):,} joins unsure (less than {UNSURE:.0%})" if unsure else "")
    facts.append(
        f"{presence.others:,} more tracks were seen less and are left out" if presence.others else ""
    )
    return "   ".join(filter(None, facts))
