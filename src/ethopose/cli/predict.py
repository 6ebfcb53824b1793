"""ethopose predict: videos and a model in, poses out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(predict)


def predict(
    context: typer.Context,
    videos: Annotated[
        list[Path], Argument(help="Video files, folders of images, or folders of videos.", show_default=False)
    ],
    model: Annotated[
        list[Path],
        Option("-m", "--model", help="A model folder; two for a top-down pair.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        Option(
            "-o",
            "--out",
            help="The result for one video, a folder for several; beside the videos if left out.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, Option("-b", "--batch-size", min=1, help="Frames that the network sees at a time.")
    ] = None,
    peak_threshold: Annotated[
        float | None,
        Option(min=0, max=1, help="Peaks below it are no keypoints; the model's own if left out."),
    ] = None,
    max_instances: Annotated[
        int | None, Option("-n", "--max-instances", min=1, help="Animals a frame at most.")
    ] = None,
    frames: Annotated[
        str | None, Option(help="Such as 0-100,200-300: counted from 0, ends included.")
    ] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    threads: Annotated[int | None, Option(min=1, help="CPU threads; one a core if left out.")] = None,
    runtime: Annotated[str | None, Option(help="openvino or torch; openvino on a CPU if left out.")] = None,
    precision: Annotated[str, Option(help="Of the network: fp32, bf16, or auto.")] = "fp32",
    format: Annotated[
        list[str] | None,
        Option(help="Also write: slp, csv, none; repeat for several. As the model's own tool if left out."),
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
    trust_code: Annotated[
        bool, Option("--trust-code", help="Run the code that the model folder brings; look at it first.")
    ] = False,
    strict: Annotated[bool, Option("--strict", help="Exit 3 for any frame that cannot be read.")] = False,
    profile: Annotated[bool, Option("--profile", help="Print where the time went.")] = False,
) -> int:
    """Poses in videos. Run the same line again to go on where it stopped.

    Example: ethopose predict clip.mp4 -m mice
    """
    from ethopose.predict import Options, predict_all

    screen: Screen = context.obj
    options = Options(
        out=out,
        batch_size=batch_size,
        peak_threshold=peak_threshold,
        max_instances=max_instances,
        frames=frames,
        device=device,
        threads=threads,
        runtime=runtime,
        precision=precision,
        format=tuple(format) if format else None,
        overwrite=overwrite,
        trust_code=trust_code,
        strict=strict,
    )
    with screen.progress() as bar:
        report = predict_all(videos, model, options, bar)
    _tell(screen, report, profile=profile)
    return int(report.exit_code)


def _tell(screen: Screen, report: Any, *, profile: bool) -> None:
    for error in report.failures.values():
        screen.complain(error)
    data = report.as_data(profile=profile)
    rows = [(video, line) for video, line in report.lines()]
    if profile:
        rows += report.profile.lines()
    screen.report(data, rows)
