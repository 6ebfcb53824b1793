"""SLEAP-NN model folders (0.0.1 to 0.3.5): `training_config.yaml` and `best.ckpt`.

SLEAP's words (node, part, confmap, anchor) end here. What each key means and how the numbers are
made is told in `docs/conventions.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ethopose.core import DataError, ModelError, Skeleton, UsageError
from ethopose.families.files import file_digest, folder_of, read_yaml
from ethopose.families.model import Model
from ethopose.models.spec import Color, ModelSpec, Network, Part, Preparation, Stage

if TYPE_CHECKING:
    from torch import Tensor

PEAKS = 32  # a keypoint at first; pictures with more are decoded again, see `models.build.build_wide`
log = logging.getLogger(__name__)

CONFIG, CHECKPOINT = "training_config.yaml", "best.ckpt"
SHARED = ("ensure_rgb", "ensure_grayscale", "max_height", "max_width")
SECOND_STAGES = ("centered_instance", "multi_class_topdown")
KINDS = ("single_instance", "centroid", *SECOND_STAGES, "bottomup", "multi_class_bottomup")

Config = Mapping[str, Any]


def recognises(path: Path) -> bool:
    """Whether the folder holds a SLEAP-NN model."""
    return (folder_of(path) / CONFIG).is_file()


def read(paths: Sequence[Path]) -> Model:
    """One model, or a centroid model and the model for the crops around its centroids."""
    folders = [folder_of(path) for path in paths]
    try:
        return _model(folders)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        what = f"a configuration that makes no sense ({type(error).__name__}: {error})"
        raise ModelError(what, where=", ".join(str(folder / CONFIG) for folder in folders)) from error


def _model(folders: Sequence[Path]) -> Model:
    configs = {
        _kind(folder, config): (folder, config)
        for folder, config in zip(folders, map(_read, folders), strict=True)
    }
    kinds = sorted(configs, key=KINDS.index)
    if len(kinds) < len(folders):
        raise UsageError(f"no pair: both folders hold a {kinds[0]} model", where=", ".join(map(str, folders)))
    if len(kinds) == 2 and (kinds[0] != "centroid" or kinds[1] not in SECOND_STAGES):
        raise UsageError(
            f"no pair: {kinds[0]} and {kinds[1]}",
            where=", ".join(map(str, folders)),
            fix=f"a pair is a centroid model and one of {' or '.join(SECOND_STAGES)}",
        )
    ordered = [configs[kind] for kind in kinds]
    spec = _spec(kinds, [config for _, config in ordered], [folder for folder, _ in ordered])
    paths = tuple(folder for folder, _ in ordered)
    digest = spec.digest(*(file_digest(folder / CHECKPOINT) for folder in paths))

    def weights(stage: int) -> dict[str, Tensor]:
        from ethopose.families.sleap_nn_weights import stage_weights  # imports torch

        return stage_weights(paths[stage] / CHECKPOINT)

    return Model(spec, digest, paths, weights)


def _read(folder: Path) -> Config:
    config = read_yaml(folder / CONFIG)
    for key in ("data_config", "model_config"):
        if not isinstance(config.get(key), dict):
            raise ModelError(f"no {key}: not a SLEAP-NN configuration", where=folder / CONFIG)
    return config


def _kind(folder: Path, config: Config) -> str:
    """The type of a model: the first head that is configured."""
    heads = config["model_config"].get("head_configs") or {}
    kind = next((name for name, head in heads.items() if head is not None), None)
    if kind not in KINDS:
        raise ModelError(
            f"models of type {kind} are not supported" if kind else "no head is configured",
            where=folder / CONFIG,
            fix=f"ethopose runs {', '.join(KINDS)}",
        )
    return str(kind)


def _spec(kinds: Sequence[str], configs: Sequence[Config], folders: Sequence[Path]) -> ModelSpec:
    skeleton = _skeleton(kinds[-1], configs[-1], folders[-1])
    shared = _shared(configs)
    stages = [
        _stage(kind, config, shared, folder)
        for kind, config, folder in zip(kinds, configs, folders, strict=True)
    ]
    if kinds == ["centroid"] and len(skeleton.keypoints) > 1:
        skeleton = Skeleton(keypoints=("centroid",), name=skeleton.name)
    return ModelSpec(
        name="+".join(folder.name for folder in folders),
        family="SLEAP-NN",
        kind=" + ".join(kinds),
        skeleton=skeleton,
        stages=tuple(stages),
        result_formats=("slp",),
        provenance={"sleap_nn_version": [config.get("sleap_nn_version") for config in configs]},
    )


def _shared(configs: Sequence[Config]) -> dict[str, Any]:
    """How frames are coloured and fitted: as the first model says, and where it says nothing, the second."""
    given = [config["data_config"].get("preprocessing") or {} for config in configs]
    return {key: next((g[key] for g in given if g.get(key) is not None), None) for key in SHARED}


def _skeleton(kind: str, config: Config, folder: Path) -> Skeleton:
    """The skeleton of the labels; the heads' own names for it may differ, their order is what counts."""
    stored = (config["data_config"].get("skeletons") or [None])[0]
    if not stored:
        raise ModelError("no skeleton", where=folder / CONFIG)
    names = [str(node["name"]) for node in stored["nodes"]]

    def pairs(key: str) -> tuple[tuple[int, int], ...]:
        return tuple(
            (names.index(edge["source"]["name"]), names.index(edge["destination"]["name"]))
            for edge in stored.get(key) or ()
        )

    symmetries = tuple(
        (names.index(one["name"]), names.index(other["name"]))
        for one, other in (_ends(symmetry) for symmetry in stored.get("symmetries") or ())
    )
    try:
        return Skeleton(
            keypoints=tuple(names),
            edges=pairs("edges"),
            symmetries=symmetries,
            individuals=tuple(_classes(_head(kind, config))),
            name=str(stored.get("name") or "Skeleton-0"),
        )
    except (DataError, ValueError, KeyError) as error:
        raise ModelError(f"a broken skeleton ({error})", where=folder / CONFIG) from error


