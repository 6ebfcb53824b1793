"""Tables of labels as DeepLabCut lays them out and Lightning Pose took over: `CollectedData`, .h5 or .csv.

Rows are images, columns scorer / [individuals] / bodyparts / coords. People placed the points by clicking
in a picture whose pixel centres lie at whole numbers (matplotlib, napari), so that the centre of the top
left pixel is (0, 0), as in ethopose; nothing is shifted.
"""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from ethopose.core import DataError, FormatError, Image, Labels, Skeleton
from ethopose.formats.dlc_cells import UNIQUE
from ethopose.formats.format import reading
from ethopose.formats.label_images import Placed, find_file, listed, make_labels
from ethopose.formats.pandas_hdf5 import NumberTable, read_hdf

logger = logging.getLogger(__name__)
_OCCLUDED, _IGNORED = 1, 0  # Lightning Pose's third coordinate, `visible`


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The labels of one file, with the names that it uses."""

    path: Path
    images: tuple[str, ...]
    individuals: tuple[str, ...]  # ("",) where the table tells of one animal
    keypoints: tuple[str, ...]
    unique: tuple[str, ...]
    xy: Float64[np.ndarray, "image individual keypoint 2"]  # px, NaN: not placed
    occluded: Bool[np.ndarray, "image individual keypoint"]
    apart: Float64[np.ndarray, "image unique 2"]  # of the unique keypoints, which `xy` does not hold


def read_table(path: Path) -> LabelTable:
    """A file of labels by its suffix.

    Raises:
        FormatError: damaged, or no such table.
    """
    kind = "label"
    with reading(path, kind):
        if path.suffix == ".csv":
            return _sorted_out(path, _read_csv(path))
        try:
            return _sorted_out(path, read_hdf(path))
        except OSError as error:  # HDF5 tells its own stack
            raise DataError("damaged or no HDF5") from error


def read_either(files: Sequence[Path]) -> LabelTable:
    """The first of these files that can be read; a warning tells of those that could not.

    Raises:
        FormatError: none of them can.
    """
    for number, path in enumerate(files):
        try:
            return read_table(path)
        except FormatError as error:
            if number == len(files) - 1:
                raise
            logger.warning("%s; %s is read instead", error, files[number + 1].name)
    raise FormatError("no file of labels was named")


def tell_unique(tables: Sequence[LabelTable]) -> None:
    """Warn of points that belong to no animal, where the skeleton to come has none of them."""
    if n_points := sum(int(np.isfinite(table.apart).all(-1).sum()) for table in tables):
        names = listed(list(dict.fromkeys(name for table in tables for name in table.unique)))
        logger.warning(
            "%d points on unique keypoints (%s) are put aside: they are not trained", n_points, names
        )


def labels_of(table: LabelTable, skeleton: Skeleton, roots: Sequence[Path]) -> Labels:
    """The labels of a table in the words of a skeleton; its images are looked for below `roots`.

    Keypoints of the skeleton that the table lacks are absent; those that belong to no animal have a row of
    their own in each image. `Image.video` is the images' folder.

    Raises:
        FormatError: table and skeleton share no keypoint, or a coordinate makes no sense.
    """
    n_images, n_animals = len(table.images), len(table.individuals)
    shared = [name for name in skeleton.keypoints if name in table.keypoints]
    if not shared:
        raise FormatError(
            f"it labels {', '.join(table.keypoints)}, wanted {', '.join(skeleton.keypoints)}",
            where=table.path,
        )
    to = [skeleton.keypoints.index(name) for name in shared]
    source = [table.keypoints.index(name) for name in shared]
    xy = np.full((n_images * n_animals, len(skeleton.keypoints), 2), np.nan)
    occluded = np.zeros(xy.shape[:2], bool)
    count = len(table.keypoints)
    xy[:, to] = table.xy.reshape(len(xy), count, 2)[:, source]
    occluded[:, to] = table.occluded.reshape(len(xy), count)[:, source]
    names = skeleton.individuals
    individual = [names.index(name) if name in names else -1 for name in table.individuals]
    paths = [find_file(name, roots) for name in table.images]
    images = [Image(path, video=path.parent.name) for path in paths]
    image = np.repeat(np.arange(n_images), n_animals)
    alone = np.full((n_images, *xy.shape[1:]), np.nan)
    for number, name in enumerate(table.unique):
        if name in skeleton.keypoints:
            alone[:, skeleton.keypoints.index(name)] = table.apart[:, number]
    placed = Placed(
        np.concatenate((image, np.arange(n_images))),
        np.concatenate((xy, alone)),
        np.concatenate((np.tile(individual, n_images), np.full(n_images, -1))),
        np.concatenate((occluded, np.zeros(alone.shape[:2], bool))),
    )
    try:
        return make_labels(images, skeleton, placed)
    except DataError as error:
        raise FormatError(error.what, where=table.path) from error


def _read_csv(path: Path) -> NumberTable:
    """Header rows end with `coords`; rows of images are named by one cell, or by one for each folder."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if any(line)]
    except csv.Error as error:
        raise DataError(str(error)) from error
    end = next((n for n, line in enumerate(lines[:5]) if line[0] == "coords"), None)
    if end is None or lines[0][0] != "scorer":
        raise DataError("its first rows are not scorer, bodyparts, coords")
    header, body = lines[: end + 1], lines[end + 1 :]
    n_names = next((n for n, cell in enumerate(header[-1]) if n and cell), len(header[-1]))
    columns = list(zip(*(line[n_names:] for line in header), strict=True))
    if any(len(line) != n_names + len(columns) for line in body):
        raise DataError("rows differ in length")
    # a row without numbers and without an image is where pandas writes the names of the index
    body = [line for line in body if any(line[n_names:]) or "." in line[n_names - 1]]
    values = np.array([[float(cell or "nan") for cell in line[n_names:]] for line in body], np.float64)
    names = [tuple(line[:n_names]) for line in body]
    return NumberTable(names, columns, values.reshape(len(body), len(columns)))


