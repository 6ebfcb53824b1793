"""ethopose predict: videos and a model in, poses out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument

from ethopose.cli.predicting import (
    DEVICE,
    Animals,
    BatchSize,
    Conditions,
    Cropping,
    Detections,
    DetectorBatchSize,
    Dynamic,
    Features,
    Formats,
    Frames,
    MaxInstances,
    Models,
    Out,
    Overwrite,
    PeakThreshold,
    Precision,
    Profile,
    Runtime,
    Strict,
    Threads,
    TopDownDynamic,
    Track,
    TrackConditions,
    TrustCode,
    chooses_model,
)
from ethopose.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(chooses_model("model")(predict))


def predict(
    context: typer.Context,
    videos: Annotated[
        list[Path], Argument(help="Video files, folders of images, or folders of videos.", show_default=False)
    ],
    model: Models,
    out: Out = None,
    batch_size: BatchSize = None,
    detector_batch_size: DetectorBatchSize = None,
    peak_threshold: PeakThreshold = None,
    max_instances: MaxInstances = None,
    animals: Animals = None,
    track: Track = True,
    frames: Frames = None,
    cropping: Cropping = None,
    conditions: Conditions = None,
    detections: Detections = False,
    features: Features = None,
    dynamic: Dynamic = None,
    top_down_dynamic: TopDownDynamic = None,
    track_conditions: TrackConditions = None,
    device: Annotated[str, DEVICE] = "auto",
    threads: Threads = None,
    runtime: Runtime = None,
    precision: Precision = "fp32",
    format: Formats = None,
    overwrite: Overwrite = False,
    trust_code: TrustCode = False,
    strict: Strict = False,
    profile: Profile = False,
) -> int:
    """Poses in videos. Run the same line again to go on where it stopped.

    Example: ethopose predict clip.mp4 -m mice
    """
    from ethopose.predict import Options, predict_all

    screen: Screen = context.obj
    options = Options(
        out=out,
        batch_size=batch_size,
        detector_batch_size=detector_batch_size,
        peak_threshold=peak_threshold,
        max_instances=max_instances,
        animals=animals,
        track=track,
        frames=frames,
        cropping=cropping,
        conditions=conditions,
        detections=detections,
        features=features,
        dynamic=dynamic,
        top_down_dynamic=top_down_dynamic,
        track_conditions=track_conditions,
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
