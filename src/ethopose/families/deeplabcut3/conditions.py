"""Conditional top-down models: a network that reads crops in the light of what another one found."""

from __future__ import annotations

from pathlib import Path

from ethopose.core import ModelError, UsageError
from ethopose.families.deeplabcut3.facts import ONE
from ethopose.families.deeplabcut3.networks import Config, given
from ethopose.families.deeplabcut3.places import CONFIG, SHUFFLE, SNAPSHOT, snapshots
from ethopose.families.deeplabcut3.project import choose, is_project
from ethopose.models.spec import Conditioning, Preparation

BOTH = "name both, -m CONDITIONS -m {}, or --conditions FILE"


def prepared(plain: Preparation, config: Config) -> Preparation:
    """How poses of the other model become crops."""
    data: Config = config["data"]
    crop: Config = given(given(data, "inference", {}), "top_down_crop", {})
    size = given(crop, "height", 256), given(crop, "width", 256)
    encoder: Config = config["model"]["backbone"]["kpt_encoder"]
    bounds = given(encoder, "img_size", given(config["model"]["backbone"], "img_size", [256, 256]))
    conditions = Conditioning(
        margin=given(data, "bbox_margin", 25),
        grown=given(crop, "margin", 0),
        context=given(crop, "crop_with_context", False),
        bounds=(bounds[0], bounds[1]),
        individuals=tuple(map(str, given(config["metadata"], "individuals", ONE))),
    )
    return plain.model_copy(update={"crop": size, "conditions": conditions})


def named(folder: Path, config: Config) -> Path | None:
    """The snapshot that the configuration in a `train` folder names for conditions; None where it names no
    model: a file of poses is for DeepLabCut's evaluation alone.

    Raises:
        ModelError: it is missing.
    """
    told = given(given(config, "inference", {}), "conditions", {})
    if not isinstance(told, dict):
        return None
    if told.get("snapshot_path"):
        return _stored(folder, str(told["snapshot_path"]))
    return _sibling(folder, told) if told.get("shuffle") is not None else None


def _stored(folder: Path, stored: str) -> Path:
    """The snapshot at a path, or where it lies in this project if all of it was moved."""
    parts = Path(stored.replace("\\", "/")).parts
    places = [Path(stored), *(above / "/".join(parts[-5:]) for above in folder.parents)]
    for place in places:
        if place.is_file() and (place.parent / CONFIG).is_file():
            return place
    raise _missing(folder, stored)


def _sibling(folder: Path, told: Config) -> Path:
    """A snapshot of another shuffle of the project, of its first training set and the best or last unless
    told; where the folder lies in no project any more, of the same training set."""
    project = _project(folder, given(told, "config", None))
    if project is None:
        return _neighbour(folder, told)
    named = told.get("snapshot") or given(told, "snapshot_index", -1)
    try:
        return choose(
            project,
            shuffle=int(told["shuffle"]),
            trainingset_index=int(given(told, "trainset_index", 0)),
            modelprefix=str(given(told, "modelprefix", "")),
            snapshot=named,
        )[0]
    except UsageError as error:
        raise _missing(folder, f"shuffle {told['shuffle']}: {error.what}") from error


def _project(folder: Path, stored: object) -> Path | None:
    """The project that conditions come from: the one that is named, or else that the folder lies in."""
    places = [] if stored is None else [Path(str(stored)).parent]
    return next(filter(is_project, (*places, *folder.absolute().parents)), None)


def _neighbour(folder: Path, told: Config) -> Path:
    match = SHUFFLE.fullmatch(folder.parent.name)
    wanted = f"-trainset{match['percent']}shuffle{told['shuffle']}" if match else "no project's folder"
    train = next(iter(sorted(folder.parent.parent.glob(f"*{wanted}/train"))), None)
    if train is None or not (train / CONFIG).is_file():
        raise _missing(folder, f"shuffle {told['shuffle']}")
    if name := told.get("snapshot"):
        if not (train / str(name)).is_file():
            raise _missing(folder, str(train / str(name)))
        return train / str(name)
    found = snapshots(train, SNAPSHOT)
    index = int(given(told, "snapshot_index", -1))
    if not -len(found) <= index < len(found):
        raise _missing(folder, f"snapshot {index} of {len(found)} in {train}")
    return found[index]


def _missing(folder: Path, what: str) -> ModelError:
    return ModelError(
        f"the model that conditions come from is missing: {what}",
        where=folder / CONFIG,
        fix=BOTH.format(folder.parent.name if folder.name == "train" else folder.name),
    )
