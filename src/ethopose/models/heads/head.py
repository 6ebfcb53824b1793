"""What every head is: layers with a stride, the targets and losses they are trained by, a dense decode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from jaxtyping import Float, Int64
from torch import Tensor

# Arrays of fixed size that decoding adds to, by name. N is the number of peaks kept a keypoint.
#   xy (batch keypoint N 2)   pixels of the prepared image; NaN where a map has fewer peaks
#   value (batch keypoint N)  the map at the peak; -inf where a map has fewer peaks
#   next_value (batch keypoint)  the strongest peak that was left out, -inf if none
#   line_score (batch edge N N)  how well the part affinity field agrees with each line; NaN without length
#   line_length (batch edge N N)  of each line, in cells of the map
#   probability (batch keypoint N class) or (batch class)
#   nowhere (batch class)     the probability where nobody is
#   unique_xy, unique_value   of keypoints that belong to no animal: as xy and value, with one peak each
#   box (batch N 4)           left, top, right, bottom in shares of the prepared image; value (batch 1 N)
#   centre (batch N)          how sure it is that an animal is there, of heads that find whole animals
Found = dict[str, Tensor]
Outputs = dict[str, Tensor]  # what a head's layers give, by name


@dataclass(frozen=True, slots=True)
class Truth:
    """What people placed in a batch of prepared pictures of one `size` (height, width), in their pixels.

    A keypoint that is absent, hidden or outside is NaN; so are all of an animal that is not there.
    """

    xy: Float[Tensor, "batch animal keypoint 2"]
    individual: Int64[Tensor, "batch animal"]  # index of the named individual, -1 for none
    size: tuple[int, int]

    def of(self, keypoints: slice) -> Truth:
        """Of some of the keypoints alone."""
        return replace(self, xy=self.xy[:, :, keypoints])

    @property
    def first(self) -> Float[Tensor, "batch keypoint 2"]:
        """Each keypoint of an animal that has it, where no two have."""
        there = self.xy.isfinite().all(-1, keepdim=True).int().argmax(1, keepdim=True)
        return self.xy.gather(1, there.expand(-1, -1, -1, 2))[:, 0]


class Head(Protocol):
    """A reader of features. `outputs`, `targets` and `losses` have the same keys. One that finds `xy` has a
    `grid` where it reads features at places: which of them, and where their cells lie."""

    stride: int
    outputs: tuple[str, ...]  # keys of what the layers give, in order
    finds: tuple[str, ...]  # what `decode` adds

    def __call__(self, features: dict[int, Tensor]) -> Outputs:
        """The head's raw maps or vectors."""
        ...

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """What this head adds to `found`."""
        ...

    def targets(self, truth: Truth) -> Outputs:
        """What the layers should have given."""
        ...

    def losses(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """How far they are from it, each output with its weight; scalars in fp32."""
        ...
