"""Keypoints that belong to no animal."""

from __future__ import annotations

from torch import Tensor

from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.heads.located_map import LocatedMap


class UniqueMap(LocatedMap):
    """One place a picture for each keypoint that belongs to no animal: `maps`, `offsets`, `source`,
    `sigmoid`, `clip`, `unit` and `reach` are those of `located_map`."""

    finds = ("unique_xy", "unique_value")

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """unique_xy (batch keypoint 1 2) in pixels of the prepared image, unique_value (batch keypoint 1)."""
        places: dict[str, Tensor] = super().decode(outputs, {})
        return {f"unique_{name}": place for name, place in places.items()}

    def targets(self, truth: Truth) -> Outputs:
        """Those of `located_map`, of the last keypoints."""
        targets: dict[str, Tensor] = super().targets(truth.of(slice(-self.keypoints, None)))
        return targets
