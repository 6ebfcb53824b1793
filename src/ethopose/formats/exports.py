"""The files of other formats beside a result: ours are known again, others' are never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from ethopose.core import ResultError, UsageError
from ethopose.formats.format import Format, only_read
from ethopose.formats.table import FORMATS
from ethopose.store import SUFFIX, Result, is_result, note_export, read

Files = Mapping[Path, Format]


def refuse_foreign(result: Path, files: Iterable[Path]) -> None:
    """Make sure that no file in the way is anything but an export of the result there.

    Raises:
        ResultError: one is.
    """
    exports = read(result).manifest.exports if is_result(result) else {}
    for file in files:
        if file.exists() and not _is_listed(file, exports):
            raise ResultError(
                "a file of this name is there already, and not from this result",
                where=file,
                fix="--overwrite replaces it; -o in another folder, or --format none, leaves it",
            )


def export(result: Result, files: Files) -> None:
    """Write the files that are not there yet; one that a kill left half done is made again."""
    for file, form in files.items():
        make(result, [file], partial(form.write, _told_of(result, form), file))


def _told_of(result: Result, form: Format) -> Result:
    """The result as its file is to see it: DeepLabCut writes some before it tracks."""
    if not (form.before_tracks and result.manifest.own_tracks):
        return result
    return Result(result.path, result.manifest.model_copy(update={"tracks": ()}))


def make(result: Result, files: Sequence[Path], write: Callable[[], object]) -> None:
    """Write files beside the result, unless they are all there; they are listed, and so known again."""
    exports = result.manifest.exports
    if all(file.exists() and exports.get(file.name) is not None for file in files):
        return
    for file in files:
        note_export(result.path, file.name, None)
    write()
    for file in files:
        note_export(result.path, file.name, file.stat().st_size)


def _is_listed(file: Path, exports: Mapping[str, int | None]) -> bool:
    return file.name in exports and exports[file.name] in (None, file.stat().st_size)


def exported_path(result: Path, form: Format, video: Path, model: str) -> Path:
    """The file that a result is exported to: beside it, named as the format's users expect."""
    name = result.name.removesuffix(SUFFIX)
    return result.with_name(form.file_name(name, video.stem, model))


def formats_named(
    names: Sequence[str] | None,
    default: Sequence[str],
    groups: Mapping[str, Sequence[Format]] = MappingProxyType({}),
) -> list[Format]:
    """The formats to export to: those named, or what the model's own tool would have written; a name of
    `groups` stands for several.

    Raises:
        UsageError: there is no such format.
    """
    wanted = list(names or default)
    if wanted == ["none"]:
        return []
    known = {**groups, **{name: [form] for name, form in FORMATS.items() if form.write is not only_read}}
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"no format is named {unknown[0]!r}", fix=f"choose none, or {', '.join(known)}")
    return list(dict.fromkeys(form for name in wanted for form in known[name]))
