"""Who is who: poses of frames become tracks of animals."""

from ethopose.track import tracks
from ethopose.track.asked import Tracking, Vectors
from ethopose.track.first_pass import in_pieces
from ethopose.track.following import Followed, follow
from ethopose.track.likeness import SHIFT
from ethopose.track.result import (
    LOOKS,
    rows_of,
    track_in_place,
    track_result,
    tracked_path,
)
from ethopose.track.rows import Rows, in_chunks
from ethopose.track.settling import NAT
from ethopose.track.spool import DiskSpool, Memory

__all__ = [
    "LOOKS",
    "NAT",
    "SHIFT",
    "DiskSpool",
    "Followed",
    "Memory",
    "Rows",
    "Tracking",
    "Vectors",
    "follow",
    "in_chunks",
    "in_pieces",
    "rows_of",
    "track_in_place",
    "track_result",
    "tracked_path",
    "tracks",
]
