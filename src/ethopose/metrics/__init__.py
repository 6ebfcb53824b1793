"""How far poses are from labels: arrays in, numbers out; each tool's definitions under its own name."""

from ethopose.metrics.coco import coco
from ethopose.metrics.deeplabcut import deeplabcut
from ethopose.metrics.errors import Errors, body_length, errors
from ethopose.metrics.matching import Pairs, match
from ethopose.metrics.points import Points, compare_points
from ethopose.metrics.reliability import Reliability, reliability
from ethopose.metrics.scene import Scene, scenes
from ethopose.metrics.sleap import sleap

__all__ = [
    "Errors",
    "Pairs",
    "Points",
    "Reliability",
    "Scene",
    "body_length",
    "coco",
    "compare_points",
    "deeplabcut",
    "errors",
    "match",
    "reliability",
    "scenes",
    "sleap",
]
