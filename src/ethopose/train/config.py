"""The configuration of a training: one typed file with few fields; what is left out is chosen from labels."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, field_validator

from ethopose.core import SpecError
from ethopose.models.spec import Conditioning, Frozen, Part

DEEPEST = 32  # the largest stride of a network's features: sides of what it sees are multiples

Kind = Literal["single", "top-down", "bottom-up", "conditional"]
Preset = Literal["fast", "balanced", "accurate"]


class Data(Frozen):
    """What is trained on and what is kept to check."""

    split: Path | None = None
    """A JSON file of image names by split: train, val, and test if there is one."""
    split_by: Literal["block", "video", "image"] | None = None
    """What is kept for validation: runs of neighbouring images, whole videos, or single images by chance."""
    validation: float = Field(0.1, gt=0, lt=1)
    """Share of the images that are kept, unless the labels come with a split."""
    exclude: tuple[str, ...] = ()
    """Images, or folders of images, that are left out, by the end of their path."""
    shuffle: int | None = Field(None, ge=0)
    """Which of a DeepLabCut project's stored splits: the first if left out, none for 0."""


class Augmentation(Frozen):
    """How pictures are changed each time they are seen; ranges are uniform around no change."""

    rotation: float = Field(35.0, ge=0, le=180)  # degrees
    zoom: tuple[PositiveFloat, PositiveFloat] = (0.7, 1.4)
    shift: float = Field(0.12, ge=0, le=0.5)  # share of the window's sides
    bend: float = Field(0.04, ge=0, le=0.08)  # largest share of them that a smooth deformation moves points
    flip: bool = False  # left for right, with the skeleton's symmetries
    brightness: float = Field(0.15, ge=0, le=1)
    contrast: float = Field(0.4, ge=0, lt=1)
    gamma: float = Field(0.35, ge=0, le=1)  # of its logarithm
    noise: float = Field(0.04, ge=0, le=0.5)  # largest standard deviation
    blur: float = Field(0.2, ge=0, le=1)  # share of the pictures
    erase: float = Field(0.15, ge=0, le=1)  # share of three rectangles a picture that are hidden

    @field_validator("zoom")
    @classmethod
    def _ascends(cls, zoom: tuple[float, float]) -> tuple[float, float]:
        if zoom[0] > zoom[1]:
            raise ValueError("the smaller comes first")
        return zoom


class StageConfig(Frozen):
    """One network: a top-down pair has two, other models one."""

    scale: float | None = Field(None, gt=0, le=2)  # of the frame
    window: tuple[PositiveInt, PositiveInt] | None = (
        None  # (height, width) px of the scaled frame that a batch shows
    )
    conditions: Conditioning | None = None  # how crops are cut around them; conditional only
    channels: Literal[1, 3] | None = None  # of the pictures: gray or RGB
    backbone: Part | None = None
    neck: Part | None = None
    heads: tuple[Part, ...] | None = None
    grouping: Part | None = None  # of what heads find into animals; by the kind if left out
    peak_threshold: float | None = Field(
        None, ge=0, le=1
    )  # of what is found, unless predict is told otherwise
    min_keypoints: int | None = Field(None, ge=1)  # that an animal must have; bottom-up only
    batch: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1)
    share: float = Field(1.0, gt=0)  # of the minutes, against other stages

    @field_validator("window")
    @classmethod
    def _whole(cls, window: tuple[int, int] | None) -> tuple[int, int] | None:
        if window is not None and any(side % DEEPEST for side in window):
            raise ValueError(f"both sides are multiples of {DEEPEST}")
        return window


class Optimiser(Frozen):
    """Muon and AdamW (`ethopose.train.optimiser`), warmed up, then on half a cosine down to `final`."""

    rate: float = Field(2e-3, gt=0)  # the peak, at a batch of 8; it grows with the batch's square root
    weight_decay: float = Field(0.01, ge=0)
    warm_up: float = Field(0.03, ge=0, lt=1)  # share of the run
    final: float = Field(0.02, ge=0, le=1)
    clip: float = Field(5.0, gt=0)  # largest norm of the gradient
    average: float = Field(0.99, ge=0, lt=1)  # decay of the moving average of weights, which is what is kept
    encoder: float = Field(0.2, gt=0, le=1)  # rate of a pretrained encoder, as a share


class Loop(Frozen):
    """How it runs."""

    minutes: float | None = Field(None, gt=0)
    micro_batch: int | None = Field(None, ge=1)  # pictures at a time on one device; the rest is accumulated
    devices: int | None = Field(None, ge=1)
    nodes: int = Field(1, ge=1)
    device: str = "auto"
    threads: int | None = Field(None, ge=1)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    freeze_norm: bool = False  # keep the statistics of batch normalisation as they are
    patience: float | None = Field(0.25, gt=0)  # share of the run without a gain that ends it early
    validations: int = Field(20, ge=1)  # in a run
    save_every: float = Field(60.0, ge=0)  # seconds
    deterministic: bool = False  # the same on a GPU each time, and slower; a CPU always is
    seed: int = Field(42, ge=0, lt=2**63)
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()


class Config(Frozen):
    """All that a training can be told. Fields that are None are chosen from the labels and the device."""

    labels: tuple[Path, ...] = ()
    """Sources with the same keypoints."""
    kind: Kind | None = None
    identity: bool = False
    """Whether individuals are told apart by what they look like."""
    preset: Preset = "balanced"
    weights: Path | None = None
    """A model to start from."""
    imagenet: bool | Path = True
    """Whether an encoder of timm starts from ImageNet weights, or a file that holds them."""
    plugins: tuple[Path, ...] = ()
    """Files with parts of your own."""
    data: Data = Data()
    augmentation: Augmentation | None = None
    every_stage: StageConfig = StageConfig()
    """For stages that do not say otherwise."""
    stages: dict[str, StageConfig] = Field(default_factory=dict)
    """By name: single; centroid and instance; bottom-up; conditional."""
    optimiser: Optimiser = Optimiser()
    loop: Loop = Loop()


def read_config(path: Path) -> Config:
    """The configuration in a YAML file.

    Raises:
        SpecError: it cannot be read, or a key or value is none that there is.
    """
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"no readable YAML ({str(error).splitlines()[0]})", where=path) from error
    if not isinstance(content, dict):
        raise SpecError("a configuration is keys and values", where=path)
    return make_config(content, path)


def make_config(content: dict[str, Any], where: object = None) -> Config:
    """A configuration from plain data; the first thing wrong is told with its place and the nearest name."""
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        first = min(error.errors(), key=lambda told: told["type"] != "extra_forbidden")
        place = ".".join(str(key) for key in first["loc"])
        if first["type"] != "extra_forbidden":
            raise SpecError(f"{place}: {first['msg']}", where=where) from None
        known = _fields(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, 1)
        fix = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
        raise SpecError(f"no setting is named {place}", where=where, fix=fix) from None


def as_yaml(config: Config) -> str:
    """The configuration in full, as it can be given again."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _fields(path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields at a place of the configuration."""
    model: Any = Config
    for key in path:
        if not isinstance(key, str) or key not in getattr(model, "model_fields", {}):
            continue  # a key of a dictionary or a place in a list
        kinds = [kind for kind in _classes(model.model_fields[key].annotation) if issubclass(kind, Frozen)]
        model = kinds[0] if kinds else model
    return list(model.model_fields)


def _classes(annotation: Any) -> list[type]:
    from typing import get_args

    if isinstance(annotation, type):
        return [annotation]
    return [kind for inner in get_args(annotation) for kind in _classes(inner)]
