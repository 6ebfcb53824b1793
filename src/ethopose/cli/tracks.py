"""ethopose tracks: a tracked result, corrected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen

if TYPE_CHECKING:
    from ethopose.store import Result

Tracked = Annotated[Path, Argument(metavar="RESULT", help="A result folder with tracks.", show_default=False)]
Track = Annotated[str, Argument(help="A track, by name.", show_default=False)]
Out = Annotated[
    Path | None, Option("-o", "--out", help="The result to write; beside the one that is read if left out.")
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace what is there.")]


HELP = """Correct tracks: a new result; the one that is read stays as it is.

Example: ethopose tracks rename clip.mp4.mice.tracked.ethopose track_1 anna
"""


def add_to(app: typer.Typer) -> None:
    """Enter the commands."""
    group = typer.Typer(help=HELP, no_args_is_help=True)
    for command in (swap, rename, join, cut, confirm):
        group.command()(command)
    app.add_typer(group, name="tracks")


def swap(
    context: typer.Context,
    result: Tracked,
    a: Track,
    b: Track,
    first: Annotated[int, Option("--from", help="The first frame in which they are exchanged.")],
    last: Annotated[int | None, Option("--to", help="The last one; the last of all if left out.")] = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Exchange two tracks from a frame on.

    Example: ethopose tracks swap clip.mp4.mice.tracked.ethopose track_1 track_2 --from 1200
    """
    _correct(context, "swap", result, a, b, first, last, out=out, overwrite=overwrite)


def rename(
    context: typer.Context,
    result: Tracked,
    old: Track,
    new: Annotated[str, Argument(help="Its new name.", show_default=False)],
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Give a track another name.

    Example: ethopose tracks rename clip.mp4.mice.tracked.ethopose track_1 anna
    """
    _correct(context, "rename", result, old, new, out=out, overwrite=overwrite)


def join(
    context: typer.Context,
    result: Tracked,
    a: Track,
    b: Annotated[str, Argument(help="The track that becomes a part of it.", show_default=False)],
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a track part of another, which is there in other frames.

    Example: ethopose tracks join clip.mp4.mice.tracked.ethopose track_1 track_3
    """
    _correct(context, "join", result, a, b, out=out, overwrite=overwrite)


def cut(
    context: typer.Context,
    result: Tracked,
    a: Track,
    frame: Annotated[int, Option("--at", help="The first frame of what becomes a new track.")],
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Cut a track in two.

    Example: ethopose tracks cut clip.mp4.mice.tracked.ethopose track_1 --at 1200
    """
    _correct(context, "cut", result, a, frame, out=out, overwrite=overwrite)


def confirm(
    context: typer.Context,
    result: Tracked,
    track: Track,
    frame: Annotated[int, Option("--at", help="A frame of the join, from `before` to `after`.")],
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Say that a join is right: it is certain then, and no review asks for it again.

    Example: ethopose tracks confirm clip.mp4.mice.tracked.ethopose track_1 --at 1200
    """
    _correct(context, "confirm", result, track, frame, out=out, overwrite=overwrite)


def _correct(context: typer.Context, what: str, *told: object, **how: object) -> None:
    """Do one of `ethopose.tracks`, and tell what the tracks are now."""
    from ethopose.track import tracks

    screen: Screen = context.obj
    with screen.progress() as bar:
        result: Result = getattr(tracks, what)(*told, **how, progress=bar)
    corrections = result.manifest.settings["corrections"]
    data = {"result": str(result.path), "tracks": list(result.tracks), "corrections": corrections}
    words = corrections if isinstance(corrections, list) else []
    rows = [("result", str(result.path)), ("tracks", ", ".join(result.tracks))]
    screen.report(data, [*rows, ("corrections", "\n".join(map(str, words)))])
