"""Labels against their pictures: what cannot be right is mended or refused, by name."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from ethopose.core import DataError, Image, Labels
from ethopose.core.labels import ABSENT
from ethopose.formats.label_images import drop_images, image_name, listed
from ethopose.media import read_pictures

logger = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]
_CLIPPED_PX = 1.0
_MANY_OUTSIDE = 0.2  # of a recording's points: no slip of the hand, the picture was rescaled


def look_at(
    images: Sequence[Image], progress: Progress | None = None
) -> tuple[Int64[np.ndarray, "image 2"], list[bytes]]:
    """The (height, width) in px of each picture, (0, 0) where it cannot be read, and a digest of its pixels,
    by which copies are known."""
    sizes, digests = np.zeros((len(images), 2), np.int64), []
    for number, picture in enumerate(read_pictures(images)):
        if picture is not None:
            sizes[number] = picture.shape[:2]
        digests.append(hashlib.blake2b(b"" if picture is None else picture.tobytes()).digest())
        if progress is not None:
            progress("looking at labelled images", number + 1, len(images))
    return sizes, digests


def check_labels(
    labels: Labels, sizes: Int64[np.ndarray, "image 2"]
) -> tuple[Labels, Int64[np.ndarray, "image 2"]]:
    """Labels fit for training, and the (height, width) in px of each of their pictures.

    `sizes` are those of all pictures (`look_at`), (0, 0) where one cannot be read. A picture
    reaches from -0.5 to its size less 0.5. Points less than 1 px outside are put on its
    edge, others are hidden, animals left without a point are left out. Warnings tell of these, of images
    that cannot be read (left out), images without animals (kept: empty scenes), keypoints that are never
    labelled, pictures of several sizes, and a single image.

    Raises:
        DataError: no label or no readable image is left, or a fifth of a recording's points lie outside
            its pictures, which must have been rescaled; the factor is told.
    """
    unreadable = (sizes == 0).any(axis=1)
    labels, sizes = drop_images(labels, unreadable, "cannot be read"), sizes[~unreadable]
    _refuse_rescaled(labels, sizes)
    labels = _inside(labels, sizes)
    if not len(labels.poses):
        raise DataError(f"none of the {len(labels.images)} images carries a label", fix="label some frames")
    _tell(labels, sizes)
    return labels, sizes


def _beyond(labels: Labels, sizes: Int64[np.ndarray, "image 2"]) -> Float32[np.ndarray, "instance keypoint"]:
    """How many px a point lies outside its picture; 0 inside and where there is none."""
    edge = sizes[labels.poses.frame][:, None, ::-1] - 0.5
    beyond = np.maximum(-0.5 - labels.poses.xy, labels.poses.xy - edge).max(axis=-1)
    return np.asarray(np.nan_to_num(np.maximum(beyond, 0)), np.float32)


def _refuse_rescaled(labels: Labels, sizes: Int64[np.ndarray, "image 2"]) -> None:
    outside = _beyond(labels, sizes) > _CLIPPED_PX
    placed = labels.visibility != ABSENT
    videos = np.array([image.video for image in labels.images])[labels.poses.frame]
    for video in np.unique(videos):
        rows = videos == video
        if outside[rows].sum() > _MANY_OUTSIDE * placed[rows].sum():
            image = labels.images[labels.poses.frame[rows][0]]
            reach = (labels.poses.xy[rows] + 0.5) / sizes[labels.poses.frame[rows]][:, None, ::-1]
            share = outside[rows].sum() / placed[rows].sum()
            raise DataError(
                f"{share:.0%} of the points of {video or 'the images'} lie outside its pictures and reach "
                f"{np.nanmax(reach):.2f} times as far: the pictures were made smaller after labelling, "
                f"by {np.nanmax(reach):.2f} or more",
                where=image_name(image),
                fix="use the pictures of the size that was labelled, or divide the labels by that factor",
            )


def _inside(labels: Labels, sizes: Int64[np.ndarray, "image 2"]) -> Labels:
    beyond = _beyond(labels, sizes)
    hidden = beyond >= _CLIPPED_PX
    if hidden.any():
        names = _where(labels, hidden)
        logger.warning("%d points lie outside their pictures and are hidden: %s", hidden.sum(), names)
    edge = np.broadcast_to(sizes[labels.poses.frame][:, None, ::-1] - 0.5, labels.poses.xy.shape)
    xy = np.where(hidden[..., None], np.nan, np.clip(labels.poses.xy, -0.5, edge)).astype(np.float32)
    visibility = np.where(hidden, ABSENT, labels.visibility).astype(np.uint8)
    confidence = np.where(hidden, np.nan, labels.poses.confidence).astype(np.float32)
    left = (visibility != ABSENT).any(axis=1)
    poses = replace(labels.poses, xy=xy, confidence=confidence)[left]
    return replace(labels, poses=poses, visibility=visibility[left])


def _where(labels: Labels, points: Bool[np.ndarray, "instance keypoint"]) -> str:
    names = labels.poses.skeleton.keypoints
    rows = np.argwhere(points)
    return listed([f"{names[k]} in {image_name(labels.images[labels.poses.frame[n]])}" for n, k in rows])


def _tell(labels: Labels, sizes: Int64[np.ndarray, "image 2"]) -> None:
    never = (labels.visibility == ABSENT).all(axis=0)
    if never.any():
        names = [
            name for name, is_never in zip(labels.poses.skeleton.keypoints, never, strict=True) if is_never
        ]
        logger.warning("%d keypoints are never labelled: %s", len(names), ", ".join(names))
    empty = np.setdiff1d(np.arange(len(labels.images)), labels.poses.frame)
    if len(empty):
        names = [image_name(labels.images[index]) for index in empty]
        logger.warning("%d images carry no label and count as empty scenes: %s", len(empty), listed(names))
    kinds = Counter(f"{width} x {height}" for height, width in sizes.tolist())
    if len(kinds) > 1:
        told = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(4))
        logger.warning("pictures are of %d sizes: %s", len(kinds), told)
    if len(labels.images) == 1:
        logger.warning("there is one labelled image: a model can only learn that one by heart")
