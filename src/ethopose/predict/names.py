"""Where results and the files beside them go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ethopose.core import UsageError
from ethopose.formats import FORMATS, Format, format_for, only_read
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


def exported_path(result: Path, form: Format, video: Path, model: str) -> Path:
    """The file that a result is exported to: beside it, named as the format's users expect."""
    name = result.name.removesuffix(SUFFIX)
    return result.with_name(form.file_name(name, video.stem, model))


def formats_named(names: Sequence[str] | None, default: Sequence[str]) -> list[Format]:
    """The formats to export to: those named, or what the model's own tool would have written.

    Raises:
        UsageError: there is no such format.
    """
    wanted = list(names or default)
    if wanted == ["none"]:
        return []
    written = [name for name, form in FORMATS.items() if form.write is not only_read]
    if unknown := [name for name in wanted if name not in written]:
        raise UsageError(f"no format is named {unknown[0]!r}", fix=f"choose none, or {', '.join(written)}")
    return [FORMATS[name] for name in dict.fromkeys(wanted)]
