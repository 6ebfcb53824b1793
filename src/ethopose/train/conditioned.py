"""Batches of a network that is told conditions: crops around mistaken poses, and these beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from ethopose.models.boxes import BoxCrop, window_of
from ethopose.models.conditions import Conditions, boxes_around
from ethopose.models.heads.head import Truth
from ethopose.models.spec import Conditioning
from ethopose.train.augment import Chance, affine, draw
from ethopose.train.batches import STILL, Batch, Batches, piece_of, sides_changed
from ethopose.train.examples import centroids, order
from ethopose.train.mistakes import mistaken


@dataclass(frozen=True, slots=True)
class Cuts:
    """Crops of turned pictures: a pixel p of a crop is (p + 0.5) scale - 0.5 + corner, and its place is told
    as p scale + corner (`ethopose.models.boxes`)."""

    corner: Float32[np.ndarray, "crop 2"]  # px of the turned picture, x before y
    scale: Float32[np.ndarray, "crop 2"]
    shown: Float32[np.ndarray, "crop 2 2"]  # left top and right bottom of what is not filled, px of the crop


class ConditionedBatches(Batches):
    """As its like, but pictures are turned first and cut around conditions then, as when the network is run.
    Examples hold all animals of their picture, the one that is meant first."""

    def __call__(self, step: int, rows: slice, strength: float) -> Batch:
        """Those rows of the step's batch; `strength` of the augmentation from 0 to 1."""
        chosen = order(len(self.examples), self.batch, step, self.seed)
        told = self._mistaken(chosen, (self.seed, step))
        chance = draw(self.how, self.batch, (self.seed, step), strength)
        return self._around(chosen[rows], told[rows], chance[rows])

    def plain(self, rows: Int64[np.ndarray, "chosen"]) -> Batch:
        """Examples as they are, each with the same mistakes every time."""
        chance = draw(STILL, len(rows), (self.seed, 0), 0.0)
        chance.black[:] = False
        return self._around(rows, self._always[rows], chance)

    @cached_property
    def _always(self) -> Float32[np.ndarray, "example keypoint 2"]:
        return self._mistaken(np.arange(len(self.examples)), (0, 0))

    def _mistaken(
        self, rows: Int64[np.ndarray, "chosen"], key: tuple[int, int]
    ) -> Float32[np.ndarray, "chosen keypoint 2"]:
        """What is told of the examples, within their pictures."""
        xy = self.examples.xy[rows]
        sides = np.nanmax(xy[:, 0], 1) - np.nanmin(xy[:, 0], 1) + 2 * self._how.margin
        other = sides_changed(self._skeleton, xy.shape[2]) if self._skeleton.symmetries else None
        told: np.ndarray = np.clip(
            mistaken(xy, np.sqrt(sides.prod(1)), other, key), 0, self._size(rows)[:, None, ::-1] - 1
        )
        return told

    def _size(self, rows: Int64[np.ndarray, "chosen"]) -> Float32[np.ndarray, "chosen 2"]:
        size: np.ndarray = self.examples.size[self.examples.picture[rows]].astype(np.float32)
        return size

    @property
    def _how(self) -> Conditioning:
        assert self.examples.conditions is not None
        return self.examples.conditions

    def _around(
        self,
        rows: Int64[np.ndarray, "chosen"],
        told: Float32[np.ndarray, "chosen keypoint 2"],
        chance: Chance,
    ) -> Batch:
        pivot, window = centroids(told), np.array(self.window[::-1], np.float32)
        turn = affine(chance, self.window, pivot, pivot)
        turned = np.einsum("bij,bkj->bki", np.linalg.inv(turn[..., :2]), told - turn[:, None, :, 2])
        cuts = self._cuts(turned.astype(np.float32), self._size(rows))
        begin = cuts.corner + (cuts.scale - 1) / 2
        moved = np.einsum("bij,bj->bi", turn[..., :2], begin) + turn[..., 2]
        matrix = np.concatenate((turn[..., :2] * cuts.scale[:, None], moved[..., None]), 2)
        centre = matrix[..., :2] @ ((window - 1) / 2) + matrix[..., 2]
        height, width = (cuts.scale.max(0) * window)[::-1]
        piece = piece_of((height, width), self.how, self.examples)
        xy = np.stack((self.examples.xy[rows, 0], told), 1)
        return self._told(self._drawn(rows, xy, chance, (matrix.astype(np.float32), centre, piece)), cuts)

    def _cuts(
        self, turned: Float32[np.ndarray, "crop keypoint 2"], sizes: Float32[np.ndarray, "crop 2"]
    ) -> Cuts:
        how = BoxCrop(self.window, self._how.grown, self._how.context)
        corner, scale, first, last = np.empty((4, len(turned), 2), np.float32)
        for number, (pose, size) in enumerate(zip(turned, sizes, strict=True)):
            told = Conditions(np.zeros(1, np.int64), pose[None], np.ones((1, len(pose))))
            height, width = (int(side) for side in size)
            box = boxes_around(told, (height, width), self._how.margin)[0]
            low, high, filling = window_of(box, (height, width), how)
            corner[number] = low - filling
            scale[number] = (high - low + 2 * filling) / self.window[::-1]
            first[number], last[number] = np.maximum(low, 0), np.minimum(high, size[::-1])
        return Cuts(corner, scale, (np.stack((first, last), 1) - corner[:, None]) / scale[:, None])

    def _told(self, batch: Batch, cuts: Cuts) -> Batch:
        """With what lies outside of the boxes filled, places as they are told, and the conditions painted."""
        shown, scale = (torch.from_numpy(array).to(self.device) for array in (cuts.shown, cuts.scale))
        xy = batch.truth.xy + ((1 - 1 / scale) / 2)[:, None, None]
        images = batch.images * _within(shown, self.window)[:, None]
        pixels = painted(xy[:, 1], self.window, self._how.bounds or self.window)
        truth = Truth(xy[:, :1], batch.truth.individual[:, :1], self.window)
        return replace(batch, images=torch.cat((images, pixels), 1), truth=truth, scale=1 / cuts.scale)


def painted(
    xy: Float[Tensor, "batch keypoint 2"], size: tuple[int, int], bounds: tuple[int, int]
) -> Float[Tensor, "batch keypoint height width"]:
    """A white pixel a keypoint, where `ethopose.models.conditions` paints it; here, what is NaN is absent."""
    height, width = size
    there = (xy >= 0).all(-1) & (xy <= xy.new_tensor(bounds[::-1])).all(-1)
    column, row = (xy.nan_to_num().long() - 1).unbind(-1)
    cell = (row % height) * width + column % width
    flat = xy.new_zeros((*xy.shape[:2], height * width))
    return flat.scatter(2, cell[..., None], there[..., None].to(flat.dtype)).view(*xy.shape[:2], *size)


def _within(shown: Float[Tensor, "batch 2 2"], size: tuple[int, int]) -> Bool[Tensor, "batch height width"]:
    """Which pixels have their middle between two corners."""
    columns, rows = (torch.arange(side, device=shown.device) + 0.5 for side in size[::-1])
    across, down = (
        (middle >= shown[:, :1, axis]) & (middle < shown[:, 1:, axis])
        for axis, middle in ((0, columns), (1, rows))
    )
    return down[:, :, None] & across[:, None]
