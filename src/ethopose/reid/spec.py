"""What a network of looks is told of an animal, and what it makes of it."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ethopose.reid.body import Body

Kind = Literal["crop", "keypoints", "both"]
_Count = Annotated[int, Field(ge=1, le=1 << 16)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CropSpec(_Record):
    """Pictures: the usual pose, px about the middle of the window (null: hardly ever seen), the body's length
    in px, and the size of the pictures."""

    pose: tuple[tuple[float, float] | None, ...]
    length: Annotated[float, Field(gt=0)]
    channels: Literal[1, 3]
    tall: _Count
    wide: _Count

    @property
    def body(self) -> Body:
        """Where an animal is."""
        nowhere = (np.nan, np.nan)
        return Body(np.array([place or nowhere for place in self.pose], np.float64), self.length)


class KeypointSpec(_Record):
    """What a pose model saw at each keypoint."""

    number: _Count  # of keypoints
    size: _Count  # numbers a keypoint
    digest: str  # of the pose model


class Spec(_Record):
    """All that applying a network of looks needs."""

    schema_version: Literal[1] = 1
    skeleton: tuple[str, ...]  # keypoints
    dimensions: _Count = 16
    crop: CropSpec | None = None
    keypoints: KeypointSpec | None = None

    @property
    def kind(self) -> Kind:
        """By what it looks."""
        return "both" if self.crop and self.keypoints else "crop" if self.crop else "keypoints"
