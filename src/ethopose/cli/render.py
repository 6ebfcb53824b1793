"""ethopose render: look at a result."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen

TRAIL = 2.0  # seconds


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(render)


def render(
    context: typer.Context,
    result: Annotated[Path, Argument(help="A result folder.", show_default=False)],
    out: Annotated[
        Path | None, Option("-o", "--out", help="The folder for the pictures; beside the result if left out.")
    ] = None,
    video: Annotated[Path | None, Option(help="Where the video lies now, if it was moved.")] = None,
    detections: Annotated[
        bool, Option("--detections", help="All that was found, whosever it is: keypoints alone, by colour.")
    ] = False,
    tracks: Annotated[
        bool, Option("--tracks", help=f"Where each track went in the last {TRAIL:g} seconds.")
    ] = False,
    trail: Annotated[float | None, Option(min=0, help="The same, in so many seconds.")] = None,
    names: Annotated[
        bool | None, Option("--names/--no-names", help="Names of animals; on by itself.", show_default=False)
    ] = None,
    color_by: Annotated[
        Literal["individual", "keypoint"] | None,
        Option(help="What has a colour of its own; individuals and tracks if left out."),
    ] = None,
    skeleton: Annotated[
        bool | None,
        Option("--skeleton/--no-skeleton", help="Lines between keypoints; on by itself.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write the labelled video and a contact sheet of a result, and of a tracked one who was seen when.

    Example: ethopose render clip.mp4.mice.tracked.ethopose --tracks --no-skeleton
    """
    import ethopose
    from ethopose.draw import DETECTIONS, Style

    seconds = trail if trail is not None else TRAIL if tracks else None
    told = {"labels": names, "color_by": color_by, "skeleton": skeleton, "trail": seconds}
    asked: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    screen: Screen = context.obj
    with screen.progress() as bar:
        pictures = ethopose.render(
            result,
            out,
            video=video,
            style=replace(DETECTIONS if detections else Style(), **asked),
            detections=detections,
            overwrite=overwrite,
            progress=lambda done, total: bar(result, done, total),
        )
    data = {what: str(path) for what, path in asdict(pictures).items() if path is not None}
    screen.report(data, [(what, str(path)) for what, path in pictures.files.items()])
