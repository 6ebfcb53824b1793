"""Grouping where a model finds whole animals by their centres: rivals fall away."""

from __future__ import annotations

import numpy as np

from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances


class ByCentre:
    """Each centre above the threshold is an animal, the surest first, unless a surer one has a keypoint
    nearly where it has it: nearer than `min_distance` of its own extent. One that fell away still counts as a
    rival (DeepLabCut 3.0.1, DEKRPredictor). An animal's score is its centre's.
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
        rows = np.nonzero(kept)
        return make_instances(context, rows[0], xy[rows], value[rows], found["centre"][rows])

    def _rivalled(self, xy: np.ndarray) -> np.ndarray:
        """Which of (batch, animal) have a surer one nearly where they are."""
        extent = np.maximum(np.square(np.ptp(xy, axis=2)).sum(-1), 1)
        distance = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1)
        near = (distance < self.min_distance * np.sqrt(extent)[:, None, :, None]).any(-1)
        rivalled: np.ndarray = np.triu(near, 1).any(1)
        return rivalled
