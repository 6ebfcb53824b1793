"""ethopose evaluate: a model or a result against labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.predicting import chooses_model
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
    batch_size: Annotated[
        int | None, Option("-b", "--batch-size", min=1, help="Images that the network sees at a time.")
    ] = None,
    peak_threshold: Annotated[
        float | None,
        Option(min=0, max=1, help="Peaks below it are no keypoints; the model's own if left out."),
    ] = None,
    max_instances: Annotated[
        int | None, Option("-n", "--max-instances", min=1, help="Animals an image at most.")
    ] = None,
    device: Annotated[str | None, Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    threads: Annotated[int | None, Option(min=1, help="CPU threads; one a core if left out.")] = None,
    runtime: Annotated[str | None, Option(help="openvino or torch; openvino on a CPU if left out.")] = None,
    precision: Annotated[str | None, Option(help="Of the network: fp32, bf16, or auto.")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier evaluation.")] = False,
    trust_code: Annotated[
        bool, Option("--trust-code", help="Run the code that the model folder brings; look at it first.")
    ] = False,
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
