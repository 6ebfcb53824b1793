"""Poses against labels, tracks against animals: arrays in, numbers out; each tool's numbers by its name."""

from ethopose.metrics.clear import Clear, clear
from ethopose.metrics.coco import coco
from ethopose.metrics.deeplabcut import deeplabcut
from ethopose.metrics.errors import Errors, body_length, errors
from ethopose.metrics.hota import Hota, hota
from ethopose.metrics.identity import Identity, identity, join_reliability
from ethopose.metrics.likeness import Likeness, box_overlap, closeness, keypoint_similarity
from ethopose.metrics.matching import Pairs, match
from ethopose.metrics.points import Points, compare_points
from ethopose.metrics.reliability import Reliability, reliability
from ethopose.metrics.scene import Scene, scenes
from ethopose.metrics.sightings import Sightings, sightings
from ethopose.metrics.sleap import sleap

__all__ = [
    "Clear",
    "Errors",
    "Hota",
    "Identity",
    "Likeness",
    "Pairs",
    "Points",
    "Reliability",
    "Scene",
    "Sightings",
    "body_length",
    "box_overlap",
    "clear",
    "closeness",
    "coco",
    "compare_points",
    "deeplabcut",
    "errors",
    "hota",
    "identity",
    "join_reliability",
    "keypoint_similarity",
    "match",
    "reliability",
    "scenes",
    "sightings",
    "sleap",
]
