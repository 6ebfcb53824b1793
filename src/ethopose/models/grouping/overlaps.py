"""Boxes that overlap, in compiled code."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def unrivalled(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """Which of boxes, the surest first, overlap no earlier one of these too much."""
    kept = np.ones(len(boxes), np.bool_)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for mine in range(len(boxes)):
        for surer in range(mine):
            if kept[surer]:
                wide = min(boxes[mine, 2], boxes[surer, 2]) - max(boxes[mine, 0], boxes[surer, 0])
                tall = min(boxes[mine, 3], boxes[surer, 3]) - max(boxes[mine, 1], boxes[surer, 1])
                both = max(wide, 0) * max(tall, 0)
                if both > 0 and both / (area[mine] + area[surer] - both) > overlap:
                    kept[mine] = False
                    break
    return kept
