"""The options of a prediction, as `predict`, `run` and `evaluate` take them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
PeakThreshold = Annotated[
    float | None, Option(min=0, max=1, help="Peaks below it are no keypoints; the model's own if left out.")
]
MaxInstances = Annotated[int | None, Option("-n", "--max-instances", min=1, help="Animals a frame at most.")]
Frames = Annotated[str | None, Option(help="Such as 0-100,200-300: counted from 0, ends included.")]
Threads = Annotated[int | None, Option(min=1, help="CPU threads; one a core if left out.")]
Runtime = Annotated[str | None, Option(help="openvino or torch; openvino on a CPU if left out.")]
Precision = Annotated[str, Option(help="Of the network: fp32, bf16, or auto.")]
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
