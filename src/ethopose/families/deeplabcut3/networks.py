"""DeepLabCut's backbones and heads as parts of ours. In its configurations null means absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ethopose.core import ModelError
from ethopose.models.spec import Part

Config = Mapping[str, Any]
UNIT = 7.2801


def given(config: Config, key: str, default: Any) -> Any:
    """What a configuration says, or the default where it says nothing."""
    value = config.get(key)
    return default if value is None else value


def backbone(config: Config) -> tuple[Part, int]:
    """The part, and the stride of the features that heads read.

    Raises:
        ModelError: it is none that is known.
    """
    return _known(BACKBONES, config, "backbone")(config)


def head(config: Config, source: int) -> Part:
    """The part that reads features of a stride.

    Raises:
        ModelError: it is none that is known.
    """
    part: Part = _known(HEADS, config, "head")(config, source)
    return part


def _known(table: Mapping[str, Callable[..., Any]], config: Config, what: str) -> Callable[..., Any]:
    kind = config.get("type")
    if kind not in table:
        raise ModelError(f"the {what} {kind} is not supported", fix=f"ethopose runs {', '.join(table)}")
    return table[str(kind)]


def _resnet(config: Config) -> tuple[Part, int]:
    stride = int(given(config, "output_stride", 32))
    name = given(config, "model_name", "resnet50")
    return Part(name="timm", options={"model": name, "max_stride": stride, "output_stride": stride}), stride


def _hrnet(config: Config) -> tuple[Part, int]:
    options = {
        "model": given(config, "model_name", "hrnet_w32"),
        "joined": given(config, "interpolate_branches", False),
        "widened": given(config, "increased_channel_count", False),
    }
    return Part(name="hrnet", options=options), 4


def _cspnext(config: Config) -> tuple[Part, int]:
    if (layout := given(config, "arch", "P5")) != "P5":
        raise ModelError(f"the layout {layout} of CSPNeXt is not supported", fix="ethopose runs P5")
    options = {
        "width": given(config, "widen_factor", 0.75),
        "depth": given(config, "deepen_factor", 0.67),
    }
    return Part(name="cspnext", options=options), 32


def _heatmap(config: Config, source: int) -> Part:
    maps, predictor = _growth(config["heatmap_config"]), given(config, "predictor", {})
    refined = given(predictor, "location_refinement", True)
    options = {
        "keypoints": (maps["last"] or maps["channels"][-1:])[0],
        "source": source,
        "maps": maps,
        "offsets": _growth(config["locref_config"]) if refined else None,
        "sigmoid": given(predictor, "apply_sigmoid", True),
        "clip": given(predictor, "clip_scores", False),
        "unit": given(predictor, "locref_std", UNIT),
        "reach": given(given(config, "target_generator", {}), "pos_dist_thresh", 17),
    }
    return Part(name="located_map", options=options)


def _growth(config: Config) -> dict[str, Any]:
    last = config.get("final_conv")
    return {
        "channels": config["channels"][1:],  # the first are those of the features
        "kernels": given(config, "kernel_size", []),
        "strides": given(config, "strides", []),
        "last": [last["out_channels"], last["kernel_size"]] if last else None,
    }


BACKBONES = {"ResNet": _resnet, "HRNet": _hrnet, "CSPNeXt": _cspnext}
HEADS = {"HeatmapHead": _heatmap}
