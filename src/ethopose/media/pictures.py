"""The pictures of labelled images, wherever they lie: files, frames of videos, embedded in HDF5."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ethopose.core import Image, VideoError
from ethopose.media.find import open_video
from ethopose.media.images import decode_image, read_image
from ethopose.media.video import OK, Video

if TYPE_CHECKING:
    import h5py

logger = logging.getLogger(__name__)
_AT_ONCE = 64  # pictures held in memory, so that each video is read in its own order
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
_ORIENTATION = 0x0112


def read_pictures(images: Sequence[Image]) -> Iterator[UInt8[np.ndarray, "height width 3"] | None]:
    """The pictures in the order asked for, upright RGB; None where one cannot be read.

    Each video is opened once and, 64 pictures at a time, decoded in ascending order. Frames count as
    in `Video`. A video or file that cannot be opened at all is told in a warning.
    """
    videos: dict[Path, Video | None] = {}
    for start in range(0, len(images), _AT_ONCE):
        some = images[start : start + _AT_ONCE]
        read: dict[Image, np.ndarray | None] = {}
        for path in dict.fromkeys(image.path for image in some):
            mine = list(dict.fromkeys(image for image in some if image.path == path))
            if mine[0].dataset is not None:
                read.update(_embedded(path, mine))
            elif mine[0].frame is not None:
                read.update(_filmed(path, mine, videos))
            read.update({image: read_image(path) for image in mine if image.frame is None})
        for image in some:
            yield read.get(image)


def picture_size(image: Image) -> tuple[int, int] | None:
    """(height, width) in px of an upright image file from its header; None where that does not tell.

    Frames of videos and embedded pictures are not looked up.
    """
    import PIL.Image

    if image.frame is not None:
        return None
    try:
        with PIL.Image.open(image.path) as header:
            width, height = header.size
            turned = header.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return None
    return (width, height) if turned else (height, width)


def _filmed(
    path: Path, images: Sequence[Image], videos: dict[Path, Video | None]
) -> dict[Image, np.ndarray | None]:
    if path not in videos:
        videos[path] = _opened(path)
    video = videos[path]
    if video is None:
        return {}
    by_frame = {image.frame: image for image in images if image.frame is not None}
    frames = np.array(sorted(frame for frame in by_frame if 0 <= frame < len(video)), np.int64)
    found: dict[Image, np.ndarray | None] = {}
    for block in video.blocks(frames, 1):
        for frame, picture, status in zip(block.frame, block.image, block.status, strict=True):
            found[by_frame[int(frame)]] = picture if status == OK else None
    return found


def _opened(path: Path) -> Video | None:
    try:
        return open_video(path)
    except VideoError as error:
        logger.warning("%s", error)
        return None


def _embedded(path: Path, images: Sequence[Image]) -> dict[Image, np.ndarray | None]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return {image: _from_hdf5(file, image) for image in images}
    except OSError as error:
        logger.warning("%s cannot be opened (%s)", path, error)
        return {}


def _from_hdf5(file: h5py.File, image: Image) -> UInt8[np.ndarray, "height width 3"] | None:
    """A row of a dataset: encoded bytes (a list of any lengths, or padded to one), or raw pixels."""
    import h5py

    dataset = file.get(image.dataset)
    plain = isinstance(dataset, h5py.Dataset) and not dataset.external and not dataset.is_virtual
    # a link may lead into another file, which is nobody's picture
    if not plain or dataset.file.filename != file.filename or not 0 <= (image.frame or 0) < len(dataset):
        return None
    try:
        row = np.asarray(dataset[image.frame or 0])
    except OSError:
        return None
    if row.ndim == 3:
        fits = row.dtype == np.uint8 and row.shape[2] in (1, 3)
        return np.broadcast_to(row, (*row.shape[:2], 3)) if fits else None
    if row.ndim != 1 or row.dtype.kind not in "iu":
        return None
    picture = decode_image(row.astype(np.uint8).tobytes())
    # "BGR": SLEAP gave RGB to an encoder that took it for BGR, so the file's red is blue
    exchanged = str(dataset.attrs.get("channel_order", "BGR")) == "BGR"
    return picture[..., ::-1] if exchanged and picture is not None else picture
