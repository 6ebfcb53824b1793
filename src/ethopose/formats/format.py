"""What a format is, and what reading a file of poses gives."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, FormatError, Poses
from ethopose.store import Result

_FOREIGN = (
    DataError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)  # what h5py, json, pyarrow and NumPy say of damaged files

PARTED = "superanimal_"  # models whose name DeepLabCut sets apart from the video's


@dataclass(frozen=True, slots=True)
class PoseFile:
    """The contents of a file of poses."""

    poses: Poses
    frames: Int64[np.ndarray, "frame"]  # every frame the file tells of, also those without animals
    tracks: tuple[str, ...] = ()  # names that `poses.track` counts in
    video: str | None = None  # path of the video, as written
    model: str = ""  # name of the model, where the file tells it


def only_read(result: Result, path: Path) -> None:
    """What formats without a writer write with. Raises FormatError."""
    raise FormatError("files of this format are only read", where=path)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to keep poses in one file.

    `write` works part by part and replaces `path` whole or not at all (`ResultError`); `read` raises
    `FormatError` for a file that is not of this format. `loses` names what does not come back: columns
    of `Poses`, fields of `Skeleton`, fields of `PoseFile`, the `order` of the rows of a frame, and rows that
    are `untracked`. `before_tracks` are files that their tool writes of the poses as they were predicted,
    also where it tracks them afterwards.
    """

    name: str
    suffix: str
    named: str  # the file beside a result: of the names `{result}`, `{model}` and of the `{video}`'s stem
    read: Callable[[Path], PoseFile]
    write: Callable[[Result, Path], None] = only_read
    loses: frozenset[str] = frozenset()
    before_tracks: bool = False

    def file_name(self, result: str, video: str, model: str) -> str:
        """The name of the file beside a result; `video` is its stem."""
        parted = f"_{model}" if model.startswith(PARTED) else model
        return self.named.format(result=result, video=video, model=parted)


@contextmanager
def reading(path: Path, format_name: str) -> Iterator[None]:
    """Whatever a damaged or hostile file provokes in this block becomes `FormatError`."""
    try:
        yield
    except _FOREIGN as error:
        what = error.what if isinstance(error, DataError) else _damage(error)
        raise FormatError(f"not a readable {format_name} file: {what}", where=path) from error


def _damage(error: Exception) -> str:
    """What a library's words come to."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return (
        "it is cut short" if "truncated file" in str(error) else f"it is damaged, or something else ({error})"
    )
