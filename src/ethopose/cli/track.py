"""ethopose track: who is who in a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(track)


def track(
    context: typer.Context,
    source: Annotated[
        Path, Argument(help="A result folder, or a file of poses of another tool.", show_default=False)
    ],
    out: Annotated[
        Path | None, Option("-o", "--out", help="The result to write; beside the source if left out.")
    ] = None,
    animals: Annotated[
        int | None,
        Option("-n", "--animals", min=1, help="How many there are; as many tracks at most go through all."),
    ] = None,
    video: Annotated[Path | None, Option(help="Of a file of poses: where its video lies.")] = None,
    redo: Annotated[bool, Option("--redo", help="Find tracks anew where there are some.")] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Identities: which pose is which animal, through crossings and gaps, and how sure that is.

    Example: ethopose track clip.mp4.mice.ethopose --animals 3
    """
    import ethopose
    from ethopose.store import UNSURE

    screen: Screen = context.obj
    with screen.progress() as bar:
        tracked = ethopose.track(
            source, out, animals=animals, video=video, redo=redo, overwrite=overwrite, progress=bar
        )
    joins = tracked.joins
    unsure = int(joins.unsure.sum())
    data = {
        "result": str(tracked.path),
        "tracks": list(tracked.tracks),
        "joins": len(joins),
        "unsure_joins": unsure,
    }
    rows = [
        ("result", str(tracked.path)),
        ("tracks", _names(tracked.tracks)),
        ("joins", f"{len(joins)}, of which {unsure} are unsure (less than {UNSURE:.0%})"),
    ]
    screen.report(data, rows)


def _names(tracks: tuple[str, ...]) -> str:
    return ", ".join(tracks) if len(tracks) <= 12 else f"{len(tracks)}"
