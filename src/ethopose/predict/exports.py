"""The files of other formats beside a result: ours are known again, others' are never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ethopose.core import ResultError
from ethopose.formats import Format
from ethopose.store import Result, is_result, note_export, read

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
                fix="--overwrite replaces it, -o writes elsewhere, --format none writes no such file",
            )


def export(result: Result, files: Files) -> None:
    """Write the files that are not there yet; one that a kill left half done is made again."""
    for file, form in files.items():
        make(result, [file], partial(form.write, result, file))


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
