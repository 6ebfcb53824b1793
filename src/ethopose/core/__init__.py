"""Types, errors and plain geometry. No I/O; imports nothing of the house."""

from ethopose.core.errors import (
    DataError,
    EthoposeError,
    ExitCode,
    FormatError,
    InferenceError,
    ModelError,
    ResultError,
    SpecError,
    UsageError,
    VideoError,
)
from ethopose.core.labels import Image, Labels
from ethopose.core.poses import Poses, Skeleton, join_poses, no_poses

__all__ = [
    "DataError",
    "EthoposeError",
    "ExitCode",
    "FormatError",
    "Image",
    "InferenceError",
    "Labels",
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
