"""ethopose reid: the same animals in several videos, under the same names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen
from ethopose.core import UsageError

if TYPE_CHECKING:
    from ethopose.reid import Named

HELP = """Names that carry over: learn what animals look like, and find them again in other videos.

Example: ethopose reid train monday.mp4.mice.tracked.ethopose -o cage7
"""
Results = Annotated[
    list[Path], Argument(metavar="RESULT...", help="Result folders with tracks.", show_default=False)
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace what is there.")]


def add_to(app: typer.Typer) -> None:
    """Enter the commands."""
    group = typer.Typer(help=HELP, no_args_is_help=True)
    for command in (train, apply):
        group.command()(command)
    app.add_typer(group, name="reid")


def train(
    context: typer.Context,
    results: Results,
    out: Annotated[Path, Option("-o", "--out", help="The model's folder.", show_default=False)],
    appearance: Annotated[
        str | None,
        Option(help="crop, keypoints or both; keypoints if left out and all results have them, else crop."),
    ] = None,
    video: Annotated[
        list[Path] | None, Option(help="Where the videos lie, if moved: once a result, in their order.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Learn what the animals of tracked results look like, and who of one is who of another.

    Example: ethopose reid train monday.mp4.mice.tracked.ethopose tuesday.mp4.mice.tracked.ethopose -o cage7
    """
    from ethopose import reid

    screen: Screen = context.obj
    with screen.progress() as bar:
        known = reid.train(
            results, out, appearance=appearance, videos=video or (), overwrite=overwrite, progress=bar
        )
    data = {
        "model": str(known.path),
        "names": list(known.names),
        "told_apart": known.told_apart,
        "triplets": known.triplets,
    }
    rows = [
        ("model", str(known.path)),
        ("names", ", ".join(known.names)),
        ("looks", f"told apart in {known.told_apart:.1%} of cases, {known.triplets:.1%} of triplets right"),
    ]
    screen.report(data, rows)


def apply(
    context: typer.Context,
    results: Results,
    model: Annotated[Path, Option("-m", "--model", help="A model of reid train.", show_default=False)],
    out: Annotated[
        Path | None, Option("-o", "--out", help="The result to write, of one; beside it if left out.")
    ] = None,
    video: Annotated[Path | None, Option(help="Where the video of one result lies, if moved.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Name the tracks of results after the animals that a model knows; unsure ones keep their own names.

    Example: ethopose reid apply wednesday.mp4.mice.tracked.ethopose -m cage7
    """
    from ethopose import reid

    if len(results) > 1 and (out or video):
        raise UsageError("--out and --video are for one result", fix="name one, or leave them out")
    screen: Screen = context.obj
    data, rows = [], []
    with screen.progress() as bar:
        for result in results:
            done = reid.apply(result, model, out, video=video, overwrite=overwrite, progress=bar)
            names = {track: {"name": name, "certainty": sure} for track, (name, sure) in done.names.items()}
            data.append({"result": str(done.result.path), "names": names, "unsure": list(done.unsure)})
            rows += [("result", str(done.result.path)), ("tracks", _names(done))]
            for track in done.unsure:
                name, sure = done.names[track]
                rows.append(("unsure", f"{track} may be {name} ({sure:.0%}); it keeps its name"))
    screen.report(data, rows)


def _names(done: Named) -> str:
    """The tracks, and how sure those are that the model named."""
    named = {
        name: f"{name} ({sure:.0%})" for track, (name, sure) in done.names.items() if track not in done.unsure
    }
    return ", ".join(named.get(track, track) for track in done.result.tracks)
