"""What a user may say about a prediction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethopose.core import UsageError
from ethopose.families import Model
from ethopose.families.model import Window
from ethopose.predict.known import Known, known
from ethopose.predict.selection import Runs, parse_frames, parse_window
from ethopose.predict.ways import WAYS, Told, parse_way
from ethopose.runtime import Compute

if TYPE_CHECKING:
    from ethopose.models.spec import ModelSpec
    from ethopose.predict.following import Way
    from ethopose.track import Tracking

log = logging.getLogger(__name__)

# A CPU gains nothing from more than a frame at a time and pays with memory; a GPU waits for fewer calls.
BATCH_SIZE = {"openvino": 1, "torch": 4}

_KINDS: dict[str, tuple[type, ...]] = {
    "out": (str, Path),
    "batch_size": (int,),
    "detector_batch_size": (int,),
    "peak_threshold": (float, int),
    "max_instances": (int,),
    "animals": (int,),
    "frames": (str,),
    "cropping": (str,),
    "conditions": (str, Path),
    "device": (str,),
    "threads": (int,),
    "runtime": (str,),
    "precision": (str,),
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model is run, apart from thresholds."""

    window: Window | None = None
    """The part of frames that is looked at."""
    detections: bool = False
    """Whether all is kept that animals are made of."""
    features: int | str | None = None
    """How many numbers are kept of what each keypoint looks like: so many, `full` or `default`."""
    first_batch: int | None = None
    """Frames that the first of two stages sees at a time."""
    known: Known | None = None
    """What a conditional model is told."""
    way: Way | None = None
    """How frames are looked at one after another."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to predict. What is None is as the model says."""

    out: str | Path | None = None
    """The result's folder for one video, the folder that receives them for several; None: beside them."""
    batch_size: int | None = None
    """Frames that the network sees at a time; None: what suits the runtime."""
    detector_batch_size: int | None = None
    """Frames that the detector of a top-down model sees at a time; None: as many as are read at a time."""
    peak_threshold: float | None = None
    """Peaks below it are no keypoints, 0 to 1; in a top-down pair for both models."""
    max_instances: int | None = None
    """Animals a frame at most: the highest scores stay."""
    frames: str | None = None
    """Frames to look at, such as `0-100,200-300` or `1,2,3`: counted from 0, ends included."""
    cropping: str | None = None
    """The part of every frame to look at, in px: from x, to x, from y, to y, such as `40,600,20,460`. Poses
    are told in the whole frame. None: as the model's project says; `none`: all of it."""
    conditions: str | Path | None = None
    """Of a conditional model and one video: the file or result that holds the poses it is told, instead of
    the model that finds them."""
    detections: bool = False
    """Keep every peak, and how well each line between two agrees, of models that make animals of them."""
    features: int | str | None = None
    """Keep what each keypoint looks like to the network: how many numbers, `full` or `default` (32)."""
    dynamic: Told | None = None
    """Look only around where the animals were in the frame before: threshold and margin, such as `0.5,10`."""
    top_down_dynamic: Told | None = None
    """One animal by a top-down model without its detector, looked for around where it was: `default`, or
    settings such as `threshold=0.5,patch_counts=4x3`."""
    track_conditions: Told | None = None
    """Follow animals by a conditional model: each is looked for where it was in the frame before. `default`,
    or settings such as `bu_max_frequency=50`."""
    track: bool = True
    """Find out who is who, of several animals whose model tells no identities (`ethopose.track`)."""
    animals: int | None = None
    """How many there are, of those that are tracked; None: as the model's project says, or nobody knows."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    threads: int | None = None
    """CPU threads; None: one a core."""
    runtime: str | None = None
    """openvino or torch; None: openvino on a CPU, torch elsewhere."""
    precision: str = "fp32"
    """Of the network: fp32, bf16, or auto: bf16 where the device computes in it. Decoding is fp32 always."""
    format: tuple[str, ...] | None = None
    """Files to write besides the result, `none` or names; None: what the model's own tool would write."""
    overwrite: bool = False
    """Replace what is there."""
    trust_code: bool = False
    """Run the code that a model folder brings: parts of its network that are not ethopose's own."""
    strict: bool = False
    """Call any frame that cannot be read a loss, not only more than one in a thousand."""

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
                raise UsageError(f"{name} is {value!r}", fix=f"give {' or '.join(k.__name__ for k in kinds)}")
        for name in ("batch_size", "detector_batch_size", "max_instances", "animals"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}", fix="give 1 or more")
        if self.peak_threshold is not None and not 0 <= self.peak_threshold <= 1:
            raise UsageError(f"peak_threshold is {self.peak_threshold}", fix="give a number from 0 to 1")
        _ = self.runs, self.window, self.compute, self.vectors  # what makes no sense in them is told now
        if self.way is not None and self.batch_size not in (None, 1):
            what = f"batch_size is {self.batch_size}, and frames that hang on the ones before go one by one"
            raise UsageError(what, fix="leave it out")

    @property
    def crops_only(self) -> bool:
        """Whether of a model only the part is wanted that reads crops."""
        return self.top_down_dynamic is not None or self.conditions is not None

    def formats(self, spec: ModelSpec) -> tuple[str, ...]:
        """What the model's own tool would write."""
        if self.track_conditions is not None:
            return spec.tracked_formats
        return spec.result_formats + (spec.more_formats if self.tracking(spec) is not None else ())

    def tracking(self, spec: ModelSpec) -> Tracking | None:
        """How what a model predicts is tracked; None where it is not.

        Raises:
            UsageError: it is not, and a number of animals is told.
        """
        followed = self.track_conditions is not None or self.top_down_dynamic is not None
        if self.track and spec.several and not spec.tells_individuals and not followed:
            from ethopose.track import Tracking  # compiled code takes a second to load

            return Tracking(self.animals or spec.animals)
        if self.animals is not None:
            what = (
                "--animals is for tracking, and nothing is tracked"
                if not self.track
                else (
                    f"--animals is for tracking, and a {spec.kind} model tells its animals apart or finds one"
                )
            )
            raise UsageError(what, fix="leave it out; --max-instances bounds the animals of a frame")
        return None

    @property
    def compute(self) -> Compute:
        """Where and how to compute."""
        runtime = self.runtime
        if self.dynamic is not None:
            if runtime == "openvino":
                what = "--dynamic looks at windows of any size, and openvino is compiled for one"
                raise UsageError(what, fix="leave out --runtime, or choose torch")
            runtime = "torch"
        return Compute(self.device, runtime, self.precision, self.threads)

    @property
    def way(self) -> Way | None:
        """How frames hang on the ones before; None where each is looked at by itself."""
        told = {name: getattr(self, name) for name in WAYS}
        given = [name for name, value in told.items() if value is not None]
        others = [*given, *(["conditions"] if given and self.conditions is not None else [])]
        if len(others) > 1:
            raise UsageError(f"{' and '.join(others)} do not go together", fix="choose one")
        return parse_way(given[0], told[given[0]]) if given else None

    @property
    def window(self) -> Window | None:
        """The part of a frame asked for; None for all of it, or what the model's project says."""
        return None if self.cropping in (None, "none") else parse_window(str(self.cropping))

    @property
    def vectors(self) -> int | str | None:
        """How many numbers are kept of each keypoint; `full` or `default`."""
        told = self.features
        if told is None or told in ("full", "default"):
            return told
        if isinstance(told, bool) or not str(told).isdecimal() or int(told) < 1:
            raise UsageError(f"features is {told!r}", fix="give 1 or more numbers, full or default")
        return int(told)

    def manner(self, model: Model) -> Manner:
        """How to run a model, apart from thresholds."""
        window = self.window
        if self.cropping is None and model.window is not None:
            window, part = model.window, ",".join(map(str, model.window))
            log.warning(
                "only the part %s is looked at, as its project says; --cropping none looks at all", part
            )
        told = None if self.conditions is None else known(Path(self.conditions), model)
        first, way = self.detector_batch_size, self.way
        return Manner(window, self.detections, self.vectors, first, told, way)

    def block(self, runtime: str) -> int:
        """Frames that are read and computed at a time."""
        if self.way is not None:
            return 1
        return max(self.batch_size or BATCH_SIZE[runtime], self.detector_batch_size or 0)

    @property
    def runs(self) -> Runs | None:
        """The frames asked for; None for all."""
        return None if self.frames is None else parse_frames(self.frames)


def options_from(given: dict[str, Any]) -> Options:
    """Options by keyword.

    Raises:
        UsageError: there is no such option, or its value makes no sense.
    """
    known = [field.name for field in fields(Options)]
    if unknown := set(given) - set(known):
        raise UsageError(f"no option is named {min(unknown)!r}", fix=f"choose from {', '.join(known)}")
    if isinstance(given.get("format"), str):
        given = {**given, "format": (given["format"],)}
    return Options(**given)
