"""What a model is, declared: all that inference needs, in one vocabulary for every tool.

Nothing here needs torch. An own model stores its spec as `model.yaml`; a foreign folder is
translated into one by its family.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from pydantic_core import to_jsonable_python

from ethopose.core import Skeleton

BESIDE = {"name", "provenance", "tracked_formats", "more_formats", "animals"}  # they decide no number
KNOWS_WHO = ("class_map", "class_vector")  # groupings that name the individual
Color = Literal["as_filmed", "gray", "rgb"]


class Frozen(BaseModel):
    """A record that cannot change and knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Frozen):
    """A backbone, head or grouping by name, with the options of its signature."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _plain(cls, options: dict[str, Any]) -> dict[str, Any]:
        """As a file would hold them: of tuples, lists are made."""
        return dict(to_jsonable_python(options))


class Boxed(Frozen):
    """How the boxes of a first stage become crops of one size (`ethopose.models.boxes`)."""

    margin: int = 0
    """px that are added on every side."""
    context: bool = True
    """The shorter side grows until the box has the crop's shape; if not, zeros fill what lacks."""


class Conditioning(Frozen):
    """How poses that a first stage found become crops that a second reads in their light
    (`ethopose.models.conditions`)."""

    margin: int = 25
    """px around a pose's keypoints, that make its box."""
    grown: int = 0
    """px that are added to the box when it is cut out."""
    context: bool = False
    """The box's shorter side grows until it has the crop's shape; if not, zeros fill what lacks."""
    bounds: tuple[int, int] | None = None
    """(height, width) of a crop, px: keypoints outside are not told. The crop's own if left out."""
    individuals: tuple[str, ...] = ()
    """What those are called that are followed by their conditions, and so how many there are at most."""


class Resized(Frozen):
    """Frames brought to a size by OpenCV's bilinear interpolation, not antialiased (DeepLabCut 3.0.1)."""

    size: tuple[PositiveInt, PositiveInt] | None = None
    """(height, width), first of all."""
    keep: bool = True
    """The frame keeps its shape, sides are rounded down; zeros at the bottom and the right fill the size."""
    longest: PositiveInt | None = None
    """Then, the longer side; the other one is rounded."""


class Preparation(Frozen):
    """From a frame to the picture that the network sees; each step works on uint8.

    The order is: colour, fit, crop (second stages), scale, pad.
    """

    color: Color = "as_filmed"
    """Of RGB frames. A video that is gray throughout its first frame is read as one channel."""
    fit: tuple[int | None, int | None] | None = None
    """(height, width): resize to fit inside, keeping the aspect, then pad; None keeps the frame's own."""
    resized: Resized | None = None
    """To a size in another arithmetic, instead of `fit`."""
    crop: tuple[int, int] | None = None
    """(height, width) of the window cut around each centroid from the fitted frame."""
    boxed: Boxed | None = None
    """What lies in each box is cut out instead, and brought to the size of the crop."""
    conditions: Conditioning | None = None
    """The crop is cut around each pose instead, brought to its size, and the pose painted beside it."""
    scale: float = 1.0
    exact: bool = False
    """Whether coordinates follow the pixels: scaling is by just `scale` and keeps the picture's edges in
    place, x' = (x + 0.5) scale - 0.5, and crops are counted from the pixel where they were cut. If not,
    sleap-nn's arithmetic (0.3.5): x' = x scale whatever whole size results, and crops up to 1 px off."""
    pad_to: int = 1
    """The bottom and the right grow up to a multiple of this."""
    pad_with: Literal["zeros", "mirror"] = "zeros"
    """What they are filled with: the picture is mirrored in its last row and column, or nothing."""


class Network(Frozen):
    """Layers: what reads the picture, what mends its features, and what reads them, in order."""

    in_channels: Literal[1, 3]
    backbone: Part
    neck: Part | None = None
    heads: tuple[Part, ...]


class Stage(Frozen):
    """A network with its input arithmetic and with what becomes of its maps."""

    preparation: Preparation
    network: Network
    grouping: Part
    """How the decoded arrays become animals (`ethopose.models.grouping`)."""
    peak_threshold: float = 0.2


class ModelSpec(Frozen):
    """A model: one stage for whole frames, or two: find centroids or boxes, then read a
    crop of each."""

    name: str
    """Of its folder; of both, joined by `+`, for a pair."""
    family: str
    kind: str
    """What the model's own tool calls its type, for people to read."""
    skeleton: Skeleton
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=2)
    pixel_origin: float = 0.0
    """Where the model's own tool puts the centre of the top left pixel: 0, or 0.5."""
    result_formats: tuple[str, ...] = ()
    """The files that the model's own tool would have written, by their names in `ethopose.formats`."""
    tracked_formats: tuple[str, ...] = ()
    """The same where the model itself follows animals."""
    more_formats: tuple[str, ...] = ()
    """Those that it writes besides where it tracks the poses afterwards."""
    animals: PositiveInt | None = None
    """How many there are in its videos, as its project says; None: nobody knows."""
    plugins: tuple[Annotated[str, Field(pattern=r"^[^/\\]+\.py$")], ...] = ()
    """Files in the model's folder whose code makes parts of it (`ethopose.models.plugins`)."""
    provenance: dict[str, Any] = Field(default_factory=dict)

    @property
    def several(self) -> bool:
        """Whether it may find more than one animal in a frame."""
        return len(self.stages) > 1 or self.stages[0].grouping.name != "one_each"

    @property
    def tells_individuals(self) -> bool:
        """Whether it says which individual an animal is."""
        groupings = [stage.grouping for stage in self.stages]
        return any(each.name in KNOWS_WHO or bool(each.options.get("individuals")) for each in groupings)

    def digest(self, *weights: str) -> str:
        """sha256 of the spec without its name and of the digests of its weights."""
        text = self.model_dump_json(exclude=BESIDE)
        return hashlib.sha256("\n".join((text, *weights)).encode()).hexdigest()
