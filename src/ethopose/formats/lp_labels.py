"""Lightning Pose's labels: `CollectedData*.csv` below one folder, a file a view.

The tables are DeepLabCut's (see `dlc_table` for the origin) with, at times, a third coordinate `visible`:
0 not labelled, 1 occluded, 2 visible. Names of images are relative to the data folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ethopose.core import DataError, FormatError, Labels, Skeleton
from ethopose.formats.dlc_table import labels_of, read_table, tell_unique
from ethopose.formats.label_images import find_file, listed
from ethopose.formats.label_joining import join_labels, merge_images
from ethopose.formats.settings import read_settings


def recognises_table(path: Path) -> bool:
    """Whether a path is a table of labels: three or four rows of header, the first begins with scorer."""
    if path.suffix == ".h5":
        return path.name.startswith("CollectedData")
    if path.suffix != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [file.readline(2000) for _ in range(4)]
    return lines[0].startswith("scorer,") and any(line.startswith("coords,") for line in lines)


def recognises_folder(path: Path) -> bool:
    """Whether a path is a folder of such tables."""
    return path.is_dir() and any(path.glob("CollectedData*.csv"))


def read_one_table(path: Path) -> Labels:
    """The labels of one table, Lightning Pose's or DeepLabCut's.

    Images are looked for beside it, and below the folders that it lies in. Raises FormatError.
    """
    return _read_view(path, (path.parent, *list(path.absolute().parent.parents)[:3]))


def read_folder(folder: Path) -> Labels:
    """All views of a Lightning Pose project, or of a model folder whose data are still where they were.

    A view's images are images of their own: views are told apart by `Image.video`. Tables of new or test
    data (`_new`, `_test`) are not training data and not read.

    Raises:
        FormatError: a table cannot be read. DataError: the configured one is missing.
    """
    data = _settings(folder)
    told = data.get("csv_file") or []
    names = [str(name) for name in ([told] if isinstance(told, str) else told)]
    roots = [folder, *(Path(str(data[key])) for key in ("data_dir",) if data.get(key))]
    files = [find_file(name, roots) for name in names] or _tables(folder)
    if lost := [path.name for path in files if not path.is_file()]:
        raise DataError(f"{len(lost)} tables of labels are missing: {listed(lost)}", where=folder)
    return join_labels([_read_view(path, roots) for path in files])


def _read_view(path: Path, roots: Sequence[Path]) -> Labels:
    table = read_table(path)
    tell_unique([table])
    individuals = tuple(name for name in table.individuals if name)
    skeleton = Skeleton(table.keypoints, individuals=individuals, unique=table.unique)
    return merge_images(labels_of(table, skeleton, roots))


def _settings(folder: Path) -> dict[str, Any]:
    """The section `data` of the folder's configuration, of whatever name; empty where there is none."""
    for path in sorted(folder.glob("*.y*ml")):
        try:
            data = read_settings(path).get("data")
        except FormatError:  # some other tool's file
            continue
        if isinstance(data, dict) and "csv_file" in data:
            return data
    return {}


def _tables(folder: Path) -> list[Path]:
    if (one := folder / "CollectedData.csv").is_file():
        return [one]
    files = sorted(folder.glob("CollectedData*.csv"))
    return [path for path in files if not path.stem.endswith(("_new", "_test"))]
