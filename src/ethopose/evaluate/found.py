"""What was found in labelled images, and which of them could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ethopose.core import Poses


@dataclass(frozen=True, slots=True)
class Found:
    """Poses whose `frame` counts in the labels' images, in our convention of coordinates."""

    poses: Poses
    seen: Int64[np.ndarray, "image"]  # images that were looked at, ascending
    unread: Int64[np.ndarray, "image"]  # images that cannot be read
    notes: tuple[str, ...] = ()
