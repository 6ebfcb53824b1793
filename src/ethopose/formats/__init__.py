"""Files of poses that other tools read and write: one file a format, one table of them."""

from ethopose.formats.conversion import convert
from ethopose.formats.format import Format, PoseFile
from ethopose.formats.table import FORMATS, format_for

__all__ = ["FORMATS", "Format", "PoseFile", "convert", "format_for"]
