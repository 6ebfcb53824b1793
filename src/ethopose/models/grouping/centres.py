"""Grouping where a model finds whole animals by their centres: rivals fall away."""

from __future__ import annotations

import numpy as np

from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances


class ByCentre:
    """Each centre above the threshold is an animal; its keypoints below it are none. With `apart` it falls
    away where a surer one has a keypoint nearly where it has it: nearer than `min_distance` of its own
    extent; one that fell away still counts as a rival. An animal's score is its centre's. The surest come
    first, or with `apart` last. Source: DeepLabCut 3.0.1, DEKRPredictor.
    """

    reads: tuple[str, ...] = ("xy", "value", "centre")

    def __init__(self, *, min_distance: float = 0.05, apart: bool = True) -> None:
        self.min_distance, self.apart = min_distance, apart

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch."""
        xy, value = found["xy"].transpose(0, 2, 1, 3), found["value"].transpose(0, 2, 1)
        kept = found["centre"] > context.threshold
        if self.apart:
            kept &= ~self._rivalled(xy)
        if context.limit is not None:
            kept &= np.cumsum(kept, 1) <= context.limit
        picture, animal = np.nonzero(kept[:, ::-1] if self.apart else kept)
        rows = picture, kept.shape[1] - 1 - animal if self.apart else animal
        low = value[rows] < context.threshold
        place = np.where(low[..., None], np.nan, xy[rows])
        return make_instances(context, picture, place, np.where(low, 0.0, value[rows]), found["centre"][rows])

    def _rivalled(self, xy: np.ndarray) -> np.ndarray:
        """Which of (batch, animal) have a surer one nearly where they are."""
        extent = np.maximum(np.square(np.ptp(xy, axis=2)).sum(-1), 1)
        distance = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1)
        near = (distance < self.min_distance * np.sqrt(extent)[:, None, :, None]).any(-1)
        rivalled: np.ndarray = np.triu(near, 1).any(1)
        return rivalled
