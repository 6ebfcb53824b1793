"""DeepLabCut 3 (PyTorch engine): a `train` folder, one of its snapshots, or a project.

DeepLabCut's words (bodypart, locref, scorer, shuffle, snapshot) end here. What its files mean and how the
numbers are made is told in `docs/conventions.md`.
"""

from ethopose.families.deeplabcut3.model import read, read_alone, recognises
from ethopose.families.deeplabcut3.project import choose

__all__ = ["choose", "read", "read_alone", "recognises"]
