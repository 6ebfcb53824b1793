"""ethopose info: what is this?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from ethopose.cli.predicting import chooses_model
from ethopose.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(chooses_model("path")(info))


def info(
    context: typer.Context,
    path: Annotated[
        list[Path],
        Argument(
            help="A model, a video, a result, or a file of poses; two folders of a top-down pair.",
            show_default=False,
        ),
    ],
) -> None:
    """Print what a model, video, result or file of poses is.

    Example: ethopose info clip.mp4.mice.ethopose
    """
    from ethopose.about import describe
    from ethopose.about import info as found_in

    screen: Screen = context.obj
    found = found_in(path if len(path) > 1 else path[0])
    screen.give(found, describe(found))
