"""What people call a labelled image, and which frame of which recording it is."""

from __future__ import annotations

import re
from pathlib import Path

from ethopose.core import Image
from ethopose.media import VIDEO_SUFFIXES


def short_name(image: Image) -> str:
    """Short and told apart from others: `m4s1/img0044.png`, or `clip.mp4#123` for a frame of a video."""
    if image.frame is not None:
        return f"{image.video or image.path.name}#{image.frame}"
    return "/".join(image.path.parts[-2:])


def file_name(image: Image) -> str:
    """The same without what files cannot be called, and without a suffix: `m4s1_img0044`."""
    name = short_name(image)
    return re.sub(r"[^\w.-]+", "_", name.rsplit(".", 1)[0] if "#" not in name else name)


def recording(image: Image) -> str:
    """The recording's name without a suffix: the video's, or that of the folder that its images lie in."""
    if image.video or image.frame is not None:
        return without_suffix(Path(image.video or image.path).name)
    return image.path.absolute().parent.name


def frame_number(image: Image) -> int | None:
    """Which frame of its recording: for an image file the number that its name ends in, as DeepLabCut writes.

    None where nothing tells: a picture that a file of labels embeds is counted in that file.
    """
    if image.dataset is not None:
        return None
    if image.frame is not None:
        return image.frame
    number = re.search(r"\d+$", image.path.stem)
    return int(number[0]) if number else None


def without_suffix(name: str) -> str:
    """A video's name as folders of its images are called; `day.1` stays as it is."""
    return Path(name).stem if Path(name).suffix.lower() in VIDEO_SUFFIXES else name
