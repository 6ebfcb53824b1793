"""A project's models: which shuffle, which training, which snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ethopose.core import ModelError, UsageError
from ethopose.families.deeplabcut3.places import CONFIG, DEPTH, DETECTOR, MODELS, PROJECT, SNAPSHOT, snapshots
from ethopose.families.files import folder_of, read_yaml

BEST, ALL = "best", "all"


def choose(
    project: Path,
    *,
    shuffle: int = 1,
    trainingset_index: int = 0,
    iteration: int | None = None,
    modelprefix: str = "",
    snapshot: str | int | None = None,
    detector_snapshot: str | int | None = None,
) -> list[Path]:
    """The snapshot that is asked for, and with `detector_snapshot` also the detector's.

    `project` is a project's folder, or a `train` folder, of which only snapshots are to be chosen. Snapshots
    are told by place in the order of their epochs (-1 is the last, best ones come after all others), by
    `best`, or by name; if they are not, the project's `snapshotindex` is taken.

    Raises:
        UsageError: there is no such shuffle, fraction or snapshot, or it is no project.
        ModelError: the model has other keypoints than the project.
    """
    folder = folder_of(project)
    told: Mapping[str, Any] = {}
    if not (folder / CONFIG).is_file():
        told = _read(folder)
        folder = _train_folder(folder, told, shuffle, trainingset_index, iteration, modelprefix)
        _check_keypoints(told, folder)
    elif (shuffle, trainingset_index, iteration, modelprefix) != (1, 0, None, ""):
        raise UsageError("a train folder is of one shuffle", where=folder, fix="name the project's folder")
    wanted = told.get("snapshotindex") if snapshot is None else snapshot
    chosen = [_chosen(snapshots(folder, SNAPSHOT), wanted, folder)]
    if detector_snapshot is None and _is_top_down(folder) and snapshots(folder, DETECTOR):
        detector_snapshot = told.get("detector_snapshotindex")
    if detector_snapshot is not None:
        chosen.append(_chosen(snapshots(folder, DETECTOR), detector_snapshot, folder))
    return chosen


def is_project(path: Path) -> bool:
    """Whether a path is a project with models of this engine, or its configuration."""
    folder = folder_of(path)
    if (path != folder and path.name != PROJECT) or not (folder / PROJECT).is_file():
        return False
    return any(any(folder.glob("*/" * depth + MODELS)) for depth in range(DEPTH))


def _read(folder: Path) -> dict[str, Any]:
    if not (folder / PROJECT).is_file():
        raise UsageError("no DeepLabCut project", where=folder, fix=f"name the folder of its {PROJECT}")
    return read_yaml(folder / PROJECT)


def _train_folder(
    project: Path, told: Mapping[str, Any], shuffle: int, index: int, iteration: int | None, prefix: str
) -> Path:
    """Wherever the project was trained: its own paths may be of another machine."""
    try:
        iteration = int(told.get("iteration") or 0) if iteration is None else iteration
        fractions = list(map(float, told.get("TrainingFraction") or [0.95]))
    except (TypeError, ValueError) as error:
        what = f"iteration or TrainingFraction make no sense ({error})"
        raise ModelError(what, where=project / PROJECT) from error
    if not 0 <= index < len(fractions):
        raise UsageError(
            f"no training set {index}: TrainingFraction has {len(fractions)}", where=project / PROJECT
        )
    place = project / prefix / MODELS / f"iteration-{iteration}"
    wanted = f"-trainset{int(100 * fractions[index])}shuffle{shuffle}"  # truncated, as DeepLabCut does
    for folder in sorted(place.glob(f"*{wanted}")):
        if (folder / "train" / CONFIG).is_file():
            return folder / "train"
    there = ", ".join(sorted(folder.parent.parent.name for folder in place.glob(f"*/train/{CONFIG}")))
    raise UsageError(
        f"no model of shuffle {shuffle} and training set {index}; there are {there or 'none'}",
        where=place,
        fix="choose with --shuffle, --trainingset-index, --iteration and --modelprefix",
    )


def _is_top_down(train: Path) -> bool:
    return str(read_yaml(train / CONFIG).get("method")).lower() == "td"


def _check_keypoints(told: Mapping[str, Any], train: Path) -> None:
    several = bool(told.get("multianimalproject"))
    names = told.get("multianimalbodyparts" if several else "bodyparts")
    if not isinstance(names, list):
        return
    wanted = [*names, *((told.get("uniquebodyparts") or []) if several else [])]
    metadata = read_yaml(train / CONFIG).get("metadata") or {}
    known = [*(metadata.get("bodyparts") or []), *(metadata.get("unique_bodyparts") or [])]
    if list(map(str, wanted)) != list(map(str, known)):
        raise ModelError(
            f"the project's keypoints are {', '.join(map(str, wanted))}; the model's are "
            f"{', '.join(map(str, known))}",
            where=train,
            fix="choose another shuffle or iteration, or name the train folder to run it as it is",
        )


def _chosen(found: list[Path], wanted: str | int | None, folder: Path) -> Path:
    """One of snapshots in their order."""
    names = [path.name for path in found]
    text = str(ALL if wanted is None else wanted)
    if text == BEST:
        best = [path for path in found if "best" in path.name]
        if best:
            return best[-1]
    elif text in names or f"{text}.pt" in names:
        return folder / (text if text in names else f"{text}.pt")
    else:
        try:
            return found[-1 if text == ALL else int(text)]
        except (ValueError, IndexError):
            pass
    raise UsageError(
        f"no snapshot {text}; there are {', '.join(names) or 'none'}",
        where=folder,
        fix="choose by place (-1 is the last), by best, or by name",
    )
