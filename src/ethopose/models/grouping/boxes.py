"""Grouping where a model finds boxes around animals: of those that overlap too much the surest stays."""

from __future__ import annotations

import numpy as np

from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances


class Boxes:
    """A box above the threshold is an animal unless it shares more than `overlap` of what both cover with a
    surer one that is an animal; the `animals` surest, where they are counted. Boxes less than `smallest`
    wide or tall, in shares of the picture, are none. An animal's two keypoints are its box's corners, left
    top and right bottom. Source: torchvision 0.29, `nms`.
    """

    reads: tuple[str, ...] = ("box", "value")

    def __init__(self, *, overlap: float = 0.5, animals: int | None = None, smallest: float = 0.0) -> None:
        self.overlap, self.animals, self.smallest = overlap, animals, smallest

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch, in pixels of pictures of the size that the context tells, surest first."""
        from ethopose.models.grouping.overlaps import unrivalled  # compiled code takes a second to load

        most = min((count for count in (self.animals, context.limit) if count is not None), default=None)
        pictures, kept = [], []
        for picture, (boxes, value) in enumerate(zip(found["box"], found["value"][:, 0], strict=True)):
            large = (boxes[:, 2:] - boxes[:, :2] >= self.smallest).all(1)
            row = np.flatnonzero(large & (value > context.threshold))
            row = row[np.argsort(-value[row], kind="stable")]
            row = row[unrivalled(boxes[row], self.overlap)][:most]
            pictures.append(np.full(len(row), picture))
            kept.append(row)
        rows = np.concatenate(pictures), np.concatenate(kept)
        score = found["value"][rows[0], 0, rows[1]]
        xy = found["box"][rows].reshape(-1, 2, 2) * np.array(context.size[::-1], np.float32)
        return make_instances(context, rows[0], xy, np.repeat(score[:, None], 2, 1), score)
