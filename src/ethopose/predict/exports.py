"""The files of other formats beside a result: ours are known again, others' are never touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ethopose.core import ResultError
from ethopose.formats import Format
from ethopose.store import Result, is_result, note_export, read

Files = Mapping[Path, Format]


def refuse_foreign(result: Path, files: Files) -> None:
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
                fix="--overwrite replaces it, -o writes elsewhere, --format none writes no such file",
            )


def export(result: Result, files: Files) -> None:
    """Write the files that are not there yet; one that a kill left half done is made again."""
    exports = result.manifest.exports
    for file, form in files.items():
        if file.exists() and exports.get(file.name) is not None:
            continue
        note_export(result.path, file.name, None)
        form.write(result, file)
        note_export(result.path, file.name, file.stat().st_size)


def _is_listed(file: Path, exports: Mapping[str, int | None]) -> bool:
    return file.name in exports and exports[file.name] in (None, file.stat().st_size)
