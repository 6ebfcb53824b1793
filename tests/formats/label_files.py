"""Label files of other tools, written plainly, for the readers to read."""

import csv
import json
import pickle
from pathlib import Path

import cv2
import h5py
import numpy as np
import yaml

KEYPOINTS = ("nose", "left_ear", "right_ear", "tail")
SIZE = (40, 60)  # height and width of the pictures


def write_pictures(folder: Path, names: list[str], size: tuple[int, int] = SIZE) -> None:
    """Pictures of different contents, one a name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        noise = np.random.default_rng(list(name.encode())).integers(0, 255, (*size, 3), np.uint8)
        assert cv2.imwrite(str(folder / name), noise)


def points(n: int, animals: int = 1, keypoints: int = 4, seed: int = 0) -> np.ndarray:
    """(image, animal, keypoint, 2) inside the pictures."""
    return np.random.default_rng(seed).uniform(1, 38, (n, animals, keypoints, 2)).round(3)


def columns(individuals: tuple[str, ...], keypoints: tuple[str, ...]) -> list[tuple[str, ...]]:
    """DeepLabCut's columns; no individuals: three levels."""
    named = [(name,) for name in individuals] or [()]
    return [("ann", *name, keypoint, axis) for name in named for keypoint in keypoints for axis in "xy"]


def write_csv(
    path: Path, rows: list[tuple[str, ...]], header: list[tuple[str, ...]], values: np.ndarray
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = (
        ["scorer", "individuals", "bodyparts", "coords"]
        if len(header[0]) == 4
        else ["scorer", "bodyparts", "coords"]
    )
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for number, level in enumerate(levels):
            writer.writerow([level, *[""] * (len(rows[0]) - 1), *(column[number] for column in header)])
        for row, numbers in zip(rows, values.reshape(len(rows), -1), strict=True):
            writer.writerow([*row, *("" if np.isnan(number) else repr(float(number)) for number in numbers)])


def write_h5(
    path: Path, rows: list[tuple[str, ...]], header: list[tuple[str, ...]], values: np.ndarray
) -> None:
    """The "fixed" layout of pandas 3.1 through PyTables 3.11, as far as it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs.update({"pandas_type": np.bytes_("frame"), "nblocks": 1})
        for axis, names in (("axis0", header), ("axis1", rows), ("block0_items", header)):
            if len(names[0]) == 1:
                group[axis] = np.array([name[0].encode() for name in names])
                continue
            group.attrs[f"{axis}_nlevels"] = len(names[0])
            for level, labels in enumerate(zip(*names, strict=True)):
                values_of_level = sorted(set(labels))
                group[f"{axis}_level{level}"] = np.array([label.encode() for label in values_of_level])
                codes = [values_of_level.index(label) for label in labels]
                group[f"{axis}_label{level}"] = np.array(codes, np.int8)
        group["block0_values"] = values.reshape(len(rows), -1)


def write_project(
    folder: Path, videos: dict[str, int], multi: tuple[str, ...] = (), **settings: object
) -> Path:
    """A DeepLabCut project with this many labelled pictures a video, in .h5 and .csv."""
    keys = {"multianimalbodyparts": list(KEYPOINTS), "bodyparts": "MULTI!", "individuals": list(multi)}
    config = {
        "scorer": "ann",
        "multianimalproject": bool(multi),
        "project_path": "/gone/since/long",
        "video_sets": {f"C:\\data\\videos\\{video}.avi": {"crop": "0, 60, 0, 40"} for video in videos},
        "skeleton": [["nose", "tail"], ["nose", "nobody"]],
        "TrainingFraction": [0.8],
        "iteration": 0,
        **(keys if multi else {"bodyparts": list(KEYPOINTS)}),
        **settings,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for seed, (video, n) in enumerate(videos.items()):
        names = [f"img{number:03d}.png" for number in range(n)]
        write_pictures(folder / "labeled-data" / video, names)
        rows = [("labeled-data", video, name) for name in names]
        header = columns(multi, KEYPOINTS)
        values = points(n, max(len(multi), 1), seed=seed)
        write_h5(folder / "labeled-data" / video / "CollectedData_ann.h5", rows, header, values)
        write_csv(folder / "labeled-data" / video / "CollectedData_ann.csv", rows, header, values)
    return folder


def write_shuffle(
    folder: Path, rows: list[tuple[str, ...]], train: list[int], test: list[int], number: int = 1
) -> Path:
    """A stored shuffle whose numbers count in `rows`."""
    sets = folder / "training-datasets" / "iteration-0" / "UnaugmentedDataSet_miceOct30"
    write_h5(sets / "CollectedData_ann.h5", rows, columns((), KEYPOINTS), points(len(rows)))
    path = sets / f"Documentation_data-mice_80shuffle{number}.pickle"
    path.write_bytes(pickle.dumps([[{"image": rows[0]}], np.array(train), np.array(test), 0.8]))
    return path


def write_coco(folder: Path, splits: dict[str, int], **image: object) -> Path:
    """A COCO project of two animals an image; in the second, keypoint 1 is occluded and 2 is not labelled."""
    category = {"id": 1, "name": "mouse", "keypoints": list(KEYPOINTS), "skeleton": [[1, 4]]}
    for seed, (split, n) in enumerate(splits.items()):
        names = [f"{split}{number}.png" for number in range(n)]
        write_pictures(folder / "images", names)
        images = [
            {"id": number + 7, "file_name": name, "height": SIZE[0], "width": SIZE[1], **image}
            for number, name in enumerate(names)
        ]
        annotations = []
        for number, animals in enumerate(points(n, 2, seed=seed)):
            for animal, flags in zip(animals, ([2, 2, 2, 2], [2, 1, 0, 2]), strict=True):
                keypoints = np.column_stack([animal, flags]).reshape(-1).tolist()
                annotations.append({"image_id": number + 7, "category_id": 1, "keypoints": keypoints})
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        content = {"images": images, "annotations": annotations, "categories": [category]}
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
    return folder
