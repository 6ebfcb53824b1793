"""What every head is: a torch module with a stride and a dense decode."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

# Arrays of fixed size that decoding adds to, by name. N is the number of peaks kept a keypoint.
#   xy (batch keypoint N 2)   pixels of the prepared image; NaN where a map has fewer peaks
#   value (batch keypoint N)  the map at the peak; -inf where a map has fewer peaks
#   next_value (batch keypoint)  the strongest peak that was left out, -inf if none
#   line_score (batch edge N N)  how well the part affinity field agrees with each line; NaN without length
#   probability (batch keypoint N class) or (batch class)
Found = dict[str, Tensor]


class Head(Protocol):
    """A reader of features."""

    stride: int
    finds: tuple[str, ...]  # what `decode` adds

    def __call__(self, features: dict[int, Tensor]) -> Tensor:
        """The head's raw map or vector."""
        ...

    def decode(self, output: Tensor, found: Found) -> Found:
        """What this head adds to `found`."""
        ...
