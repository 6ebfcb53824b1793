"""SSDLite's features: a MobileNet that goes on to ever deeper strides (Howard et al. 2019)."""

from __future__ import annotations

from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v3_large
from torchvision.models.detection.ssdlite import SSDLiteFeatureExtractorMobileNet

from ethopose.models.layers import IMAGENET, Normalise, reading

CHANNELS = {16: 672, 32: 480, 64: 512, 128: 256, 256: 256, 512: 128}
TAPPED = 13  # the block of stride 32: what its first layer gives is taken at stride 16
HALF = (0.5, 0.5, 0.5)


class SSDLite(nn.Module):
    """MobileNetV3 with the narrow end of SSDLite and four more layers, each of twice the stride.

    Pictures from 0 to 1 are normalised here by ImageNet's mean and deviation, and once more by a half, as
    those who trained such detectors did (DeepLabCut 3.0.1 hands torchvision what is normalised already);
    then brought to `size` (height, width), where it is given, bilinearly and without antialiasing. Strides
    are those of the picture of that size.
    """

    def __init__(self, *, in_channels: int = 3, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.in_channels, self.size = in_channels, None if size is None else tuple(size)
        self.normalise = nn.Sequential(Normalise(*IMAGENET, in_channels), Normalise(HALF, HALF, in_channels))
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
        layers = mobilenet_v3_large(norm_layer=norm, reduced_tail=True).features
        layers[0][0] = reading(in_channels, layers[0][0])
        self.encoder = SSDLiteFeatureExtractorMobileNet(layers, TAPPED, norm)
        self.channels = dict(CHANNELS)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        image = self.normalise(image)
        if self.size is not None:
            image = functional.interpolate(image, self.size, mode="bilinear")
        return dict(zip(self.channels, self.encoder(image).values(), strict=True))
