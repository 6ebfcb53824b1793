"""Labels: poses that people placed, and the images that they placed them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from ethopose.core.errors import DataError
from ethopose.core.poses import Poses

ABSENT, OCCLUDED, VISIBLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Image:
    """Where a labelled picture is: an image file, a video and the frame in it, or a file that embeds it."""

    path: Path
    frame: int | None = None
    dataset: str | None = None  # in an HDF5 file, such as video0/video of a .pkg.slp; `frame` is its index
    video: str = ""  # the recording that it was taken from, as its tool names it


@dataclass(frozen=True, slots=True)
class Labels:
    """Poses that people placed; `poses.frame` counts in `images`."""

    images: tuple[Image, ...]
    poses: Poses
    visibility: UInt8[np.ndarray, "instance keypoint"]  # ABSENT, OCCLUDED or VISIBLE
    splits: dict[str, Int64[np.ndarray, "image"]] = field(default_factory=dict)  # name -> indices of images

    def __post_init__(self) -> None:
        if self.visibility.shape != self.poses.confidence.shape:
            raise DataError(f"visibility is {self.visibility.shape}, wanted {self.poses.confidence.shape}")
        if len(self.poses) and not 0 <= self.poses.frame.min() <= self.poses.frame.max() < len(self.images):
            raise DataError(f"poses name images beyond the {len(self.images)} there are")
        for name, members in self.splits.items():
            if len(members) and not 0 <= members.min() <= members.max() < len(self.images):
                raise DataError(f"the split {name!r} names images beyond the {len(self.images)} there are")
