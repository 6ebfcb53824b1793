"""ethopose demo: all of it in a minute."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from ethopose.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    out: Annotated[Path, Option("-o", "--out", help="The folder to write into.")] = Path("ethopose-demo"),
) -> None:
    """Render a clip, predict it with the model that comes along, and draw what was found.

    Example: ethopose demo
    """
    from ethopose.testing.demo import run_demo

    screen: Screen = context.obj
    with screen.progress() as bar:
        report = run_demo(out, bar)
    screen.report(asdict(report), report.lines(), title="ethopose demo")
