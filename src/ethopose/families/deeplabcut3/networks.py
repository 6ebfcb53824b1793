"""DeepLabCut's backbones and heads as parts of ours. In its configurations null means absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ethopose.core import ModelError, Skeleton
from ethopose.models.spec import Part

Config = Mapping[str, Any]
UNIT = 7.2801
Entry = TypeVar("Entry")


def given(config: Config, key: str, default: Any) -> Any:
    """What a configuration says, or the default where it says nothing."""
    value = config.get(key)
    return default if value is None else value


def backbone(config: Config) -> tuple[Part, int]:
    """The part, and the stride of the features that heads read.

    Raises:
        ModelError: it is none that is known.
    """
    found: tuple[Part, int] = known(BACKBONES, config.get("type"), "backbone")(config)
    return found


def head(name: str, config: Config, source: int, neck: Config | None = None) -> Part:
    """The part that a head of this name is, which reads features of a stride; with the neck that is of its
    own.

    Raises:
        ModelError: it is none that is known.
    """
    make = known(HEADS, config.get("type"), "head")
    if neck and make is not _tokens:
        raise ModelError(f"the neck {neck.get('type')} under {config['type']} is not supported")
    part: Part = make({**config, "neck": neck} if neck else config, source)
    if name == "bodypart":
        return part
    if part.name != "located_map":
        raise ModelError(f"the head {name} is a {config['type']}", fix="ethopose runs a HeatmapHead there")
    return part.model_copy(update={"name": "unique_map"}) if name == "unique_bodypart" else _identity(part)


def _identity(part: Part) -> Part:
    told = part.options
    options = {name: told[name] for name in ("source", "maps", "sigmoid", "reach")}
    return Part(name="identity_map", options={"classes": told["keypoints"], **options})


def known(table: Mapping[str, Entry], name: object, what: str) -> Entry:
    """What a table has under a name.

    Raises:
        ModelError: it has no such name.
    """
    if name not in table:
        raise ModelError(f"the {what} {name} is not supported", fix=f"ethopose runs {', '.join(table)}")
    return table[str(name)]


def _resnet(config: Config) -> tuple[Part, int]:
    stride = int(given(config, "output_stride", 32))
    name = given(config, "model_name", "resnet50")
    options = {"model": name, "max_stride": stride, "output_stride": stride, "imagenet": True}
    return Part(name="timm", options=options), stride


def _dlcrnet(config: Config) -> tuple[Part, int]:
    stride = int(given(config, "output_stride", 32))
    options = {"model": given(config, "model_name", "resnet50"), "output_stride": stride}
    return Part(name="dlcrnet", options=options), stride


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


def _prenet(config: Config) -> tuple[Part, int]:
    inner, stride = backbone(config["backbone"])
    keypoints, spot = _conditions(config)
    options = {"conditions": keypoints, "inner": inner.name, "options": inner.options, "spot": spot}
    return Part(name="conditioned", options=options), stride


def _coam(config: Config) -> tuple[Part, int]:
    odd = ("selfatt_coam_modules", "interpolate_branches", "increased_channel_count")
    if any(config.get(name) for name in odd):
        raise ModelError("this layout of CoAM is not supported")
    keypoints, spot = _conditions(config)
    options = {
        "conditions": keypoints,
        "size": given(config, "img_size", [256, 256]),
        "model": given(config, "base_model_name", "hrnet_w32"),
        "attended": given(config, "coam_modules", [2]),
        "spot": spot,
        "lookers": given(config, "att_heads", 1),
        "by_channel": given(config, "channel_att_only", False),
    }
    return Part(name="conditioned_hrnet", options=options), 4


def _conditions(config: Config) -> tuple[int, int]:
    """Keypoints, and the size of a spot."""
    encoder: Config = config["kpt_encoder"]
    if encoder.get("type") != "StackedKeypointEncoder":
        raise ModelError(f"conditions by {encoder.get('type')} are not supported")
    spots = set(given(encoder, "kernel_size", [15, 15]))
    if len(spots) > 1:
        raise ModelError(f"conditions blurred by {encoder['kernel_size']} are not supported")
    return int(encoder["num_joints"]), spots.pop()


def _heatmap(config: Config, source: int) -> Part:
    maps, predictor = _growth(config["heatmap_config"]), given(config, "predictor", {})
    refined = given(predictor, "location_refinement", True) and config.get("locref_config")
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


def unread(name: str, config: Config) -> tuple[str, ...]:
    """Layers of a head, by their names here, that its snapshot has and that nothing reads."""
    predictor: Config = given(config, "predictor", {})
    if config.get("type") == "DLCRNetHead":
        return ("begin.",) if given(config, "num_stages", 5) == 0 else ()
    plain = config.get("type") == "HeatmapHead" and config.get("locref_config")
    ignored = name == "identity" or not given(predictor, "location_refinement", True)
    return ("offsets.",) if plain and ignored else ()


def _staged(config: Config, source: int) -> Part:
    predictor: Config = given(config, "predictor", {})
    generators: Config = given(config, "target_generator", {})
    reach = next(
        (g["pos_dist_thresh"] for g in generators.get("generators") or () if "pos_dist_thresh" in g), 17
    )
    maps, fields = _growth(config["heatmap_config"]), _growth(config["paf_config"])
    every = bool(given(predictor, "add_discarded", False))  # if not, only the highest are ever linked
    options = {
        "keypoints": maps["channels"][-1],
        "edges": predictor["graph"],
        "kept": predictor.get("edges_to_keep"),
        "source": source,
        "maps": maps,
        "offsets": _growth(config["locref_config"]),
        "fields": fields,
        "stages": given(config, "num_stages", 5),
        "features": given(config, "features_dim", 128),
        "sigma": given(predictor, "sigma", 1.0),
        "sigmoid": given(predictor, "apply_sigmoid", True),
        "unit": given(predictor, "locref_stdev", UNIT),
        "reach": reach,
        "every": every,
        **({} if every else {"peaks_kept": predictor["num_animals"]}),
    }
    return Part(name="staged_fields", options=options)


def grouping(heads: Mapping[str, Config], skeleton: Skeleton) -> Part:
    """What makes animals, and what stands beside them, of what the heads find."""
    animals = _animals(heads["bodypart"])
    unique = len(skeleton.unique) if heads.get("unique_bodypart") else 0
    individuals = len(skeleton.individuals) if heads.get("identity") else 0
    if not unique and not individuals:
        return animals
    options = {"animals": animals.model_dump(), "individuals": individuals, "unique": unique}
    return Part(name="together", options=options)


def _animals(config: Config) -> Part:
    predictor: Config = given(config, "predictor", {})
    if config.get("type") == "DEKRHead":
        options = {
            "min_distance": given(predictor, "nms_threshold", 0.05),
            "apart": given(predictor, "apply_pose_nms", True),
        }
        return Part(name="by_centre", options=options)
    if config.get("type") != "DLCRNetHead":
        return Part(name="one_each")
    if given(predictor, "nms_radius", 5) != 5:
        raise ModelError(
            f"peaks of {predictor['nms_radius']} cells are not supported", fix="ethopose takes 5"
        )
    if given(predictor, "clip_scores", False) and not given(predictor, "apply_sigmoid", True):
        raise ModelError("the predictor's clip_scores without apply_sigmoid is not supported")
    graph = predictor["graph"]
    kept = given(predictor, "edges_to_keep", list(range(len(graph))))
    options = {
        "keypoints": predictor["num_multibodyparts"],
        "edges": [graph[edge] for edge in kept],
        "animals": predictor["num_animals"],
        "min_line_score": given(predictor, "min_affinity", 0.05),
        "fuse_nearest": given(predictor, "force_fusion", False),
        "hand_out": given(predictor, "add_discarded", False),
    }
    return Part(name="assembly", options=options)


def _growth(config: Config) -> dict[str, Any]:
    last = config.get("final_conv")
    return {
        "channels": config["channels"][1:],  # the first are those of the features
        "kernels": given(config, "kernel_size", []),
        "strides": given(config, "strides", []),
        "last": [last["out_channels"], last["kernel_size"]] if last else None,
    }


def _tokens(config: Config, source: int) -> Part:
    neck: Config = given(config, "neck", {})
    if neck.get("type") != "Transformer":
        raise ModelError(f"TransformerHead without its neck: there is {neck.get('type', 'none')}")
    predictor: Config = given(config, "predictor", {})
    if given(predictor, "location_refinement", True):
        raise ModelError("TransformerHead makes no offsets, and its predictor wants them")
    times = given(config, "head_stride", 1)
    words = {"sine-full": "repeated", "sine": "once", "learnable": "learned"}
    between = config["hidden_heatmap_dim"]
    options = {
        "keypoints": neck["num_keypoints"],
        "source": source,
        "cells": neck["feature_size"],
        "map_cells": config["heatmap_size"],
        "times": times if times > 0 else -1 / times,
        "patch": neck["patch_size"],
        "width": neck["dim"],
        "depth": neck["depth"],
        "lookers": neck["heads"],
        "hidden": given(neck, "mlp_dim", 3),
        "between": between if config["apply_multi"] and config["dim"] * 3 <= between * 0.5 else None,
        "position": words[given(neck, "pos_embedding_type", "sine-full")],
        "sigmoid": given(predictor, "apply_sigmoid", True),
        "clip": given(predictor, "clip_scores", False),
        "reach": given(given(config, "target_generator", {}), "pos_dist_thresh", 17),
    }
    return Part(name="token_map", options=options)


def _dekr(config: Config, source: int) -> Part:
    predictor: Config = given(config, "predictor", {})
    maps, offsets = config["heatmap_config"], config["offset_config"]
    if {maps["final_conv_kernel"], offsets["final_conv_kernel"]} != {1}:
        raise ModelError("DEKR's last kernels are not 1")
    if maps["dilation_rate"] != offsets["dilation_rate"]:
        raise ModelError("DEKR's two heads have different dilations")
    words = {"combined": "both", "heatmap": "map", "center": "centre"}
    absorbs = given(predictor, "use_heatmap", True)
    options = {
        "keypoints": offsets["channels"][2],
        "animals": predictor["num_animals"],
        "stride": source,
        "map_width": maps["channels"][1],
        "map_blocks": maps["num_blocks"],
        "width": offsets["num_offset_per_kpt"],
        "blocks": offsets["num_blocks"],
        "dilation": maps["dilation_rate"],
        "sigmoid": given(predictor, "apply_sigmoid", True),
        "clip": given(predictor, "clip_scores", False),
        "absorb": given(predictor, "max_absorb_distance", 75) if absorbs else None,
        "confidence": words[given(predictor, "keypoint_score_type", "combined")],
        "reach": given(given(config, "target_generator", {}), "pos_dist_thresh", 17),
    }
    return Part(name="centre_offsets", options=options)


def _simcc(config: Config, source: int) -> Part:
    predictor: Config = given(config, "predictor", {})
    attention: Config = config["gau_cfg"]
    odd = ("normalize_outputs" in predictor and predictor["normalize_outputs"], attention.get("use_rel_bias"))
    if any(odd) or attention.get("pos_enc") or given(attention, "act_fn", "SiLU") != "SiLU":
        raise ModelError("this layout of RTMPose's head is not supported")
    sigma, beta = given(predictor, "sigma", 6.0), given(predictor, "decode_beta", 150.0)
    both = sigma if isinstance(sigma, list) else [sigma, sigma]
    width, height = config["input_size"]
    options = {
        "keypoints": config["out_channels"],
        "size": [height, width],
        "split": config["simcc_split_ratio"],
        "kernel": config["final_layer_kernel_size"],
        "width": attention["hidden_dims"],
        "keys": attention["s"],
        "expansion": attention["expansion_factor"],
        "sharpness": [axis * beta for axis in both],
        "softmax": given(predictor, "apply_softmax", True),
        "sigma": both[0],
    }
    return Part(name="attended_simcc", options=options)


BACKBONES = {
    "ResNet": _resnet,
    "DLCRNet": _dlcrnet,
    "HRNet": _hrnet,
    "CSPNeXt": _cspnext,
    "CondPreNet": _prenet,
    "HRNetCoAM": _coam,
}
HEADS = {
    "HeatmapHead": _heatmap,
    "DLCRNetHead": _staged,
    "DEKRHead": _dekr,
    "RTMCCHead": _simcc,
    "TransformerHead": _tokens,
}
