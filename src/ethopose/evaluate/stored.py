"""The rows of a result that belong to labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, Image, Poses, join_poses
from ethopose.evaluate.found import Found
from ethopose.evaluate.naming import frame_number, recording, without_suffix
from ethopose.media.images import ImageFolder
from ethopose.store import OK, Result


def found_in_result(result: Result, images: Sequence[Image], wanted: Int64[np.ndarray, "image"]) -> Found:
    """What a result holds for the images wanted that are frames of its video.

    A video is known by its path, else by its name: it may have been moved. Image files are known by the
    folder that has the video's name and by the number that their own name ends in (`clip/img0123.png` is
    frame 123 of `clip.mp4`); where the video is itself a folder of images, by their place in it.

    Raises:
        DataError: no image is of this video, or several recordings have its name.
    """
    video = Path(str(result.video["path"]))
    frames = (_of_folder if video.is_dir() else _of_video)(video, images, wanted)
    table = result.frames
    stored = dict(zip(table.frame.tolist(), table.status.tolist(), strict=True))
    known = {index: frame for index, frame in frames.items() if frame in stored}
    if not known:
        raise DataError(
            f"no labelled image is a frame of the result's video {video.name}",
            where=result.path,
            fix=_way_out([images[index] for index in wanted]),
        )
    unread = np.array([index for index, frame in known.items() if stored[frame] != OK], np.int64)
    seen = np.setdiff1d(list(known), unread)
    others = len(wanted) - len(known)
    note = f"{others} of {len(wanted)} labelled images are not in this result"
    return Found(_rows(result, known, seen), seen, unread, (note,) if others else ())


def _way_out(images: Sequence[Image]) -> str:
    if all(image.dataset is not None for image in images):
        return "the labels embed their pictures and tell no frame numbers: evaluate the model itself"
    names = sorted({recording(image) for image in images})
    return f"the labels are of {', '.join([*names[:5], *(['...'] if names[5:] else [])])}"


def _of_folder(folder: Path, images: Sequence[Image], wanted: Int64[np.ndarray, "image"]) -> dict[int, int]:
    place = {file.resolve(): number for number, file in enumerate(ImageFolder(folder).files)}
    found = {int(index): place.get(images[index].path.resolve()) for index in wanted}
    return {index: frame for index, frame in found.items() if frame is not None}


def _of_video(video: Path, images: Sequence[Image], wanted: Int64[np.ndarray, "image"]) -> dict[int, int]:
    same = [int(index) for index in wanted if images[index].path == video]
    if not same:
        named = [int(i) for i in wanted if recording(images[i]) == without_suffix(video.name)]
        sources = {_source(images[index]) for index in named}
        if len(sources) > 1:
            raise DataError(
                f"{len(sources)} labelled recordings are named {video.name}, and none lies at its path",
                where=video,
                fix="give the labels of this video alone",
            )
        same = named
    numbers = {index: frame_number(images[index]) for index in same}
    return {index: number for index, number in numbers.items() if number is not None}


def _source(image: Image) -> Path:
    """Where the recording lies, or the folder of its images."""
    return image.path if image.frame is not None else image.path.parent


def _rows(result: Result, frames: dict[int, int], seen: Int64[np.ndarray, "image"]) -> Poses:
    """The rows of the images seen, in their order; a frame that was labelled twice is there twice."""
    wanted = np.array([frames[int(index)] for index in seen], np.int64)
    parts = [part.poses[np.isin(part.poses.frame, wanted)] for part in result]
    poses = join_poses(parts, result.skeleton)
    first, last = np.searchsorted(poses.frame, wanted), np.searchsorted(poses.frame, wanted, side="right")
    rows = np.concatenate([np.empty(0, np.int64), *map(np.arange, first, last)])
    xy = poses.xy[rows] - np.float32(result.manifest.pixel_origin)
    return replace(poses[rows], frame=np.repeat(seen, last - first), xy=xy)
