"""A result as a file that other tools read."""

from __future__ import annotations

from pathlib import Path

from ethopose.core import ResultError
from ethopose.formats.table import format_for
from ethopose.store import Result, read


def convert(
    result: Result | Path | str, out: Path | str, *, format: str | None = None, overwrite: bool = False
) -> Path:
    """Write a result in a format: the one named, or the one that `out` ends in; gives `out`.

    Raises:
        FormatError: `result` is none, or there is no such format.
        ResultError: the result is unfinished, or `out` is there already.
    """
    out = Path(out)
    form = format_for(out, format)
    result = result if isinstance(result, Result) else read(result)
    if not result.finished:
        raise ResultError(
            f"unfinished: {result.manifest.n_done} of {result.manifest.n_frames} frames are there",
            where=result.path,
            fix="start the prediction again to finish it",
        )
    if out.exists() and not overwrite:
        raise ResultError("there is a file of this name already", where=out, fix="--overwrite replaces it")
    form.write(result, out)
    return out
