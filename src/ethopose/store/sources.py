"""The video that a result was made from."""

from __future__ import annotations

from pathlib import Path

from ethopose.core import VideoError
from ethopose.media import Caution, Video, open_recording
from ethopose.store.result import Result


def video_of(result: Result, moved: Path | str | None) -> Video:
    """The video that a result was made from; `moved` is where it lies now. Raises `VideoError`."""
    segments = result.manifest.provenance.get("source_video_paths") if "segments" in result.video else None
    sources = segments if moved is None and isinstance(segments, list) else [moved or result.video["path"]]
    paths = [Path(str(source)) for source in sources]
    for path in paths:
        if path == Path():
            what = "it is not known which video the result is of"
            raise VideoError(what, where=result.path, fix="tell where it lies: --video PATH")
        if not path.exists():
            raise VideoError(
                "the result's video is not there", where=path, fix="tell where it lies: --video PATH"
            )
    told = result.manifest.provenance.get("avoided_packets")
    avoid = (
        frozenset(packet for packet in told if isinstance(packet, int)) if isinstance(told, list) else None
    )
    opened = open_recording(paths, Caution(avoid or frozenset()))
    if result.video.get("sha256") not in (None, opened.fingerprint()["sha256"]):  # None: poses without video
        raise VideoError(
            "not the video that the result was made from", where=path, fix="give that one: --video PATH"
        )
    return opened
