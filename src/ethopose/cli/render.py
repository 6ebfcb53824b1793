"""ethopose render: look at a result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen


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
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write the labelled video and a contact sheet of a result, and of a tracked one who was seen when.

    Example: ethopose render clip.mp4.mice.ethopose
    """
    import ethopose

    screen: Screen = context.obj
    with screen.progress() as bar:
        pictures = ethopose.render(
            result,
            out,
            video=video,
            overwrite=overwrite,
            progress=lambda done, total: bar(result, done, total),
        )
    data = {what: str(path) for what, path in asdict(pictures).items() if path is not None}
    screen.report(data, [(what, str(path)) for what, path in pictures.files.items()])
