"""The heads that a spec can name: one file a head, with layers and dense decode.

A head reads features by stride and gives one map (or vector). Its `decode` adds arrays of fixed
size, by name, to what earlier heads of the stage found; `Found` says what each is.
"""

from ethopose.models.heads.class_map import ClassMap
from ethopose.models.heads.class_vector import ClassVector
from ethopose.models.heads.confidence_map import ConfidenceMap
from ethopose.models.heads.part_affinity import PartAffinity
from ethopose.models.registry import Registry

HEADS = Registry(
    "head",
    {
        "confidence_map": ConfidenceMap,
        "part_affinity": PartAffinity,
        "class_map": ClassMap,
        "class_vector": ClassVector,
    },
)
