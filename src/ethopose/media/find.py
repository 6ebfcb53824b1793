"""From paths that a user gives to videos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ethopose.core import UsageError, VideoError
from ethopose.media.file import VideoFile
from ethopose.media.images import IMAGE_SUFFIXES, ImageFolder
from ethopose.media.video import Video

# fmt: off
LABELLED = ".labelled.mp4"  # what `ethopose render` writes: no recording
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts",
    ".wmv", ".flv", ".3gp", ".ogv", ".mjpeg", ".h264", ".hevc",
)
# fmt: on


def open_video(path: Path | str, *, threads: int = 1) -> Video:
    """A video file, or a folder of images as a video; `threads` decode each file (same frames for any).

    Raises VideoError where it is missing, no video, holds no frames or none that decodes.
    """
    path = Path(path)
    if path.is_dir():
        return ImageFolder(path)
    if not path.is_file():
        raise VideoError("there is no such video", where=path, fix="check the path")
    return VideoFile(path, threads)


def find_videos(paths: Iterable[Path | str]) -> list[Path]:
    """The videos that `paths` mean, each once: files and folders of images as given, else a folder's videos.

    Raises UsageError for a path that is missing, VideoError for a folder that holds neither videos nor
    images, or for no path.
    """
    found = list(dict.fromkeys(video for path in paths for video in _videos_of(Path(path))))
    if not found:
        raise VideoError("no video was named", fix="name video files, or folders of videos or images")
    return found


def _videos_of(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError("there is no such video", where=path, fix="check the path")
    if not path.is_dir():
        return [path]
    files = [f for f in sorted(path.iterdir()) if f.is_file() and not f.name.startswith(".")]
    videos = [
        file for file in files if file.suffix.lower() in VIDEO_SUFFIXES and not file.name.endswith(LABELLED)
    ]
    if videos:
        return videos
    if any(file.suffix.lower() in IMAGE_SUFFIXES for file in files):
        return [path]
    known = " ".join(VIDEO_SUFFIXES)
    raise VideoError("the folder holds neither videos nor images", where=path, fix=f"videos end in {known}")
