"""From paths that a user gives to videos."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from ethopose.core import UsageError, VideoError
from ethopose.media.file import VideoFile
from ethopose.media.images import IMAGE_SUFFIXES, ImageFolder
from ethopose.media.packets import announced_frames
from ethopose.media.video import Caution, Video

# fmt: off
LABELLED = ".labelled.mp4"  # what `ethopose render` writes: no recording
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts",
    ".wmv", ".flv", ".3gp", ".ogv", ".mjpeg", ".h264", ".hevc",
)
# fmt: on
# What tools draw beside recordings: ours; DeepLabCut's labelled, id-coloured and all-detections videos;
# Lightning Pose's labelled videos and snippets; SLEAP's renderings.
DRAWN = re.compile(
    r"\.labelled\.mp4$|(DLC|DeepCut).*(_labeled|_full|_id|_bp)[^/]*\.mp4$|_labeled(_\w+)?\.(mp4|avi)$"
    r"|\.short\.mp4$|\.slp\.(mp4|avi)$|\.predictions\.\w+\.(mp4|avi)$",
    re.IGNORECASE,
)


def is_drawn(path: Path) -> bool:
    """Whether a file is named like those that ethopose and other tools draw."""
    return DRAWN.search(path.name) is not None


def open_video(path: Path | str, *, threads: int = 1, caution: Caution | None = None) -> Video:
    """A video file, or a folder of images as a video; `threads` decode each file (same frames for any).

    Raises VideoError where it is missing, no video, holds no frames or none that decodes.
    """
    path = Path(path)
    if path.is_dir():
        return ImageFolder(path, caution)
    if not path.is_file():
        raise VideoError("there is no such video", where=path, fix="check the path")
    return VideoFile(path, threads, caution)


def glance(path: Path) -> int:
    """How many frames a video announces, without reading it: its first frame is decoded, the rest believed.

    Raises VideoError where it is missing, no video, or its first frames do not decode.
    """
    if path.is_dir():
        return len(ImageFolder(path))
    if not path.is_file():
        raise VideoError("there is no such video", where=path, fix="check the path")
    return announced_frames(path)


def find_videos(paths: Iterable[Path | str], *, match: str = "*", types: Sequence[str] = ()) -> list[Path]:
    """The videos that `paths` mean, each once: files and folders of images as given, else a folder's videos.

    Of a folder those count whose name is like `match` and ends in one of `types` (any that a video may have,
    if there are none); what ethopose and other tools draw is no recording and left out.

    Raises UsageError for a path that is missing, VideoError for a folder that holds neither videos nor
    images, or for no path.
    """
    endings = tuple(f".{kind.lower().lstrip('.')}" for kind in types) or VIDEO_SUFFIXES
    found = list(dict.fromkeys(video for path in paths for video in _videos_of(Path(path), match, endings)))
    if not found:
        raise VideoError("no video was named", fix="name video files, or folders of videos or images")
    return found


def _videos_of(path: Path, match: str, endings: tuple[str, ...]) -> list[Path]:
    if not path.exists():
        raise UsageError("there is no such video", where=path, fix="check the path")
    if not path.is_dir():
        return [path]
    files = [f for f in sorted(path.iterdir()) if f.is_file() and not f.name.startswith(".")]
    videos = [file for file in files if file.suffix.lower() in endings and not is_drawn(file)]
    if chosen := [file for file in videos if fnmatch(file.name, match)]:
        return chosen
    if videos:
        raise VideoError(f"none of its {len(videos)} videos is named like {match}", where=path)
    if any(file.suffix.lower() in IMAGE_SUFFIXES for file in files):
        return [path]
    known = " ".join(endings)
    raise VideoError("the folder holds neither videos nor images", where=path, fix=f"videos end in {known}")