def _sorted_out(path: Path, table: NumberTable) -> LabelTable:
    """The columns by individual, keypoint and coordinate."""
    if {len(column) for column in table.columns} - {3, 4}:
        raise DataError("its columns are not scorer, [individuals], bodyparts, coords")
    if len(scorers := {column[0] for column in table.columns}) != 1:
        raise DataError(f"it holds labels of {len(scorers)} scorers ({', '.join(sorted(scorers))})")
    columns = [(column[1] if len(column) == 4 else "", *column[-2:]) for column in table.columns]
    animals = [column for column in columns if column[0] != UNIQUE] or columns
    individuals = tuple(dict.fromkeys(column[0] for column in animals))
    keypoints = tuple(dict.fromkeys(column[1] for column in animals))
    unique = tuple(dict.fromkeys(column[1] for column in columns if column not in animals))
    shape = (len(table.rows), len(individuals), len(keypoints))
    cells = {name: np.full(shape, np.nan) for name in ("x", "y", "visible")}
    apart = np.full((len(table.rows), len(unique), 2), np.nan)
    for number, column in enumerate(columns):
        individual, keypoint, coordinate = column
        if column not in animals:
            if coordinate in ("x", "y"):
                apart[:, unique.index(keypoint), "xy".index(coordinate)] = table.values[:, number]
        elif coordinate in cells:
            place = individuals.index(individual), keypoints.index(keypoint)
            cells[coordinate][:, *place] = table.values[:, number]
    xy = np.stack([cells["x"], cells["y"]], axis=-1)
    xy[cells["visible"] == _IGNORED] = np.nan
    images = tuple("/".join(part for part in row if part) for row in table.rows)
    occluded = cells["visible"] == _OCCLUDED
    return LabelTable(path, images, individuals, keypoints, unique, xy, occluded, apart)
