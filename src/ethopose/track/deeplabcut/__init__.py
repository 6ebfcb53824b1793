"""DeepLabCut's trackers and stitcher by name, for those who must reproduce what it gave them."""

from ethopose.track.deeplabcut.pieces import WEIGHTS, Piece
from ethopose.track.deeplabcut.stitching import StitchOptions, stitch
from ethopose.track.deeplabcut.tracklets import (
    METHODS,
    TrackletOptions,
    Tracklets,
    sure,
    tracklets,
    tracklets_by_identity,
)

__all__ = [
    "METHODS",
    "WEIGHTS",
    "Piece",
    "StitchOptions",
    "TrackletOptions",
    "Tracklets",
    "stitch",
    "sure",
    "tracklets",
    "tracklets_by_identity",
]
