"""ethopose evaluate: a model or a result against labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.predicting import (
    DEVICE,
    PRECISION,
    BatchSize,
    MaxInstances,
    PeakThreshold,
    Runtime,
    Threads,
    TrustCode,
    chooses_model,
)
from ethopose.cli.screen import Screen
from ethopose.core import UsageError

if TYPE_CHECKING:
    from ethopose.evaluate import Drawing


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(chooses_model("target")(evaluate))


def evaluate(
    context: typer.Context,
    target: Annotated[
        list[Path],
        Argument(help="A model folder, both folders of a top-down pair, or a result.", show_default=False),
    ],
    labels: Annotated[Path, Argument(help="Where the labels lie, of any tool.", show_default=False)],
    split: Annotated[str | None, Option(help="Only these images: train, val or test.")] = None,
    out: Annotated[
        Path | None,
        Option("-o", "--out", help="The folder to write; in the model's, or beside the result, if left out."),
    ] = None,
    pcutoff: Annotated[
        float, Option(min=0, max=1, help="Some numbers leave out points of less confidence.")
    ] = 0.6,
    draw: Annotated[
        bool, Option("--draw", help="Draw every labelled image, with what was placed and what was found.")
    ] = False,
    color_by: Annotated[str | None, Option(help="Of --draw: keypoint, or individual.")] = None,
    colormap: Annotated[str | None, Option(help="Of --draw: of matplotlib; rainbow if left out.")] = None,
    dot_size: Annotated[float | None, Option(help="Of --draw: px across a mark; 12 if left out.")] = None,
    alpha: Annotated[
        float | None, Option(help="Of --draw: how opaque marks are, 0 to 1; 0.7 if left out.")
    ] = None,
    batch_size: BatchSize = None,
    peak_threshold: PeakThreshold = None,
    max_instances: MaxInstances = None,
    device: Annotated[str | None, DEVICE] = None,
    threads: Threads = None,
    runtime: Runtime = None,
    precision: Annotated[str | None, PRECISION] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier evaluation.")] = False,
    trust_code: TrustCode = False,
) -> int:
    """Measure a model or a result against labels, and draw the worst images.

    Example: ethopose evaluate mice labels.slp --split test
    """
    from ethopose.evaluate import evaluate as measure

    screen: Screen = context.obj
    drawing = _drawing(draw=draw, by=color_by, colormap=colormap, dot_size=dot_size, alpha=alpha)
    with screen.progress() as bar:
        evaluation = measure(
            target if len(target) > 1 else target[0],
            labels,
            split=split,
            out=out,
            pcutoff=pcutoff,
            overwrite=overwrite,
            progress=lambda done, total: bar(labels, done, total),
            batch_size=batch_size,
            peak_threshold=peak_threshold,
            max_instances=max_instances,
            device=device,
            threads=threads,
            runtime=runtime,
            precision=precision,
            trust_code=trust_code or None,
        )
        if drawing is not None:
            evaluation.draw(drawing, lambda done, total: bar("drawing", done, total))
    screen.report(evaluation.as_data(), evaluation.lines())
    return int(evaluation.exit_code)


def _drawing(*, draw: bool, **wanted: Any) -> Drawing | None:
    from ethopose.evaluate import Drawing

    told = {name: value for name, value in wanted.items() if value is not None}
    if told and not draw:
        option = {"by": "--color-by"}.get(name := next(iter(told)), f"--{name.replace('_', '-')}")
        raise UsageError(f"{option} is of the pictures that --draw writes", fix="--draw, or leave it out")
    return Drawing(**told) if draw else None
