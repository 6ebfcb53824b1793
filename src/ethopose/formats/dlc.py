"""Where DeepLabCut's files of a video lie: told before anything runs, or found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from ethopose.core import DataError
from ethopose.formats.dlc_predictions import CTD, H5
from ethopose.formats.format import PARTED, Format

# A scorer's end is the number of a snapshot, of either engine; SuperAnimal's are names of networks.
SCORER = rf"(DLC_.+[-_]\d+|_{PARTED}.+(?<!_el|_bx|_sk)(?<!_ctd)(?<!_filtered))"


class _Spec(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def tracked_formats(self) -> tuple[str, ...]: ...


class _Model(Protocol):
    @property
    def spec(self) -> _Spec: ...


def predict_output_path(
    video: Path | str, model: _Model | str, folder: Path | str | None = None, *, tracks: bool = False
) -> Path:
    """The `.h5` that a prediction writes, as DeepLabCut names it: the video's stem, then the scorer, which
    of a converted model is the name of its folder.

    The other files differ from it in what follows: `_full.pickle`, `_meta.pickle`, `_assemblies.pickle`.

    Args:
        video: as it is given to `predict`.
        model: what `ethopose.load` gave, or the name of a scorer.
        folder: that receives the results (`-o`); beside the video if left out.
        tracks: with `--track-conditions`; of several animals that is `_ctd.h5`.
    """
    scorer = model if isinstance(model, str) else model.spec.name
    video = Path(video)
    name = _form(model, tracks=tracks).file_name(video.stem, video.stem, scorer)
    return Path(folder) / name if folder is not None else video.with_name(name)


def find_output(
    video: Path | str,
    model: _Model | str | None = None,
    folder: Path | str | None = None,
    *,
    tracks: bool = False,
) -> Path | None:
    """The `.h5` of a video that is there: the model's own, else the only one of any model; None without one.

    Tables of other tracks, and of videos whose names only begin like this one's, are not taken for it; nor,
    unless it is told, those of a converted model, whose name may be any.

    Args:
        video: as it was given to `predict`.
        model: as `predict_output_path` takes it; any if left out.
        folder: that received the results; beside the video if left out.
        tracks: as `predict_output_path` takes it.

    Raises:
        DataError: there are several, which are named.
    """
    video = Path(video)
    if model is not None and (own := predict_output_path(video, model, folder, tracks=tracks)).is_file():
        return own
    named = re.compile(re.escape(video.stem) + SCORER + re.escape(_form(model, tracks=tracks).suffix))
    place = video.parent if folder is None else Path(folder)
    found = sorted(file for file in place.glob("*.h5") if named.fullmatch(file.name))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise DataError(f"several tables of {video.name}: {names}", where=place, fix="say of which model")
    return found[0] if found else None


def _form(model: _Model | str | None, *, tracks: bool) -> Format:
    several = model is None or isinstance(model, str) or CTD.name in model.spec.tracked_formats
    return CTD if tracks and several else H5
