"""ethopose convert: a result as a file that other tools read, a model as one of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ethopose.cli.predicting import chooses_model
from ethopose.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(chooses_model("source")(convert))


def convert(
    context: typer.Context,
    source: Annotated[
        list[Path],
        Argument(help="A result folder, a model of any tool, or the two of a pair.", show_default=False),
    ],
    out: Annotated[Path, Argument(help="The file, or the model folder, to write.", show_default=False)],
    format: Annotated[
        str | None, Option(help="slp, csv, dlc-h5, dlc-csv ...; told by the file's name if left out.")
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a result as a file that other tools read, or a model as a folder of ethopose's own.

    Example: ethopose convert clip.mp4.mice.ethopose poses.csv
    """
    import ethopose

    screen: Screen = context.obj
    with screen.waiting(f"writing {out.name}"):
        written = ethopose.convert(source, out, format=format, overwrite=overwrite)
    screen.report({"written": str(written)}, [("written", str(written))])
