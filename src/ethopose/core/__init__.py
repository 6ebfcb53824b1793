"""Types, errors and plain geometry. No I/O; imports nothing of the house."""

from ethopose.core.errors import (
    BusyError,
    DataError,
    DiskFullError,
    EthoposeError,
    ExitCode,
    FormatError,
    InferenceError,
    MemoryFullError,
    ModelError,
    ResultError,
    SpecError,
    UsageError,
    VideoError,
)
from ethopose.core.labels import Image, Labels
from ethopose.core.poses import Poses, Skeleton, join_poses, no_poses

__all__ = [
    "BusyError",
    "DataError",
    "DiskFullError",
    "EthoposeError",
    "ExitCode",
    "FormatError",
    "Image",
    "InferenceError",
    "Labels",
    "MemoryFullError",
    "ModelError",
    "Poses",
    "ResultError",
    "Skeleton",
    "SpecError",
    "UsageError",
    "VideoError",
    "join_poses",
    "no_poses",
]