def _ends(symmetry: Any) -> Any:
    """The two nodes of a symmetry: a list of two, or a mapping with a list in it."""
    return symmetry["nodes"] if isinstance(symmetry, dict) else symmetry


def _head(kind: str, config: Config) -> Config:
    head: Config = config["model_config"]["head_configs"][kind]
    return head


def _classes(head: Config) -> list[str]:
    named = head.get("class_maps") or head.get("class_vectors") or {}
    return [str(name) for name in named.get("classes") or ()]


def _stage(kind: str, config: Config, shared: Config, folder: Path) -> Stage:
    backbones = config["model_config"].get("backbone_config") or {}
    backbone = next((name for name, options in backbones.items() if options is not None), None)
    if backbone != "unet":
        raise ModelError(
            f"the backbone {backbone} is not supported", where=folder / CONFIG, fix="ethopose runs unet"
        )
    options = backbones["unet"]
    _refuse_what_no_unet_has(options, folder)
    heads = _heads(kind, config)
    return Stage(
        preparation=_preparation(kind, config, shared, folder),
        network=Network(
            in_channels=options.get("in_channels", 1),
            backbone=Part(name="unet", options=_unet_options(options, heads)),
            heads=heads,
        ),
        grouping=_grouping(kind, config),
    )


def _refuse_what_no_unet_has(options: Config, folder: Path) -> None:
    if options.get("stacks", 1) != 1:
        raise ModelError("stacked UNets are not supported", where=folder / CONFIG)
    if options.get("middle_block", True) is not True:
        raise ModelError("a UNet without middle block cannot be built", where=folder / CONFIG)


def _unet_options(options: Config, heads: Sequence[Part]) -> dict[str, Any]:
    defaults = {
        "filters": 32,
        "filters_rate": 1.5,
        "max_stride": 16,
        "output_stride": 1,
        "stem_stride": None,
        "kernel_size": 3,
        "convs_per_block": 2,
        "up_interpolate": True,
    }
    return {key: options.get(key, default) for key, default in defaults.items()}


