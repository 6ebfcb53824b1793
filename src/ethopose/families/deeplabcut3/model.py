"""A DeepLabCut configuration as a spec, with its snapshot's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ethopose.core import DataError, ModelError, Skeleton, UsageError
from ethopose.families.conditional import is_conditional, paired
from ethopose.families.deeplabcut3 import conditions, detectors, networks
from ethopose.families.deeplabcut3.facts import cropping, facts
from ethopose.families.deeplabcut3.networks import Config, given
from ethopose.families.deeplabcut3.places import CONFIG, DETECTOR, Place, find, last_detector, shuffle_of, uid
from ethopose.families.deeplabcut3.project import choose, is_project
from ethopose.families.files import file_digest, read_yaml
from ethopose.families.model import Model
from ethopose.models.spec import Boxed, ModelSpec, Network, Part, Preparation, Stage

if TYPE_CHECKING:
    from torch import Tensor

EVERYTHING = -1.0  # a threshold that no confidence is below: DeepLabCut tells a place for every keypoint
# of pictures, that are known
TRANSFORMS = (
    "normalize_images",
    "scale_to_unit_range",
    "auto_padding",
    "top_down_crop",
    "collate",
    "resize",
    "longest_max_size",
)
SIDES = ("pad_height_divisor", "pad_width_divisor", "position")  # the position is drawn; see the conventions
PADDED = (("border_mode", "reflect_101"), ("border_mode", 4))
HEADS = ("bodypart", "unique_bodypart", "identity")
RESULTS_OF_ONE = ("dlc-h5", "dlc-full", "dlc-meta")
RESULTS = (*RESULTS_OF_ONE, "dlc-assemblies")
RESULTS_OF_TRACKS = ("dlc-ctd", *RESULTS[1:])
METHODS = {"bu": "bottom-up", "td": "top-down", "ctd": "conditional top-down"}


def recognises(path: Path) -> bool:
    """Whether the path is of a model that DeepLabCut 3 trained."""
    try:
        return is_project(path) or find(path) is not None
    except ModelError:
        return True  # and what it lacks is told when it is read


def read(paths: Sequence[Path]) -> Model:
    """The model that a path means; or a conditional one and the one that its conditions come from.

    Raises:
        ModelError: weights are missing, or the configuration asks for what is not known.
        UsageError: two that form no pair.
    """
    paths = _chosen(paths)
    found = [path for path in paths if DETECTOR.fullmatch(path.name)]
    if found:
        return _with_detector(paths, *found)
    models = sorted(map(_read, paths), key=is_conditional)
    if len(models) > 1:
        if not is_conditional(models[1]):
            raise UsageError("two of DeepLabCut's folders form no pair: its detector lies beside its network")
        return paired(models[0], models[1])
    if is_conditional(models[0]):
        try:
            other = conditions.named(models[0].paths[0], models[0].spec.provenance["deeplabcut"]["config"])
        except ModelError as error:
            return replace(models[0], missing=error)
        return models[0] if other is None else paired(_read(other), models[0])
    return models[0]


def read_alone(paths: Sequence[Path]) -> Model:
    """A top-down model without its detector, which need not be there.

    Raises:
        UsageError: it is none.
    """
    paths = [path for path in _chosen(paths) if not DETECTOR.fullmatch(path.name)]
    if len(paths) != 1:
        raise UsageError("one model of crops is wanted", where=", ".join(map(str, paths)))
    return _read(paths[0], detected=False)


def _chosen(paths: Sequence[Path]) -> list[Path]:
    """The same with the snapshots that projects mean in their place."""
    return [each for path in paths for each in (choose(path) if is_project(path) else [path])]


def _with_detector(paths: Sequence[Path], *found: Path) -> Model:
    """A snapshot and the one of the detector that it is to be run with."""
    rest = [path for path in paths if path not in found]
    if len(rest) != 1:
        raise UsageError(
            "a detector's snapshot alone is no model", fix="name the network's as well: -m SNAPSHOT"
        )
    return _read(rest[0], found[0])


def _read(path: Path, detector: Path | None = None, *, detected: bool = True) -> Model:
    place = find(path)
    assert place is not None
    config = _configuration(place)
    try:
        return _model(place, config, detector, detected=detected)
    except ModelError as error:
        raise ModelError(error.what, where=error.where or place.config, fix=error.fix) from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, DataError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        what = f"a configuration that makes no sense ({type(error).__name__}: {error})"
        raise ModelError(what, where=place.config) from error


def _configuration(place: Place) -> Config:
    if not place.exported:
        return read_yaml(place.config)
    from ethopose.families.checkpoint import read_checkpoint  # imports torch

    config = read_checkpoint(place.snapshot).get("config")
    if not isinstance(config, dict) and place.beside.is_file():
        return read_yaml(place.beside)
    if not isinstance(config, dict):
        raise ModelError(
            "no configuration is in it, and none lies beside it",
            where=place.snapshot,
            fix=f"put the {CONFIG} of its train folder beside it",
        )
    return config


def _model(place: Place, config: Config, detector: Path | None, *, detected: bool) -> Model:
    method = str(given(config, "method", "bu")).lower()
    heads: Config = config["model"]["heads"]
    names = [name for name in HEADS if heads.get(name)]
    if method not in METHODS or list(filter(heads.get, heads)) != names:
        told = f"{METHODS.get(method, method)} models with heads {', '.join(heads)}"
        raise ModelError(f"{told} are not supported yet")
    part, stride = networks.backbone(config["model"]["backbone"])
    network = Network(
        in_channels=3,
        backbone=part,
        heads=tuple(networks.head(name, heads[name], stride, config["model"].get("neck")) for name in names),
    )
    skeleton = _skeleton(config["metadata"])
    _check_numbers(skeleton, dict(zip(names, network.heads, strict=True)))
    last = Stage(
        preparation=_preparation_of(method, config),
        network=network,
        grouping=networks.grouping(heads, skeleton),
        peak_threshold=EVERYTHING,
    )
    project = facts(place, config)
    if detector and method != "td":
        raise UsageError(f"a {METHODS[method]} model has no detector", where=detector, fix="leave it out")
    if method == "bu" and not detected:
        what = f"a {METHODS[method]} model does not read crops that a detector finds"
        raise UsageError(what, where=place.folder, fix="leave out --top-down-dynamic")
    snapshots = [place.snapshot]
    pair = method == "td" and detected
    if pair:
        own = place.snapshot if place.exported else None
        try:
            snapshots.insert(0, detector or own or last_detector(place.folder))
        except ModelError as error:
            return replace(_model(place, config, None, detected=False), missing=error)
    spec = ModelSpec(
        name=scorer(place, config, *snapshots[:-1]),
        family="DeepLabCut 3",
        kind=f"{METHODS[method]} {config['net_type']}",
        skeleton=skeleton,
        stages=(_detector(config), last) if pair else (last,),
        result_formats=RESULTS if project["multi_animal"] else RESULTS_OF_ONE,
        tracked_formats=RESULTS_OF_TRACKS if project["multi_animal"] else RESULTS_OF_ONE,
        more_formats=("dlc-tracklets", "dlc-tracks") if project["multi_animal"] else (),
        animals=None if given(config, "superanimal", {}) else len(project["individuals"]),
        provenance={
            "net_type": config["net_type"],
            "snapshot": place.snapshot.name,
            "detector_snapshot": snapshots[0].name if pair else None,
            "deeplabcut": project,  # which its own files repeat
        },
    )
    digest = spec.digest(*map(file_digest, snapshots))

    alone = partial(_read, place.snapshot, detected=False) if pair else None
    whose = (place.snapshot if place.exported else place.folder,)
    weights = partial(_weights, snapshots, part, heads)
    return Model(spec, digest, whose, weights, cropping(place.folder), alone)


def _weights(snapshots: Sequence[Path], backbone: Part, heads: Config, stage: int) -> dict[str, Tensor]:
    """Of a stage, by our names; the last snapshot is that of the network with `heads`."""
    from ethopose.families.deeplabcut3 import weights as stored  # imports torch

    if stage < len(snapshots) - 1:
        return stored.detector_weights(snapshots[stage])
    names = [name for name in HEADS if heads.get(name)]
    unread = [
        f"heads.{number}.{layers}"
        for number, name in enumerate(names)
        for layers in networks.unread(name, heads[name])
    ]
    return stored.stage_weights(snapshots[-1], backbone, names, unread)


def _check_numbers(skeleton: Skeleton, heads: Mapping[str, Part]) -> None:
    """Names of the metadata and channels of the heads belong together."""
    named = {
        "bodypart": ("keypoints", len(skeleton.keypoints) - len(skeleton.unique)),
        "unique_bodypart": ("keypoints", len(skeleton.unique)),
        "identity": ("classes", len(skeleton.individuals)),
    }
    for name, (option, number) in named.items():
        told = heads[name].options[option] if name in heads else 0
        if told != number and (name in heads or name == "unique_bodypart"):
            raise ModelError(f"the metadata names {number}, and the head {name} tells of {told}")


def _preparation_of(method: str, config: Config) -> Preparation:
    plain = _preparation(config["data"], boxed=method == "td", crops=method != "bu")
    return conditions.prepared(plain, config) if method == "ctd" else plain


def _detector(config: Config) -> Stage:
    """The first stage of a top-down model: boxes around as many animals as the project has."""
    told: Config = given(config, "detector", {})
    if not told.get("model"):
        raise ModelError("the configuration has no detector, which a top-down model needs")
    return Stage(
        preparation=_preparation(given(told, "data", {}), scaled=detectors.is_of_coco(told["model"])),
        network=detectors.network(told["model"]),
        grouping=detectors.grouping(told["model"], len(given(config["metadata"], "individuals", [None]))),
        peak_threshold=detectors.threshold(told["model"]),
    )


def scorer(place: Place, config: Config, detector: Path | None = None) -> str:
    """The name that DeepLabCut gives to what this network says, in what a detector found if there is one."""
    if place.exported:
        return place.snapshot.stem
    zoo: Config = given(config, "superanimal", {})
    if {path.name for path in (place.snapshot, detector) if path} == set(given(zoo, "files", ())):
        return str(zoo["scorer"])  # as they were fetched; see `ethopose.families.superanimal`
    net = "".join(word.capitalize() for word in str(config["net_type"]).split("_"))
    task, shuffle = shuffle_of(place.folder, config)
    found = "" if detector is None else f"detector_{uid(detector)}_"
    return f"DLC_{net}_{task}{shuffle}_{found}snapshot_{place.uid}"


def _skeleton(metadata: Config) -> Skeleton:
    """Unique keypoints come after those of animals, in rows of their own."""
    unique = tuple(map(str, given(metadata, "unique_bodyparts", [])))
    keypoints = (*map(str, metadata["bodyparts"]), *unique)
    edges = given(metadata, "skeleton", [])  # a word of ours, in what was fetched: DeepLabCut has none there
    named = given(metadata, "with_identity", False)
    return Skeleton(
        keypoints=keypoints,
        edges=tuple((keypoints.index(one), keypoints.index(other)) for one, other in edges),
        unique=unique,
        individuals=tuple(map(str, metadata["individuals"])) if named else (),
    )


def _resized(told: Config) -> Config | None:
    """To which size pictures are brought first."""
    size, longest = given(told, "resize", {}), given(told, "longest_max_size", None)
    if not size and longest is None:
        return None
    sides = (size["height"], size["width"]) if size else None
    return {"size": sides, "keep": bool(given(size, "keep_ratio", True)), "longest": longest}


def _preparation(
    data: Config, *, boxed: bool = False, crops: bool = False, scaled: bool = False
) -> Preparation:
    told: Config = given(data, "inference", {})
    if given(data, "colormode", "RGB") != "RGB":
        raise ModelError(f"data.colormode {data['colormode']} is not supported")
    normalised = given(told, "normalize_images", True), given(told, "scale_to_unit_range", False)
    if normalised != (not scaled, scaled):
        raise ModelError("pictures that are not normalised as ImageNet's are not supported")
    if odd := [key for key, value in told.items() if value and key not in TRANSFORMS]:
        raise ModelError(f"data.inference.{odd[0]} is not supported")
    padding: Config = given(told, "auto_padding", {})
    known = {key for key, value in padding.items() if not value or (key, value) in PADDED}.union(SIDES)
    if odd := [key for key in padding if key not in known]:
        raise ModelError(f"data.inference.auto_padding.{odd[0]}: {padding[odd[0]]} is not supported")
    sides = {padding.get(f"pad_{side}_divisor") or 1 for side in ("height", "width")}
    if len(sides) > 1:
        raise ModelError("pictures are padded to different multiples in height and width")
    shared = {"color": "rgb", "pad_to": sides.pop(), "pad_with": "mirror", "resized": _resized(told)}
    if crops and shared["resized"]:
        raise ModelError("data.inference.resize and longest_max_size of crops are not supported")
    if not boxed:
        return Preparation.model_validate(shared)
    crop: Config = given(told, "top_down_crop", {})
    size = tuple(given(crop, side, 256) for side in ("height", "width"))
    how = Boxed(margin=given(crop, "margin", 0), context=given(crop, "crop_with_context", True))
    return Preparation.model_validate(shared | {"crop": size, "boxed": how})
