"""Where results and the files beside them go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ethopose.core import UsageError
from ethopose.formats import FORMATS, Format
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
            fix=f"-o {out.name.split('.')[0]}{SUFFIX} --format {Path(out.name).suffix[1:]}",
        )
    if out.is_file():
        raise UsageError("-o names a folder, and this is a file", where=out, fix="name another")
    return out / default.name if several else out if out.name else out.resolve()


def exported_path(result: Path, form: Format) -> Path:
    """The file that a result is exported to: beside it, under its name."""
    return result.with_name(result.name.removesuffix(SUFFIX) + form.ending)


def formats_named(names: Sequence[str] | None, default: str | None) -> list[Format]:
    """The formats to export to: those named, or what the model's own tool would have written.

    Raises:
        UsageError: there is no such format.
    """
    wanted = list(names) if names else [default] if default else []
    if wanted == ["none"]:
        return []
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown:
        raise UsageError(f"no format is named {unknown[0]!r}", fix=f"choose none, or {', '.join(FORMATS)}")
    return [FORMATS[name] for name in dict.fromkeys(wanted)]
