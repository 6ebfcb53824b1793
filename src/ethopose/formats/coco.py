"""COCO keypoints as labels.

COCO counts pixels from 0 at the top left and its keypoints name pixels (whole numbers up to width - 1;
Detectron2 adds 0.5 to reach corners), so that the centre of the top left pixel is (0, 0) and nothing is
shifted. Flags: 0 not labelled, 1 occluded, 2 visible, and DeepLabCut's -1, not defined for this data set.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ethopose.core import DataError, Image, Labels, Skeleton
from ethopose.formats.format import reading
from ethopose.formats.label_images import Placed, find_file, image_name, make_labels
from ethopose.formats.label_joining import join_labels, merge_images
from ethopose.media import picture_size

_SPLITS = ("train", "val", "test")
_OCCLUDED, _VISIBLE = 1, 2


def recognises(path: Path) -> bool:
    """Whether a path is a project with `annotations/train.json` and the like, or one .json file."""
    return path.suffix == ".json" if path.is_file() else bool(_files(path))


def read(path: Path) -> Labels:
    """The labels of one file, or of a project, whose files are its splits.

    Images are looked for by their relative names below `images`, absolute names are taken as they are.

    Raises:
        FormatError: no COCO keypoints, or damaged. DataError: an image lies in two splits, or has not the
            size that its labels were placed at.
    """
    if path.is_file():
        beside = path.absolute().parent
        return _read_file(path, [beside / "images", beside.parent / "images", beside, beside.parent])
    several = []
    for name, file in _files(path).items():
        labels = _read_file(file, [path / "images", path])
        several.append(replace(labels, splits={name: np.arange(len(labels.images))}))
    joined = join_labels(several)
    members = np.concatenate(list(joined.splits.values()))
    values, counts = np.unique(members, return_counts=True)
    if (shared := values[counts > 1]).size:
        name = image_name(joined.images[shared[0]])
        raise DataError(f"{len(shared)} images lie in two splits, {name} is one", where=path)
    return joined


def _files(folder: Path) -> dict[str, Path]:
    files = {name: folder / "annotations" / f"{name}.json" for name in _SPLITS}
    return {name: file for name, file in files.items() if file.is_file()}


def _read_file(path: Path, roots: Sequence[Path]) -> Labels:
    with reading(path, "COCO"):
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or (lacks := {"images", "annotations", "categories"} - set(content)):
            raise DataError(f"it lacks {', '.join(sorted(lacks)) if isinstance(content, dict) else 'images'}")
        skeleton = _skeleton(content["categories"])
        place = {image["id"]: index for index, image in enumerate(content["images"])}
        images = [_image(str(image["file_name"]), roots) for image in content["images"]]
        labels = make_labels(
            images, skeleton, _placed(content["annotations"], place, len(skeleton.keypoints))
        )
    for told, image in zip(content["images"], images, strict=True):
        _check_size(told, image)
    return merge_images(labels)


def _skeleton(categories: list[dict[str, Any]]) -> Skeleton:
    found = [category for category in categories if category.get("keypoints")]
    if not found:
        raise DataError("its categories name no keypoints")
    if any(category["keypoints"] != found[0]["keypoints"] for category in found):
        raise DataError("its categories have different keypoints, and one skeleton is read")
    keypoints = tuple(map(str, found[0]["keypoints"]))
    edges = [(int(one), int(two)) for one, two in found[0].get("skeleton") or []]
    first = 0 if any(0 in edge for edge in edges) else 1  # COCO counts keypoints from 1, some writers from 0
    pairs = tuple(dict.fromkeys((one - first, two - first) for one, two in edges))
    return Skeleton(keypoints, pairs, name=str(found[0].get("name") or "animal"))


def _image(name: str, roots: Sequence[Path]) -> Image:
    path = find_file(name, roots)
    return Image(path, video=path.parent.name)


def _placed(annotations: list[dict[str, Any]], place: dict[Any, int], n_keypoints: int) -> Placed:
    told = [each for each in annotations if each.get("keypoints") and not each.get("iscrowd")]
    points = np.array([each["keypoints"] for each in told], np.float64).reshape(len(told), n_keypoints, 3)
    flag = points[..., 2]
    xy = np.where((flag >= _OCCLUDED)[..., None], points[..., :2], np.nan)
    image = np.array([place[each["image_id"]] for each in told], np.int64)
    return Placed(image, xy, np.full(len(told), -1), flag == _OCCLUDED)


def _check_size(told: dict[str, Any], image: Image) -> None:
    size = picture_size(image)
    wanted = told.get("height"), told.get("width")
    if size is None or None in wanted or size == wanted:
        return
    factor = size[1] / float(wanted[1] or 1)
    raise DataError(
        f"labels were placed at {wanted[1]} x {wanted[0]} px, "
        f"the image has {size[1]} x {size[0]} ({factor:.3g} times)",
        where=image.path,
        fix="put the images back as they were labelled",
    )
