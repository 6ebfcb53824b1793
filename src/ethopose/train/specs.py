"""From a configuration in full to the model that it describes."""

from __future__ import annotations

from ethopose.core import Skeleton, SpecError
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage
from ethopose.train.config import Config, StageConfig
from ethopose.train.facts import Facts
from ethopose.train.inherit import fitted

THRESHOLDS = {"single": 0.0, "instance": 0.0, "centroid": 0.3, "bottom-up": 0.2}
SIGMA = 1.5  # cells, of a map's peaks
FIELD_STRIDE = 8
FEWEST = 2  # keypoints of an animal
LIMB = 0.04  # of an animal's length: half the width of what joins two keypoints

Edges = tuple[tuple[int, int], ...]


def model_spec(config: Config, skeleton: Skeleton, facts: Facts, edges: Edges, name: str) -> ModelSpec:
    """The spec of the model to be trained; `edges` join the keypoints of a bottom-up model.

    Raises:
        SpecError: identities are asked for and no individual is named in the labels.
    """
    if config.identity and not skeleton.individuals:
        raise SpecError(
            "--identity, and the labels name no individuals", fix="name tracks or individuals in the labels"
        )
    stages = tuple(
        _stage(stage, chosen, config, skeleton, facts, edges) for stage, chosen in config.stages.items()
    )
    return ModelSpec(
        name=name,
        family="ethopose",
        kind=str(config.kind),
        skeleton=skeleton,
        stages=stages,
        plugins=tuple(path.name for path in config.plugins),
    )


def _stage(
    name: str, chosen: StageConfig, config: Config, skeleton: Skeleton, facts: Facts, edges: Edges
) -> Stage:
    if chosen.scale is None or chosen.window is None or chosen.backbone is None:
        raise SpecError(f"the stage {name} is not chosen in full")
    channels = chosen.channels or (1 if facts.gray else 3)
    crop = None
    if name == "instance":
        crop = (int(chosen.window[0] / chosen.scale), int(chosen.window[1] / chosen.scale))  # fits scaled
    preparation = Preparation(
        color="gray" if channels == 1 else "rgb", scale=chosen.scale, crop=crop, exact=True, pad_to=32
    )
    heads = chosen.heads and fitted(chosen.heads, skeleton, edges, name)
    heads = heads or _heads(name, config, skeleton, facts.length * chosen.scale, edges)
    network = Network(in_channels=channels, backbone=chosen.backbone, neck=chosen.neck, heads=heads)
    joined = next((head.options["edges"] for head in heads if "edges" in head.options), edges)
    grouping = _grouping(name, config, skeleton, joined)
    return Stage(preparation=preparation, network=network, grouping=grouping, peak_threshold=THRESHOLDS[name])


def _heads(name: str, config: Config, skeleton: Skeleton, length: float, edges: Edges) -> tuple[Part, ...]:
    """`length` of an animal in pixels of the picture."""
    keypoints, classes = len(skeleton.keypoints), len(skeleton.individuals)
    if name in ("single", "instance"):
        place = Part(name="probability_map", options={"keypoints": keypoints, "stride": 4, "sigma": SIGMA})
        who = Part(name="class_vector", options={"classes": classes})
        return (place, who) if config.identity and name == "instance" else (place,)
    maps = {"stride": 4, "sigma": SIGMA, "sigmoid": True, "refinement": "gaussian"}
    if name == "centroid":
        return (Part(name="confidence_map", options={"keypoints": 1, **maps}),)
    places = Part(name="confidence_map", options={"keypoints": keypoints, **maps})
    if config.identity:
        who = Part(name="class_map", options={"classes": classes, "stride": 4})
        return places, who
    half_width = max(LIMB * length, FIELD_STRIDE / 2)
    fields = {"edges": edges, "stride": FIELD_STRIDE, "sigma": round(0.85 * half_width**2, 2)}
    return places, Part(name="part_affinity", options={**fields, "loss": {"fields": "relative_mse"}})


def _grouping(name: str, config: Config, skeleton: Skeleton, edges: Edges) -> Part:
    if name == "centroid":
        return Part(name="one_per_peak")
    if name == "instance" and config.identity:
        return Part(name="class_vector")
    if name == "bottom-up" and config.identity:
        return Part(name="class_map")
    if name == "bottom-up":
        options = {"keypoints": len(skeleton.keypoints), "edges": edges, "min_peaks": FEWEST}
        return Part(name="affinity", options=options)
    return Part(name="one_each")
