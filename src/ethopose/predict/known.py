"""Poses that are known from a file, for a model that is told where to look."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ethopose.core import UsageError
from ethopose.families import Model
from ethopose.families.model import Window
from ethopose.formats.conditions import ToldPoses, read_conditions
from ethopose.media import Video
from ethopose.models.conditions import Conditions
from ethopose.store import is_result, read


@dataclass(frozen=True, slots=True)
class Known:
    """The conditions of one video."""

    path: Path
    digest: str  # of what is told
    told: ToldPoses
    video: dict[str, Any] | None  # fingerprint, where a result tells it

    def of(self, frames: np.ndarray, window: Window | None) -> Conditions:
        """Those of these frames, counted within them, in px of the window; there may be none."""
        rows = np.flatnonzero(np.isin(self.told.frame, frames))
        xy = self.told.xy[rows]
        if window is not None:
            xy = xy - np.array(window[::2], np.float32)
        place = np.argsort(frames)[np.searchsorted(np.sort(frames), self.told.frame[rows])]
        return Conditions(place, xy, self.told.confidence[rows])

    def check(self, video: Video) -> None:
        """Make sure that they are of this video.

        Raises:
            UsageError: they are not.
        """
        last = int(self.told.frame.max(initial=-1))
        theirs, ours = self.video or {}, video.fingerprint()
        differ = any(theirs[key] != ours.get(key) for key in theirs.keys() & {"sha256", "frames", "width"})
        if differ or last >= len(video):
            what = "another video" if differ else f"frame {last}, the video has {len(video)}"
            raise UsageError(
                f"the conditions tell of {what}", where=self.path, fix="give those of this video"
            )


def known(path: Path, model: Model) -> Known:
    """The conditions in a file, for a model that takes any.

    Raises:
        UsageError: the model takes none, or has other keypoints.
        FormatError: the file cannot be read.
    """
    if model.spec.stages[-1].preparation.conditions is None:
        raise UsageError(f"a {model.spec.kind} model is told no conditions", fix="leave --conditions out")
    told = read_conditions(path)
    wanted = model.spec.skeleton.keypoints
    if told.keypoints != wanted and (told.keypoints is not None or told.xy.shape[1] not in (0, len(wanted))):
        names = (
            f"keypoints {', '.join(told.keypoints)}" if told.keypoints else f"{told.xy.shape[1]} keypoints"
        )
        what = f"the conditions tell of {names}; the model's are {', '.join(wanted)}"
        raise UsageError(what, where=path)
    arrays = (told.frame, told.xy, told.confidence)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
    return Known(path, digest, told, dict(read(path).video) if is_result(path) else None)
