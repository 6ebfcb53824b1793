"""Pictures of poses: on one frame, on a whole video, on a sheet of frames."""

from ethopose.draw.overlay import PALETTE, Style, overlay
from ethopose.draw.render import render_video
from ethopose.draw.sheet import contact_sheet

__all__ = ["PALETTE", "Style", "contact_sheet", "overlay", "render_video"]
