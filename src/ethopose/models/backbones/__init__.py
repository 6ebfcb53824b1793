"""The backbones that a spec can name. A backbone is an image in, features by stride out."""

from ethopose.models.backbones.conditioned import Conditioned
from ethopose.models.backbones.conditioned_hrnet import ConditionedHRNet
from ethopose.models.backbones.cspnext import CSPNeXt
from ethopose.models.backbones.dlcrnet import DLCRNet
from ethopose.models.backbones.hrnet import HRNet
from ethopose.models.backbones.nano import Nano
from ethopose.models.backbones.pyramid import Pyramid
from ethopose.models.backbones.ssdlite import SSDLite
from ethopose.models.backbones.timm import Timm
from ethopose.models.backbones.unet import UNet
from ethopose.models.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "nano": Nano,
        "unet": UNet,
        "timm": Timm,
        "hrnet": HRNet,
        "cspnext": CSPNeXt,
        "dlcrnet": DLCRNet,
        "ssdlite": SSDLite,
        "pyramid": Pyramid,
        "conditioned": Conditioned,
        "conditioned_hrnet": ConditionedHRNet,
    },
)
