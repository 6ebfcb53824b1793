"""The options of a prediction, as `predict`, `run` and `evaluate` take them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from typer import Option

Models = Annotated[
    list[Path],
    Option("-m", "--model", help="A model folder; two for a top-down pair.", show_default=False),
]
Out = Annotated[
    Path | None,
    Option(
        "-o", "--out", help="The result for one video, a folder for several; beside the videos if left out."
    ),
]
BatchSize = Annotated[
    int | None, Option("-b", "--batch-size", min=1, help="Frames that the network sees at a time.")
]
DetectorBatchSize = Annotated[
    int | None, Option(min=1, help="Likewise the detector of a top-down model; as many if left out.")
]
PeakThreshold = Annotated[
    float | None, Option(min=0, max=1, help="Peaks below it are no keypoints; the model's own if left out.")
]
MaxInstances = Annotated[int | None, Option("-n", "--max-instances", min=1, help="Animals a frame at most.")]
Track = Annotated[
    bool,
    Option(
        " /--no-track",
        show_default=False,
        help="Do not find out who is who; it is done for several animals alike.",
    ),
]
Animals = Annotated[
    int | None, Option(min=1, help="How many there are, of those that are tracked: as many tracks at most.")
]
Frames = Annotated[str | None, Option(help="Such as 0-100,200-300: counted from 0, ends included.")]
Cropping = Annotated[
    str | None,
    Option(help="A part of every frame: from x, to x, from y, to y, such as 40,600,20,460; or none."),
]
Conditions = Annotated[
    Path | None,
    Option(help="The poses that a conditional model is told: a result, a .h5 of DeepLabCut, or a .json."),
]
Detections = Annotated[
    bool, Option("--detections", help="Keep every peak that animals are made of, and how well lines agree.")
]
Features = Annotated[
    str | None,
    Option(help="Keep what each keypoint looks like to the network: how many numbers, full, or default: 32."),
]
Dynamic = Annotated[
    str | None,
    Option(help="Look around where the animals were in the frame before: threshold, margin in px: 0.5,10."),
]
TopDownDynamic = Annotated[
    str | None,
    Option(help="A top-down model without detector, one animal: default, or settings: patch_counts=4x3."),
]
TrackConditions = Annotated[
    str | None,
    Option(help="Follow animals by a conditional model: default, or settings such as bu_max_frequency=50."),
]
DEVICE = Option(help="auto, cpu, cuda, cuda:N or mps.")
Threads = Annotated[int | None, Option(min=1, help="CPU threads; one a core if left out.")]
Runtime = Annotated[str | None, Option(help="openvino or torch; openvino on a CPU if left out.")]
PRECISION = Option(help="Of the network: fp32, bf16, or auto.")
Precision = Annotated[str, PRECISION]
Formats = Annotated[
    list[str] | None,
    Option(help="Also slp, csv, dlc-h5 ..., none; repeat for several. As the model's own tool by default."),
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace what is there.")]
TrustCode = Annotated[
    bool, Option("--trust-code", help="Run the code that the model folder brings; look at it first.")
]
Strict = Annotated[bool, Option("--strict", help="Exit 3 for any frame that cannot be read.")]
Profile = Annotated[bool, Option("--profile", help="Print where the time went.")]

# which model of a DeepLabCut project, in its own words
PROJECT = "A model of a DeepLabCut project"
CHOICE: dict[str, Any] = {
    "shuffle": Annotated[int | None, Option(help="1 if left out.", rich_help_panel=PROJECT)],
    "trainingset_index": Annotated[
        int | None, Option(help="Which TrainingFraction.", rich_help_panel=PROJECT)
    ],
    "iteration": Annotated[int | None, Option(help="The present one if left out.", rich_help_panel=PROJECT)],
    "modelprefix": Annotated[str | None, Option(help="Folder of its models.", rich_help_panel=PROJECT)],
    "snapshot": Annotated[str | None, Option(help="By place, best, or name.", rich_help_panel=PROJECT)],
    "detector_snapshot": Annotated[
        str | None, Option(help="Likewise, of its detector.", rich_help_panel=PROJECT)
    ],
}


def chooses_model(argument: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for commands: adds the options that choose a model of a project, and hands the command the
    paths of that model in place of the project's, in its own `argument`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def chosen(**given: Any) -> Any:
            choice = {name: given.pop(name) for name in CHOICE}
            if any(value is not None for value in choice.values()):
                from ethopose.families import choose

                model = given[argument] or ()
                given[argument] = choose([model] if isinstance(model, Path) else model, **choice)
            return command(**given)

        own = signature(command, eval_str=True)
        more = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=CHOICE[name]) for name in CHOICE
        ]
        chosen.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])  # type: ignore[attr-defined]
        chosen.__annotations__ = {**get_type_hints(command, include_extras=True), **CHOICE}
        return chosen

    return decorate
