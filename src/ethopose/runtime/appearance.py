"""What of a network's features is kept, as a user may wish it."""

from __future__ import annotations

from ethopose.core import ModelError, UsageError
from ethopose.models.appearance import Appearance
from ethopose.models.spec import Stage

USUAL = 32  # numbers a keypoint


def appearance(stage: Stage, wish: int | str, seed: str) -> Appearance:
    """Vectors of so many numbers a keypoint; `full`: of as many as the features that a stage reads keypoints
    from have channels; `default`: of 32, or those where there are fewer. Builds the network once.

    Raises:
        UsageError: there are no such features, or not so many.
    """
    from ethopose.models.build import build, read_at_keypoints  # imports torch

    graph = build(stage)
    try:
        grid, channels = read_at_keypoints(graph)
    except ModelError as error:
        raise UsageError(
            f"there is no appearance to keep: {error.what}", fix="leave --features out"
        ) from error
    named = {"full": channels, "default": min(USUAL, channels)}
    size = named[wish] if isinstance(wish, str) else wish
    if size > channels:
        raise UsageError(
            f"features of {size} numbers are wanted, and the network has {channels} at a keypoint",
            fix=f"give --features {channels} or fewer, or full",
        )
    return Appearance(grid, channels, size, seed)
