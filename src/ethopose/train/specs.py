"""From a configuration in full to the model that it describes."""

from __future__ import annotations

from importlib.metadata import version

from ethopose.core import Skeleton, SpecError
from ethopose.models.spec import Color, ModelSpec, Network, Part, Preparation, Stage
from ethopose.train.config import DEEPEST, Config, StageConfig
from ethopose.train.facts import Facts


def model_spec(config: Config, facts: Facts, name: str) -> ModelSpec:
    """The spec of the model to be trained."""
    stages = tuple(_stage(stage, chosen, config, facts) for stage, chosen in config.stages.items())
    return ModelSpec(
        name=name,
        family="ethopose",
        kind=str(config.kind),
        skeleton=facts.skeleton,
        stages=stages,
        plugins=tuple(path.name for path in config.plugins),
        provenance={
            "made_by": f"ethopose {version('ethopose')}",
            "images": facts.pictures,
        },
    )


def _stage(name: str, chosen: StageConfig, config: Config, facts: Facts) -> Stage:
    scale, window, backbone, heads = chosen.scale, chosen.window, chosen.backbone, chosen.heads
    if scale is None or window is None or chosen.channels is None or backbone is None or heads is None:
        raise SpecError(f"the stage {name} is not chosen in full")
    crop = (int(window[0] / scale), int(window[1] / scale)) if name == "instance" else None  # fits scaled
    color: Color = "gray" if chosen.channels == 1 else "rgb"
    preparation = Preparation(color=color, scale=scale, crop=crop, exact=True, pad_to=DEEPEST)
    if name == "conditional":
        preparation = Preparation(color=color, crop=window, conditions=chosen.conditions)
    network = Network(in_channels=chosen.channels, backbone=backbone, neck=chosen.neck, heads=heads)
    joined = next((head.options["edges"] for head in heads if "edges" in head.options), facts.edges)
    grouping = chosen.grouping or _grouping(name, config, facts.skeleton, joined)
    threshold = chosen.peak_threshold or 0.0
    return Stage(preparation=preparation, network=network, grouping=grouping, peak_threshold=threshold)


def _grouping(name: str, config: Config, skeleton: Skeleton, edges: object) -> Part:
    if name == "centroid":
        return Part(name="one_per_peak")
    if name == "instance" and config.identity:
        return Part(name="class_vector")
    if name == "bottom-up" and config.identity:
        return Part(name="class_map")
    if name == "bottom-up":
        fewest = config.stages[name].min_keypoints
        options = {"keypoints": len(skeleton.keypoints), "edges": edges, "min_peaks": fewest}
        return Part(name="affinity", options=options)
    return Part(name="one_each")
