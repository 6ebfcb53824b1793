"""The formats, to be read as a menu."""

from contextlib import suppress
from pathlib import Path

from ethopose.core import FormatError
from ethopose.formats import csv, dlc_pickles, dlc_predictions, dlc_tracklets, dlc_tracks, slp
from ethopose.formats.format import Format, PoseFile
from ethopose.media import VIDEO_SUFFIXES

FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        csv.FORMAT,
        slp.FORMAT,
        dlc_predictions.CTD,  # whose suffix ends in that of H5, as the next one's does
        dlc_tracks.FORMAT,
        dlc_predictions.H5,
        dlc_predictions.CSV,
        dlc_pickles.FULL,
        dlc_pickles.META,
        dlc_pickles.ASSEMBLIES,
        dlc_tracklets.FORMAT,  # whose suffix those above have, too
    )
}


def format_for(path: Path | str, name: str | None = None) -> Format:
    """The format of that name, or the one that files with this path's suffix are in.

    Raises:
        FormatError: there is no such format.
    """
    if name is not None:
        found = FORMATS.get(name)
        what = f"no format is named {name!r}"
    else:
        found = next((form for form in FORMATS.values() if Path(path).name.endswith(form.suffix)), None)
        what = f"no format has the suffix of {Path(path).name!r}"
    if found is None:
        video = name is None and Path(path).suffix.lower() in VIDEO_SUFFIXES
        known = f"name one of {', '.join(FORMATS)}"
        fix = "ethopose predict finds poses in a video, render draws them" if video else known
        raise FormatError(what, where=path, fix=fix)
    return found


def read_poses(path: Path) -> tuple[Format, PoseFile]:
    """The contents of a file of poses, and the format it is in: the first of its suffix that fits.

    Raises:
        FormatError: there is none.
    """
    first = format_for(path)
    try:
        return first, first.read(path)
    except FormatError as error:
        for form in FORMATS.values():
            if form is not first and path.name.endswith(form.suffix):
                with suppress(FormatError):
                    return form, form.read(path)
        raise error from None
