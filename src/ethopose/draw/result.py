"""The pictures of a result: its labelled video, its contact sheet, its strip of identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethopose.core import Poses, ResultError, UsageError
from ethopose.draw.detections import DETECTIONS, every_detection
from ethopose.draw.labelled import render_video
from ethopose.draw.overlay import Style
from ethopose.draw.sheet import contact_sheet
from ethopose.draw.strip import identity_strip
from ethopose.media import LABELLED, Video
from ethopose.store import SUFFIX, Result, filling, read, video_of

Progress = Callable[[int, int], None]  # (frames done, frames in all)


@dataclass(frozen=True, slots=True)
class Pictures:
    """The files that `render` wrote."""

    video: Path
    sheet: Path
    identities: Path | None = None  # of a tracked result

    @property
    def files(self) -> dict[str, Path]:
        """What each shows, and where it is."""
        named = {"labelled video": self.video, "contact sheet": self.sheet}
        return named if self.identities is None else {**named, "identities": self.identities}


def pictures_of(result: Path, *, tracked: bool = False) -> Pictures:
    """The files that `render` writes beside a result."""
    stem = result.name.removesuffix(SUFFIX)
    strip = result.with_name(f"{stem}.identities.png") if tracked else None
    return Pictures(result.with_name(f"{stem}{LABELLED}"), result.with_name(f"{stem}.sheet.png"), strip)


def render(
    result: Result | Path | str,
    out: Path | str | None = None,
    *,
    video: Path | str | None = None,
    style: Style | None = None,
    detections: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Pictures:
    """Write a result's labelled video and contact sheet, and of a tracked one its strip of identities, into
    the folder `out`, or beside the result.

    `video` tells where the video lies now if it was moved since. With `detections` all that was found is
    drawn, whosever it is: every peak of the network, where the result holds them.

    Raises:
        FormatError: `result` is none, or damaged.
        UsageError: it is not there, or trails are asked for and there are no tracks.
        VideoError: the video is gone, or it is another one.
        ResultError: the files are there already, or no frame is stored yet.
    """
    result = result if isinstance(result, Result) else read(result)
    if style is not None and style.trail and not (result.tracks or result.skeleton.individuals):
        raise UsageError("there are no tracks to draw", where=result.path, fix="ethopose track finds them")
    folder = result.path.parent if out is None else Path(out)
    place = folder / result.path.name
    pictures = pictures_of(place, tracked=bool(result.tracks))
    for path in pictures.files.values():
        if path.exists() and not overwrite:
            raise ResultError(
                "there is a file of this name already", where=path, fix="--overwrite replaces it"
            )
    if not len(result.frames):
        raise ResultError("no frame is stored yet", where=result.path)
    opened = video_of(result, video)
    style = style or (DETECTIONS if detections else Style())
    with filling(folder):
        _draw(result, opened, pictures, style, progress, title=place.stem, detections=detections)
    return pictures


def _draw(
    result: Result,
    video: Video,
    pictures: Pictures,
    style: Style,
    progress: Progress | None,
    *,
    title: str,
    detections: bool,
) -> None:
    frames, done = result.frames.frame, 0

    def told(written: int) -> None:
        nonlocal done
        done += written
        if progress:
            progress(done, len(frames))

    def shown() -> Iterator[Poses]:
        return (every_detection(result, part) if detections else part.poses for part in result)

    for _ in shown():  # what is damaged is met before hours of drawing
        pass
    _ = result.joins
    how: dict[str, Any] = {"style": style, "names": result.tracks}
    render_video(shown(), video, pictures.video, frames=frames, progress=told, **how)
    contact_sheet(shown(), video, pictures.sheet, title=title, **how)
    if pictures.identities is not None:
        identity_strip(result, pictures.identities, title=title)
