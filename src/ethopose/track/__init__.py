"""Who is who: poses of frames become tracks of animals."""

from ethopose.track import tracks
from ethopose.track.following import Followed, Memory, Rows, follow, in_chunks
from ethopose.track.result import Tracking, track, track_result, tracked_path

__all__ = [
    "Followed",
    "Memory",
    "Rows",
    "Tracking",
    "follow",
    "in_chunks",
    "track",
    "track_result",
    "tracked_path",
    "tracks",
]
