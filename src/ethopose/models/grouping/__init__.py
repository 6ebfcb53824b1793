"""What is left for the host: decoded arrays in, animals out. NumPy and numba, no torch."""

from ethopose.models.grouping.affinity import Affinity
from ethopose.models.grouping.assembly import Assembly
from ethopose.models.grouping.boxes import Boxes
from ethopose.models.grouping.centres import ByCentre
from ethopose.models.grouping.classes import ByClassMap, ByClassVector
from ethopose.models.grouping.instances import Arrays, Context, Grouping, Instances, no_instances
from ethopose.models.grouping.simple import OneEach, OnePerPeak
from ethopose.models.grouping.together import Together, places
from ethopose.models.registry import Registry

GROUPINGS: Registry[Grouping] = Registry(
    "grouping",
    {
        "one_each": OneEach,
        "one_per_peak": OnePerPeak,
        "affinity": Affinity,
        "assembly": Assembly,
        "by_centre": ByCentre,
        "boxes": Boxes,
        "class_map": ByClassMap,
        "class_vector": ByClassVector,
        "together": Together,
    },
)

__all__ = ["GROUPINGS", "Arrays", "Context", "Grouping", "Instances", "no_instances", "places"]
