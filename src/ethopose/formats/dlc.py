"""Where DeepLabCut's files of a video lie, told before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ethopose.formats.dlc_predictions import H5


class _Spec(Protocol):
    @property
    def name(self) -> str: ...


class _Model(Protocol):
    @property
    def spec(self) -> _Spec: ...


def predict_output_path(video: Path | str, model: _Model | str, folder: Path | str | None = None) -> Path:
    """The `.h5` that a prediction writes, as DeepLabCut names it: the video's stem, then the scorer.

    The other files differ from it in what follows: `_full.pickle`, `_meta.pickle`, `_assemblies.pickle`.

    Args:
        video: as it is given to `predict`.
        model: what `ethopose.load` gave, or the name of a scorer.
        folder: that receives the results (`-o`); beside the video if left out.
    """
    scorer = model if isinstance(model, str) else model.spec.name
    video = Path(video)
    name = H5.file_name(video.stem, video.stem, scorer)
    return Path(folder) / name if folder is not None else video.with_name(name)
