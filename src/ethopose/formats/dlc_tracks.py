"""DeepLabCut's tracks (`_el.h5`, `_bx.h5`, `_sk.h5`): columns for each individual that was followed.

They are laid out as its predictions are. Animals without a track have no place in these files. DeepLabCut's
end with the last frame of a track; here every frame has its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ethopose.core import ResultError
from ethopose.formats.dlc_cells import Cells, Layout, cells_of, corner_of, facts_of, is_animal
from ethopose.formats.dlc_predictions import LOST, read_h5
from ethopose.formats.format import Format
from ethopose.formats.hdf5 import replacing_hdf5
from ethopose.formats.pandas_table import write_table
from ethopose.store import Part, Result

_COUNTED = re.compile(r"track(let)?_\d+")  # names that tell nothing but a number


def write(result: Result, path: Path) -> None:
    """Write all frames of a result, part by part. Raises `ResultError`, also where it was not tracked."""
    if not result.manifest.was_tracked:
        raise ResultError("its animals have no tracks", where=result.path, fix="a result that is tracked")
    layout = _layout(result)
    with replacing_hdf5(path, version="v108") as file:
        rows = ((each.frame, each.table) for each in _cells(result, layout))
        count, names = result.manifest.n_done, (layout.columns, layout.levels)
        write_table(file, *names, rows, count=count, dtype=np.float64, key="tracks")


def individuals_of(result: Result) -> tuple[str, ...]:
    """What DeepLabCut is to call the tracks, and animals of which there is none.

    Names that a person or a model gave stay. Where they only count, the individuals of the project take their
    place, if it has enough of them, else `ind1`, `ind2` and so on, as many as were asked for.
    """
    told = [None if _COUNTED.fullmatch(name) else name for name in result.tracks]
    track = result.manifest.settings.get("track")
    asked = track.get("animals") if isinstance(track, dict) else None
    told += [None] * (max(asked if isinstance(asked, int) else 0, 1) - len(told))
    project = [name for name in map(str, facts_of(result).get("individuals") or ()) if name not in told]
    if len(project) < told.count(None):
        return tuple(name or f"ind{number + 1}" for number, name in enumerate(told))
    spare = iter(project)
    return (*(name or next(spare) for name in told), *spare)


def _layout(result: Result) -> Layout:
    return Layout(
        scorer=result.manifest.model.name,
        skeleton=result.skeleton,
        individuals=individuals_of(result),
        several=True,
        tracked=True,
        n_known=len(result.tracks),
        corner=corner_of(result),
        absent=np.nan,
    )


def _cells(result: Result, layout: Layout) -> Iterator[Cells]:
    for part in result:
        yield cells_of(_followed(part), layout)


def _followed(part: Part) -> Part:
    """Without animals that have no track, and but the first of a track in a frame."""
    poses = part.poses
    first = np.zeros(len(poses), bool)
    first[np.unique(np.stack([poses.frame, poses.track]), axis=1, return_index=True)[1]] = True
    keep = np.where(is_animal(poses), first & (poses.track >= 0), True)
    return replace(part, poses=poses[keep], extra={})


FORMAT = Format(
    name="dlc-tracks",
    suffix="_el.h5",
    named="{video}{model}_el.h5",
    read=read_h5,
    write=write,
    loses=LOST | {"untracked"},
)
