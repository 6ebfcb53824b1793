"""The formats, to be read as a menu."""

from pathlib import Path

from ethopose.core import FormatError
from ethopose.formats import csv, slp
from ethopose.formats.format import Format

FORMATS: dict[str, Format] = {"csv": csv.FORMAT, "slp": slp.FORMAT}


def format_for(path: Path | str, name: str | None = None) -> Format:
    """The format of that name, or the one that files with this path's suffix are in.

    Raises:
        FormatError: there is no such format.
    """
    if name is not None:
        found = FORMATS.get(name)
        what = f"no format is named {name!r}"
    else:
        found = next((known for known in FORMATS.values() if Path(path).name.endswith(known.suffix)), None)
        what = f"no format has the suffix of {Path(path).name!r}"
    if found is None:
        raise FormatError(what, where=path, fix=f"name one of {', '.join(FORMATS)}")
    return found
