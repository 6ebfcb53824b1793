"""All that was found, whosever it is."""

from __future__ import annotations

import numpy as np

from ethopose.core import Poses
from ethopose.draw.overlay import Style
from ethopose.store import Part, Result, peak_column

DETECTIONS = Style(color_by="keypoint", labels=False, skeleton=False)
"""How detections are drawn unless it is told."""


def every_detection(result: Result, part: Part) -> Poses:
    """Every peak of a part, where the result holds them (`predict --detections`), as rows that are nobody's:
    the first of each keypoint in a frame, then the second; else the part's poses as they are."""
    skeleton, frames = result.skeleton, part.frames.frame
    columns = [[peak_column(name, what) for what in ("x", "y", "confidence")] for name in skeleton.keypoints]
    known = {k: names for k, names in enumerate(columns) if set(names) <= result.manifest.lists.keys()}
    if not known:
        return part.poses
    lists = result.lists(part, [name for names in known.values() for name in names])
    most = np.max([lists[names[0]].length for names in known.values()], 0)
    rows, begin = int(most.sum()), np.cumsum(most) - most
    xy = np.full((rows, len(columns), 2), np.nan, np.float32)
    confidence = np.zeros((rows, len(columns)), np.float32)
    for k, (x, y, sure) in known.items():
        count = lists[x].length
        row = np.arange(count.sum()) + np.repeat(begin - (np.cumsum(count) - count), count)
        xy[row, k] = np.stack([lists[x].value, lists[y].value], -1)
        confidence[row, k] = lists[sure].value
    return Poses(skeleton, np.repeat(frames, most), xy, confidence, np.zeros(rows, np.float32))
