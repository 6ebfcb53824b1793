"""A DeepLabCut configuration as a spec, with its snapshot's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ethopose.core import DataError, ModelError, Skeleton, UsageError
from ethopose.families.deeplabcut3 import conditions, networks
from ethopose.families.deeplabcut3.networks import Config, given
from ethopose.families.deeplabcut3.places import CONFIG, Place, find, shuffle_of
from ethopose.families.files import file_digest, read_yaml
from ethopose.families.model import Model
from ethopose.models.spec import ModelSpec, Network, Preparation, Stage

if TYPE_CHECKING:
    from torch import Tensor

EVERYTHING = -1.0  # a threshold that no confidence is below: DeepLabCut tells a place for every keypoint
ANYBODY = 0.0  # of centres: those of no animal are filled up with zeros
METHODS = {"bu": "bottom-up", "td": "top-down", "ctd": "conditional top-down"}


def recognises(path: Path) -> bool:
    """Whether the path is of a model that DeepLabCut 3 trained."""
    try:
        return find(path) is not None
    except ModelError:
        return True  # and what it lacks is told when it is read


def read(paths: Sequence[Path]) -> Model:
    """The model that a path means; or a conditional one and the one that its conditions come from.

    Raises:
        ModelError: weights are missing, or the configuration asks for what is not known.
        UsageError: two that form no pair.
    """
    models = sorted(map(_read, paths), key=conditions.is_conditional)
    if len(models) > 1:
        if not conditions.is_conditional(models[1]):
            raise UsageError("two of DeepLabCut's folders form no pair: its detector lies beside its network")
        return conditions.paired(models[0], models[1])
    if conditions.is_conditional(models[0]):
        folder = models[0].paths[0]
        other = conditions.named(folder, read_yaml(folder / CONFIG))
        return models[0] if other is None else conditions.paired(_read(other), models[0])
    return models[0]


def _read(path: Path) -> Model:
    place = find(path)
    assert place is not None
    config = read_yaml(place.folder / CONFIG)
    try:
        return _model(place, config)
    except ModelError as error:
        raise ModelError(error.what, where=error.where or place.folder / CONFIG, fix=error.fix) from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, DataError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        what = f"a configuration that makes no sense ({type(error).__name__}: {error})"
        raise ModelError(what, where=place.folder / CONFIG) from error


def _model(place: Place, config: Config) -> Model:
    method = str(given(config, "method", "bu")).lower()
    heads: Config = config["model"]["heads"]
    names = [name for name in ("bodypart",) if heads.get(name)]
    if method == "td" or list(filter(heads.get, heads)) != names:
        told = f"{METHODS.get(method, method)} models with heads {', '.join(heads)}"
        raise ModelError(f"{told} are not supported yet")
    part, stride = networks.backbone(config["model"]["backbone"])
    network = Network(
        in_channels=3,
        backbone=part,
        heads=tuple(networks.head(heads[name], stride, config["model"].get("neck")) for name in names),
    )
    preparation = _preparation(config["data"])
    stage = Stage(
        preparation=conditions.prepared(preparation, config) if method == "ctd" else preparation,
        network=network,
        grouping=networks.grouping(heads["bodypart"]),
        peak_threshold=ANYBODY if heads["bodypart"].get("type") == "DEKRHead" else EVERYTHING,
    )
    spec = ModelSpec(
        name=scorer(place, config),
        family="DeepLabCut 3",
        kind=f"{METHODS[method]} {config['net_type']}",
        skeleton=_skeleton(config["metadata"]),
        stages=(stage,),
        provenance={"net_type": config["net_type"], "snapshot": place.snapshot.name},
    )
    digest = spec.digest(file_digest(place.snapshot))

    def weights(stage: int) -> dict[str, Tensor]:
        from ethopose.families.deeplabcut3.weights import stage_weights  # imports torch

        return stage_weights(place.snapshot, part, names)

    return Model(spec, digest, (place.folder,), weights)


def scorer(place: Place, config: Config) -> str:
    """The name that DeepLabCut gives to what this network says."""
    net = "".join(word.capitalize() for word in str(config["net_type"]).split("_"))
    task, shuffle = shuffle_of(place.folder, config)
    return f"DLC_{net}_{task}{shuffle}_snapshot_{place.uid}"


def _skeleton(metadata: Config) -> Skeleton:
    return Skeleton(
        keypoints=tuple(map(str, metadata["bodyparts"])),
        unique=tuple(map(str, given(metadata, "unique_bodyparts", []))),
    )


def _preparation(data: Config) -> Preparation:
    told: Config = given(data, "inference", {})
    if given(data, "colormode", "RGB") != "RGB":
        raise ModelError(f"data.colormode {data['colormode']} is not supported")
    if not given(told, "normalize_images", True) or given(told, "scale_to_unit_range", False):
        raise ModelError("pictures that are not normalised as ImageNet's are not supported")
    for key in ("resize", "longest_max_size"):
        if told.get(key):
            raise ModelError(f"data.inference.{key} is not supported yet")
    padding: Config = given(told, "auto_padding", {})
    sides = {padding.get(f"pad_{side}_divisor") or 1 for side in ("height", "width")}
    if len(sides) > 1:
        raise ModelError("pictures are padded to different multiples in height and width")
    return Preparation(color="rgb", pad_to=sides.pop(), pad_with="mirror")
