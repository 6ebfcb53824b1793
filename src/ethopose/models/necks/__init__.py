"""The necks that a spec can name. A neck is features by stride in, better features by stride out."""

from torch import nn

from ethopose.models.necks.fpn import FPN
from ethopose.models.registry import Registry

NECKS: Registry[nn.Module] = Registry("neck", {"fpn": FPN})
