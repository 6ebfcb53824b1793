"""Where results go."""

from __future__ import annotations

from pathlib import Path

from ethopose.core import UsageError
from ethopose.formats import FORMATS, format_for
from ethopose.store import SUFFIX


def result_path(video: Path, model: str, out: Path | None, *, several: bool) -> Path:
    """The folder for a video's result: beside it, or as `-o` says.

    `out` names the result itself for one video, and the folder that receives them for several or for
    those of a folder.
    """
    video = video if video.name else video.resolve()
    default = video.with_name(f"{video.name}.{model}{SUFFIX}")
    if out is None:
        return default
    if any(out.name.endswith(form.suffix) for form in FORMATS.values()):
        raise UsageError(
            f"-o names a folder, and {out.name} looks like a file",
            fix=f"-o {out.name.split('.')[0]}{SUFFIX} --format {format_for(out).name}",
        )
    if several and out.is_file():
        raise UsageError("-o names a folder for several videos, and this is a file", where=out)
    return out / default.name if several else out if out.name else out.resolve()