def _preparation(kind: str, config: Config, shared: Config, folder: Path) -> Preparation:
    given = config["data_config"].get("preprocessing") or {}
    if shared["ensure_rgb"] and shared["ensure_grayscale"]:
        raise ModelError("both ensure_rgb and ensure_grayscale are true", where=folder / CONFIG)
    color: Color = "rgb" if shared["ensure_rgb"] else "gray" if shared["ensure_grayscale"] else "as_filmed"
    size, scale = given.get("crop_size"), given.get("scale") or 1.0
    if kind in SECOND_STAGES:
        color = "as_filmed"  # crops are cut from frames as they were filmed
        if not size:
            raise ModelError("no crop_size, which a model of crops needs", where=folder / CONFIG)
        if scale != 1 and str(config.get("sleap_nn_version", "")).startswith("0.0."):
            log.warning(
                "%s was trained before SLEAP-NN 0.1.0, when crop_size counted scaled pixels; it is read as "
                "SLEAP-NN reads it now. If poses are poor, divide crop_size by the scale %s in %s",
                folder.name,
                scale,
                folder / CONFIG,
            )
    unet = config["model_config"]["backbone_config"]["unet"]
    return Preparation(
        color=color,
        fit=(shared["max_height"], shared["max_width"]),
        crop=_square(size) if kind in SECOND_STAGES else None,
        scale=scale,
        pad_to=unet.get("max_stride", 16),
    )


def _square(size: Any) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else tuple(size) if size else None


def _heads(kind: str, config: Config) -> tuple[Part, ...]:
    head = _head(kind, config)
    maps = head["confmaps"]
    keypoints = len(maps.get("part_names") or ()) or (1 if kind == "centroid" else _keypoints(config))
    options = {
        "keypoints": keypoints,
        "stride": maps.get("output_stride", 1),
        "sigma": maps.get("sigma", 5.0),
        "sigmoid": bool(maps.get("use_sigmoid_activation", False)),
        "single": kind in ("single_instance", *SECOND_STAGES),
        "peaks_kept": PEAKS,
    }
    parts = [Part(name="confidence_map", options=options)]
    if kind == "bottomup":
        fields = head["pafs"]
        line = {"edges": _edges(config), "stride": fields.get("output_stride", 1)}
        parts.append(Part(name="part_affinity", options={**line, "sigma": fields.get("sigma", 15.0)}))
    if head.get("class_maps"):
        stride = head["class_maps"].get("output_stride", 1)
        parts.append(Part(name="class_map", options={"classes": len(_classes(head)), "stride": stride}))
    if head.get("class_vectors"):
        vectors = head["class_vectors"]
        layers = {"layers": vectors.get("num_fc_layers", 1), "units": vectors.get("num_fc_units", 64)}
        parts.append(Part(name="class_vector", options={"classes": len(_classes(head)), **layers}))
    return tuple(parts)


def _keypoints(config: Config) -> int:
    return len(config["data_config"]["skeletons"][0]["nodes"])


def _edges(config: Config) -> list[tuple[int, int]]:
    """The edges that the fields were trained on, as the head names them."""
    head = _head("bottomup", config)
    names = head["confmaps"].get("part_names") or [
        n["name"] for n in config["data_config"]["skeletons"][0]["nodes"]
    ]
    stored = head["pafs"].get("edges") or [
        (edge["source"]["name"], edge["destination"]["name"])
        for edge in config["data_config"]["skeletons"][0].get("edges") or ()
    ]
    if not stored:
        raise ModelError("a bottomup model whose skeleton has no edges: nothing joins its keypoints")
    return [(names.index(source), names.index(destination)) for source, destination in stored]


def _grouping(kind: str, config: Config) -> Part:
    if kind == "bottomup":
        keypoints = len(_head(kind, config)["confmaps"].get("part_names") or ()) or _keypoints(config)
        return Part(name="affinity", options={"keypoints": keypoints, "edges": _edges(config)})
    names = {
        "centroid": "one_per_peak",
        "multi_class_bottomup": "class_map",
        "multi_class_topdown": "class_vector",
    }
    return Part(name=names.get(kind, "one_each"))
