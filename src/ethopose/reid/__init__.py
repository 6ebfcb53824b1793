"""What animals look like, learned from the videos themselves; names that carry over from video to video."""

from ethopose.reid.naming import Known, Named, apply, train
from ethopose.reid.tracking import track, tracked

__all__ = ["Known", "Named", "apply", "track", "tracked", "train"]
