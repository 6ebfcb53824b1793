"""A DeepLabCut project as labels. What the tables hold and where their origin lies: `dlc_table`."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ethopose.core import DataError, FormatError, Labels, Skeleton
from ethopose.formats.dlc_shuffles import read_shuffle
from ethopose.formats.dlc_table import LabelTable, labels_of, read_either, tell_unique
from ethopose.formats.format import reading
from ethopose.formats.label_images import listed, plain_path, stack_labels
from ethopose.formats.label_joining import merge_images
from ethopose.formats.settings import read_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder; `project_path` in its config.yaml is not believed, for projects move."""

    folder: Path
    config: dict[str, Any]
    skeleton: Skeleton
    scorer: str
    recordings: tuple[str, ...]  # folders of labeled-data, in the order of `video_sets`


def recognises_project(path: Path) -> bool:
    """Whether a path is a project or its config.yaml."""
    folder = path.parent if path.name == "config.yaml" else path
    return (folder / "config.yaml").is_file() and (folder / "labeled-data").is_dir()


def read_project(path: Path, shuffle: int | str | None, *, unique: bool = False) -> Labels:
    """All labels of a project's listed videos, split as its stored shuffle says; `unique` keypoints with
    them, after all others, or not.

    Raises:
        FormatError: config.yaml cannot be read. DataError: no folder has labels that can be.
    """
    project = open_project(path.parent if path.name == "config.yaml" else path)
    tables = _tables(project)
    skeleton = project.skeleton
    if unique:
        skeleton = replace(skeleton, keypoints=(*skeleton.keypoints, *skeleton.unique))
    else:
        tell_unique(tables)
    parts = [labels_of(table, skeleton, (project.folder, table.path.parent)) for table in tables]
    return read_shuffle(project.folder, project.config, merge_images(stack_labels(parts)), shuffle)


def open_project(folder: Path) -> Project:
    """What config.yaml says about labels. Raises FormatError."""
    path = folder / "config.yaml"
    config = read_settings(path)
    with reading(path, "DeepLabCut configuration"):
        multi = bool(config.get("multianimalproject"))
        keypoints = _names(config, "multianimalbodyparts" if multi else "bodyparts")
        if not keypoints:
            raise DataError("it names no bodyparts")
        edges = [tuple(map(str, edge)) for edge in config.get("skeleton") or []]
        skeleton = Skeleton(
            keypoints,
            edges=tuple(
                dict.fromkeys(
                    (keypoints.index(edge[0]), keypoints.index(edge[1]))
                    for edge in edges
                    if len(edge) == 2 and set(edge) <= set(keypoints)
                )
            ),
            individuals=_names(config, "individuals") if multi else (),
            unique=_names(config, "uniquebodyparts") if multi else (),
        )
        videos = (plain_path(str(video)).stem for video in config.get("video_sets") or {})
        return Project(
            folder, config, skeleton, str(config.get("scorer") or ""), tuple(dict.fromkeys(videos))
        )


def _names(config: dict[str, Any], key: str) -> tuple[str, ...]:
    found = config.get(key) or []
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _tables(project: Project) -> list[LabelTable]:
    """A table a recording; recordings without one that can be read are told by name and left out."""
    data = project.folder / "labeled-data"
    labelled = sorted({file.parent.name for file in data.glob("*/CollectedData_*")})
    wanted = project.recordings or tuple(labelled)
    # DeepLabCut, too, merges the listed videos only; commenting one out is how users leave a folder out
    if others := [name for name in labelled if name not in wanted]:
        logger.warning(
            "%d folders of labels are left out, for video_sets does not list their videos: %s",
            len(others),
            listed(others),
        )
    tables, without = [], []
    for name in wanted:
        files = _files(data / name, project.scorer)
        try:
            tables.append(read_either(files))
        except FormatError as error:
            without.append(f"{name} ({error.what if files else 'no CollectedData file'})")
    told = f"{len(without)} of {len(wanted)} folders have no labels that can be read: {listed(without)}"
    if not tables:
        raise DataError(told, where=data, fix="label frames, or copy the CollectedData files there")
    if without:
        logger.warning("%s; they are left out", told)
    return tables


def _files(folder: Path, scorer: str) -> list[Path]:
    """The .h5 of the project's scorer, then its .csv, as DeepLabCut reads; else those of another scorer."""
    own = [folder / f"CollectedData_{scorer}{suffix}" for suffix in (".h5", ".csv")]
    found = [path for path in own if path.is_file()]
    if not found and (others := sorted(folder.glob("CollectedData_*"), reverse=True)):
        found = [path for path in others if path.suffix in (".h5", ".csv")]
        names = listed([path.name for path in found])
        logger.warning("%s: there are no labels of scorer %s, those of %s count", folder.name, scorer, names)
    return found
