"""Files of poses and labels that other tools read and write: one file a format, one table of them."""

from ethopose.formats.conversion import convert
from ethopose.formats.format import Format, PoseFile, only_read
from ethopose.formats.label_checks import check_labels, look_at
from ethopose.formats.label_images import drop_images, image_name, take_images
from ethopose.formats.label_joining import join_labels
from ethopose.formats.label_splits import read_split, split_labels, split_names, tell_copies
from ethopose.formats.labels import read_labels, to_pandas
from ethopose.formats.symmetry import guess_symmetries
from ethopose.formats.table import FORMATS, format_for, read_poses

__all__ = [
    "FORMATS",
    "Format",
    "PoseFile",
    "check_labels",
    "convert",
    "drop_images",
    "format_for",
    "guess_symmetries",
    "image_name",
    "join_labels",
    "look_at",
    "only_read",
    "read_labels",
    "read_poses",
    "read_split",
    "split_labels",
    "split_names",
    "take_images",
    "tell_copies",
    "to_pandas",
]
