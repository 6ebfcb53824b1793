"""What is left out of a configuration, chosen from the labels and the device; each choice with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from inspect import signature
from typing import Any

from ethopose.core import SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.models.backbones.nano import receptive_field
from ethopose.models.spec import Conditioning, Part
from ethopose.train.config import DEEPEST, Augmentation, Config, Kind, Preset, StageConfig
from ethopose.train.facts import TURNING, Facts
from ethopose.train.fitting import fitted_conditions
from ethopose.train.heads import STRIDE, picture_size, refuse_misfits, usual_heads

CROWDED, MANY = 0.3, 8  # from here on bottom-up: animals that overlap, animals in a picture
REACH = 1.5  # times an animal's length that the deepest features should see
MOST_DEEPER = 2  # wide blocks for that
LARGE = 2.0  # times the pixels that a device likes: from here on pieces of frames are learned from


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting, what it became, and why."""

    name: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a preset means."""

    animal: float  # px that an animal's length is scaled to at least
    crop: float  # the same in a crop around it
    pixels: dict[str, float]  # of a picture, by device
    width: dict[str, int]  # of the network
    steps: float  # against the rule


PRESETS: dict[Preset, Sizes] = {
    "fast": Sizes(40, 64, {"cpu": 0.08e6, "gpu": 0.25e6}, {"cpu": 16, "gpu": 32}, 0.25),
    "balanced": Sizes(64, 96, {"cpu": 0.17e6, "gpu": 1e6}, {"cpu": 24, "gpu": 48}, 1.0),
    "accurate": Sizes(96, 160, {"cpu": 0.35e6, "gpu": 2e6}, {"cpu": 32, "gpu": 64}, 3.0),
}
THRESHOLDS = {
    "single": 0.0,
    "instance": 0.0,
    "conditional": 0.0,
    "centroid": 0.3,
    "bottom-up": 0.3,
}  # of peaks
FEWEST = 2  # keypoints of an animal
ROOM, LARGEST = 1.25, 2.0  # a window around an animal against its length; a scale
CENTROID = 40.0  # px that an animal's length is scaled to where only its place is asked for


def choose(config: Config, facts: Facts, place: str) -> tuple[Config, list[Choice]]:
    """The configuration in full, for a device that is a `cpu` or a `gpu`.

    Raises:
        SpecError: it asks for what the labels do not tell of, or what no such model has.
    """
    if config.identity and not facts.skeleton.individuals:
        raise SpecError(
            "--identity, and the labels name no individuals", fix="name tracks or individuals in the labels"
        )
    choices: list[Choice] = []
    kind, why = _kind(config.kind, facts, identity=config.identity)
    choices.append(Choice("kind", kind, why))
    augmentation, why = _augmentation(config.augmentation or Augmentation(), facts, kind)
    choices.append(Choice("augmentation", f"turned by ±{augmentation.rotation:.0f}°", why))
    names = stage_names(kind)
    for name in config.stages:
        if name not in names:
            raise SpecError(f"a {kind} model has no stage {name!r}", fix=f"its stages: {', '.join(names)}")
    stages = {}
    for name in names:
        given = config.stages.get(name, StageConfig())
        told = config.every_stage.model_dump(exclude_unset=True) | given.model_dump(exclude_unset=True)
        given = StageConfig.model_validate(told)
        stages[name], chosen = _stage(name, given, config, facts, place)
        prefix = f"{name}: " if len(names) > 1 else ""
        choices += [Choice(prefix + choice.name, choice.value, choice.why) for choice in chosen]
    update = {"kind": kind, "augmentation": augmentation, "stages": stages}
    return config.model_copy(update=update), choices


def stage_names(kind: Kind) -> tuple[str, ...]:
    """The networks of a kind, in the order in which they run."""
    return ("centroid", "instance") if kind == "top-down" else (kind,)


def _kind(asked: Kind | None, facts: Facts, *, identity: bool) -> tuple[Kind, str]:
    if asked is not None:
        _refuse_what_cannot_be(asked, facts, identity=identity)
        return asked, "as asked"
    if facts.keypoints == 1 and facts.animals > 1:
        return "top-down", "animals of one keypoint have nothing to be joined by"
    if facts.animals <= 1 and identity:
        return "top-down", "individuals are told apart in crops around them"
    if facts.animals <= 1:
        return "single", "no image shows more than one labelled animal"
    if facts.crowded > CROWDED:
        return "bottom-up", f"{facts.crowded:.0%} of the animals overlap another"
    if facts.animals > MANY:
        return "bottom-up", f"up to {facts.animals} animals in an image"
    return "top-down", f"up to {facts.animals} animals in an image, {facts.crowded:.0%} overlap another"


def _refuse_what_cannot_be(asked: Kind, facts: Facts, *, identity: bool) -> None:
    if asked == "single" and facts.animals > 1:
        raise SpecError(
            f"a single model, and {facts.animals} animals are labelled in one image",
            fix="choose --kind top-down or bottom-up",
        )
    if asked == "single" and identity:
        raise SpecError("a single model tells no individuals apart", fix="choose --kind top-down")
    if asked == "bottom-up" and facts.keypoints == 1:
        raise SpecError("a bottom-up model joins keypoints, and there is one", fix="choose --kind top-down")
    if asked == "conditional" and identity:
        raise SpecError("a conditional model tells no individuals apart", fix="choose --kind top-down")


def _augmentation(given: Augmentation, facts: Facts, kind: Kind) -> tuple[Augmentation, str]:
    if kind == "conditional":
        if given.shift and "shift" in given.model_fields_set:
            what = "augmentation.shift: crops are cut around conditions, and their mistakes shift them"
            raise SpecError(what, fix="leave it out")
        given = given.model_copy(update={"shift": 0.0})
    if "rotation" in given.model_fields_set:
        return given, "as asked"
    if facts.turning < TURNING:
        return given, f"the animals' axes cover {facts.turning:.0f}°"
    told = f"the animals' axes cover {facts.turning:.0f}°: all directions"
    return given.model_copy(update={"rotation": 180.0}), told


def _stage(
    name: str, given: StageConfig, config: Config, facts: Facts, place: str
) -> tuple[StageConfig, list[Choice]]:
    sizes = PRESETS[config.preset]
    scale, why, window, seen = _shown(name, given, facts, sizes, sizes.pixels[place])
    batch = given.batch or (8 if place == "cpu" else 32)
    steps = given.steps or _steps(facts, sizes.steps)
    told = [
        Choice("scale", f"{scale:.3g}", why),
        Choice("picture", f"{window[1]} × {window[0]} px", seen),
        Choice("batch", str(batch), "as asked" if given.batch else f"usual on a {place}"),
        Choice("length", *_length(config, steps, given)),
    ]
    conditions = conditioning(name, given, facts)
    filled = min(window) / (facts.length + 2 * conditions.margin) if conditions else scale
    parts, chosen = _parts(name, given, config, facts, filled, sizes.width[place])
    joined = name == "bottom-up" and not config.identity and given.grouping is None
    if given.min_keypoints is not None and not joined:
        raise SpecError("min_keypoints is for animals that are joined from keypoints", fix="leave it out")
    found = {
        "peak_threshold": THRESHOLDS[name] if given.peak_threshold is None else given.peak_threshold,
        "min_keypoints": (given.min_keypoints or FEWEST) if joined else None,
    }
    shown = {"scale": scale, "window": window, "conditions": conditions}
    update = {**shown, "batch": batch, "steps": steps, **found, **parts}
    return given.model_copy(update=update), told + chosen


def _shown(
    name: str, given: StageConfig, facts: Facts, sizes: Sizes, pixels: float
) -> tuple[float, str, tuple[int, int], str]:
    """Scale and window, each with its reason."""
    only = picture_size(given.heads or (), given.backbone) if name in ("instance", "conditional") else None
    if only and given.window not in (None, only):
        told, wanted = (f"{height} x {width} px" for height, width in (given.window or only, only))
        raise SpecError(f"{name}: a window of {told}, and heads that read {wanted}", fix="leave it out")
    if name == "conditional":
        if given.scale not in (None, 1):
            raise SpecError(
                "conditional: a scale, and crops of one size", fix="leave it out, or give a window"
            )
        scale, why = 1.0, "crops are cut from whole frames"
    elif given.scale:
        scale, why = given.scale, "as asked"
    elif only:
        scale, why = filling(only, facts), "the largest animals fill the window"
    else:
        scale, why = _scale(name, facts, pixels, sizes)
    if only:
        return scale, why, only, "the only one that its heads read"
    if given.window:
        return scale, why, given.window, "as asked"
    return scale, why, *_window(name, facts, scale, pixels, sizes)


def filling(window: tuple[int, int], facts: Facts) -> float:
    """The scale at which the largest animals fill a window."""
    return _rounded(min(min(window) / (ROOM * facts.longest), LARGEST))


def _parts(
    name: str, given: StageConfig, config: Config, facts: Facts, scale: float, width: int
) -> tuple[dict[str, Any], list[Choice]]:
    """Channels, backbone, neck and heads."""
    told = []
    backbone = given.backbone
    if name == "conditional":
        backbone = _told_conditions(backbone, facts)
    if backbone is None:
        depth, seen = _reaching(facts.longest * scale)
        backbone = Part(name="nano", options={"width": width, **depth})
        told.append(seen)
    neck = given.neck
    if "neck" not in given.model_fields_set and backbone.name != "unet":  # which has a decoder of its own
        neck = Part(name="fpn", options={"width": 2 * width, "stride": STRIDE})
    heads = given.heads or usual_heads(name, facts, scale, identity=config.identity)
    refuse_misfits(heads, facts, name)
    options = ", ".join(f"{key} {value}" for key, value in backbone.options.items())
    why = "as asked" if given.backbone else config.preset
    told.append(Choice("network", f"{backbone.name} ({options})", why))
    if given.heads is None:
        spread = STRIDE * heads[0].options["sigma"]
        told.append(Choice("sigma", f"{spread:g} px", "of what is learned to be drawn at a keypoint"))
    channels = given.channels or (1 if facts.gray else 3)
    return {"channels": channels, "backbone": backbone, "neck": neck, "heads": heads}, told


def conditioning(name: str, given: StageConfig, facts: Facts) -> Conditioning | None:
    """How crops are cut around conditions; None of a stage that is told none.

    Raises:
        SpecError: it is told how, all the same.
    """
    if name != "conditional" and given.conditions is not None:
        raise SpecError(f"{name}: conditions are for a conditional model", fix="leave them out")
    return fitted_conditions(given.conditions or Conditioning(), facts) if name == "conditional" else None


def _told_conditions(backbone: Part | None, facts: Facts) -> Part:
    if backbone is None:
        what = "a conditional model, and no backbone that is told conditions"
        raise SpecError(
            what, fix="name conditioned or conditioned_hrnet in a configuration, or start from --weights"
        )
    takes = signature(BACKBONES[backbone.name]).parameters if backbone.name in BACKBONES else ()
    told = {"conditions": facts.keypoints} if "conditions" in takes else {}
    return Part(name=backbone.name, options=told | backbone.options)


def _reaching(longest: float) -> tuple[dict[str, int], Choice]:
    """How deep the encoder is, so that its deepest features see the largest animals whole."""
    depths = [(DEEPEST // 2, 0), *((DEEPEST, deeper) for deeper in range(MOST_DEEPER + 1))]
    fields = [receptive_field(*depth) for depth in depths]
    chosen = next((n for n, field in enumerate(fields) if field >= REACH * longest), len(depths) - 1)
    most = "" if fields[chosen] >= REACH * longest else "as much as there is; "
    seen = Choice(
        "receptive field", f"{fields[chosen]} px", f"{most}the largest animals are {longest:.0f} px there"
    )
    return dict(zip(("max_stride", "deeper"), depths[chosen], strict=True)), seen


def _scale(name: str, facts: Facts, pixels: float, sizes: Sizes) -> tuple[float, str]:
    if name == "centroid":
        return _rounded(
            min(1.0, CENTROID / facts.length)
        ), f"animals of {facts.length:.0f} px, {CENTROID:.0f} suffice"
    if name == "instance":
        scale = min(1.0, sizes.crop / facts.length)
        return _rounded(scale), f"animals of {facts.length:.0f} px, wanted {sizes.crop:.0f} at most"
    by_pixels = math.sqrt(pixels / (facts.size[0] * facts.size[1]))
    by_animal = sizes.animal / facts.length
    if max(by_pixels, by_animal) >= 1:
        return 1.0, "images or animals are small"
    if by_animal > by_pixels:
        return _rounded(by_animal), f"animals of {facts.length:.0f} px, wanted {sizes.animal:.0f} at least"
    return _rounded(by_pixels), f"images of {facts.size[1]} × {facts.size[0]} px, to be learned from in time"


def _rounded(scale: float) -> float:
    return round(scale, 3)


def _window(
    name: str, facts: Facts, scale: float, pixels: float, sizes: Sizes
) -> tuple[tuple[int, int], str]:
    if name == "instance":
        side = _up(ROOM * facts.longest * scale)
        return (side, side), "a quarter more than the largest animals"
    if name == "conditional":
        side = _up(ROOM * sizes.crop)
        return (side, side), "what conditions lie in is brought to it"
    height, width = _up(facts.size[0] * scale), _up(facts.size[1] * scale)
    if height * width <= LARGE * pixels:
        return (height, width), "whole frames"
    side = _up(max(math.sqrt(pixels), 2 * facts.longest * scale))
    return (min(side, height), min(side, width)), "pieces of frames, most of them beside an animal"


def _up(side: float) -> int:
    return max(math.ceil(side / DEEPEST), 1) * DEEPEST


def _steps(facts: Facts, factor: float) -> int:
    rule = 60 * math.sqrt(facts.pictures) * math.sqrt(math.sqrt(facts.keypoints))
    return round(min(max(rule, 400), 20_000) * factor)


def _length(config: Config, steps: int, given: StageConfig) -> tuple[str, str]:
    if config.loop.minutes is not None:
        return f"{config.loop.minutes:g} min", "as asked"
    return f"{steps} steps", "as asked" if given.steps else "by number of images and keypoints"
