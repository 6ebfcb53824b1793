"""Pictures of poses: on one frame, on a whole video, on a sheet of frames, of a result."""

from ethopose.draw.detections import DETECTIONS
from ethopose.draw.labelled import render_video
from ethopose.draw.marks import marks
from ethopose.draw.overlay import PALETTE, Style, overlay
from ethopose.draw.result import Pictures, pictures_of, render
from ethopose.draw.review import Review, review
from ethopose.draw.sheet import contact_sheet, page, write_png
from ethopose.draw.strip import identity_strip

__all__ = [
    "DETECTIONS",
    "PALETTE",
    "Pictures",
    "Review",
    "Style",
    "contact_sheet",
    "identity_strip",
    "marks",
    "overlay",
    "page",
    "pictures_of",
    "render",
    "render_video",
    "review",
    "write_png",
]
