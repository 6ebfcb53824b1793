"""The heads that a spec can name: one file a head, with layers, targets, losses and dense decode.

A head reads features by stride and gives maps or vectors by name. Its `decode` adds arrays of fixed
size, by name, to what earlier heads of the stage found; `Found` says what each is.
"""

from ethopose.models.heads.anchored_boxes import AnchoredBoxes
from ethopose.models.heads.attended_simcc import AttendedSimCC
from ethopose.models.heads.centre_offsets import CentreOffsets
from ethopose.models.heads.class_map import ClassMap
from ethopose.models.heads.class_vector import ClassVector
from ethopose.models.heads.confidence_map import ConfidenceMap
from ethopose.models.heads.identity_map import IdentityMap
from ethopose.models.heads.located_map import LocatedMap
from ethopose.models.heads.part_affinity import PartAffinity
from ethopose.models.heads.probability_map import ProbabilityMap
from ethopose.models.heads.proposed_boxes import ProposedBoxes
from ethopose.models.heads.simcc import SimCC
from ethopose.models.heads.staged_fields import StagedFields
from ethopose.models.heads.token_map import TokenMap
from ethopose.models.heads.unique_map import UniqueMap
from ethopose.models.registry import Registry

HEADS = Registry(
    "head",
    {
        "probability_map": ProbabilityMap,
        "simcc": SimCC,
        "attended_simcc": AttendedSimCC,
        "token_map": TokenMap,
        "confidence_map": ConfidenceMap,
        "located_map": LocatedMap,
        "part_affinity": PartAffinity,
        "staged_fields": StagedFields,
        "centre_offsets": CentreOffsets,
        "anchored_boxes": AnchoredBoxes,
        "proposed_boxes": ProposedBoxes,
        "class_map": ClassMap,
        "class_vector": ClassVector,
        "identity_map": IdentityMap,
        "unique_map": UniqueMap,
    },
)
