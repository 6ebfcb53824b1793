"""Labels of any tool: the menu of what can be read, and labels as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ethopose.core import DataError, FormatError, Labels
from ethopose.formats import coco, dlc_labels, lp_labels, slp_labels
from ethopose.formats.label_images import drop_missing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of labels: how it is recognised and read."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Labels]


# in the order in which they are tried
SOURCES = (
    Source("a SLEAP .slp or .pkg.slp", slp_labels.recognises, slp_labels.read),
    Source("a COCO project (annotations/train.json) or .json", coco.recognises, coco.read),
    Source(
        "a Lightning Pose folder with CollectedData.csv", lp_labels.recognises_folder, lp_labels.read_folder
    ),
    Source("a CollectedData .csv or .h5", lp_labels.recognises_table, lp_labels.read_one_table),
)
_PROJECT = "a DeepLabCut project or its config.yaml"


def read_labels(
    path: Path | str,
    *,
    shuffle: int | str | None = None,
    missing_images: Literal["skip", "keep"] = "skip",
    unique: bool = False,
) -> Labels:
    """The labels at a path, whatever tool made them, recognised by what is there.

    Coordinates are px of the image, the centre of its top left pixel at (0, 0). `shuffle` names the stored
    split of a DeepLabCut project (None: the first, 0: none), by its number, or by the folders that a model of
    it lies in. Images that are missing on this machine are left out with a warning, or kept as they are told;
    whether pictures can be read is for `check_labels` to say. `unique` takes the keypoints of a DeepLabCut
    project that belong to no animal along, in rows of their own; else they are put aside with a warning.

    Raises:
        FormatError: nothing that is understood, or damaged. DataError: labels that contradict themselves,
            no labels, no images.
    """
    path = Path(path)
    if not path.exists():
        raise FormatError("there are no such labels", where=path, fix="check the path")
    if dlc_labels.recognises_project(path):
        labels = dlc_labels.read_project(path, shuffle, unique=unique)
    else:
        source = next((source for source in SOURCES if source.recognises(path)), None)
        if source is None:
            known = "; ".join((_PROJECT, *(source.name for source in SOURCES)))
            raise FormatError("no labels that are understood", where=path, fix=f"name one of: {known}")
        if shuffle and not isinstance(shuffle, str):
            raise DataError(
                "only DeepLabCut projects store shuffles", where=path, fix="leave out the shuffle"
            )
        labels = source.read(path)
    if not len(labels.poses):
        raise DataError(f"no labels: none of {len(labels.images)} images has a point", where=path)
    return drop_missing(labels) if missing_images == "skip" else labels


def to_pandas(labels: Labels, split: str | None = None) -> "pd.DataFrame":
    """The labels as a table, a row for each animal in an image, of one split or of all images.

    Columns: image (path), frame (in a video, else empty), video, individual (name or empty), and for each
    keypoint NAME.x and NAME.y in px (NaN: absent) and NAME.visibility (0 absent, 1 occluded, 2 visible).

    Raises:
        DataError: there is no such split.
    """
    import pandas as pd

    if split is not None and split not in labels.splits:
        raise DataError(f"there is no split {split!r}", fix=f"choose from {sorted(labels.splits)}")
    wanted = np.arange(len(labels.images)) if split is None else labels.splits[split]
    rows = np.isin(labels.poses.frame, wanted)
    poses, images = labels.poses[rows], [labels.images[index] for index in labels.poses.frame[rows]]
    names = (*labels.poses.skeleton.individuals, None)
    columns = {
        "image": [image.path.as_posix() for image in images],
        "frame": pd.array([image.frame for image in images], dtype="Int64"),
        "video": [image.video for image in images],
        "individual": [names[number] for number in poses.individual],
    }
    for number, keypoint in enumerate(labels.poses.skeleton.keypoints):
        columns[f"{keypoint}.x"], columns[f"{keypoint}.y"] = poses.xy[:, number].T
        columns[f"{keypoint}.visibility"] = labels.visibility[rows, number]
    return pd.DataFrame(columns)
