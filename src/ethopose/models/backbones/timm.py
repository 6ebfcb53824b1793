"""Any convolutional or hierarchical encoder of timm (Wightman 2019), by its name there."""

from __future__ import annotations

import difflib
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from ethopose.core import SpecError
from ethopose.models.layers import IMAGENET, Normalise

# Names to begin with, and their millions of parameters without classifier.
RECOMMENDED = {
    "mobilenetv3_small_100": 0.9,
    "mobilenetv4_conv_small": 1.3,
    "efficientnet_b0": 3.6,
    "resnet18": 11.2,
    "convnext_tiny": 27.8,
    "resnet50": 23.5,
    "hrnet_w32": 30.9,
}


class Timm(nn.Module):
    """The encoder `model` with its features down to `max_stride`; `channels` maps strides to channels.

    With `output_stride` no layer goes deeper: those that would are dilated instead (of encoders that can).
    Pictures from 0 to 1 are normalised here by the mean and deviation that timm tells of the model, or by
    those of ImageNet with `imagenet`. Nothing is downloaded: weights are by chance, or those that
    `ethopose.models.pretrained` fetches.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        model: str,
        max_stride: int = 32,
        output_stride: int | None = None,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.model = in_channels, model
        dilated = {} if output_stride is None else {"output_stride": output_stride}
        whole = create_encoder(model, in_channels, **dilated)
        strides = whole.feature_info.reduction()
        if len(set(strides)) < len(strides) and not dilated:
            raise SpecError(f"{model} has no features at several strides", fix="choose another timm encoder")
        deepest = {stride: index for index, stride in enumerate(strides) if stride <= max_stride}
        if not deepest:
            raise SpecError(f"{model} has no features of stride {max_stride} or less; there are {strides}")
        self.encoder = create_encoder(model, in_channels, out_indices=tuple(deepest.values()), **dilated)
        self.channels = {stride: whole.feature_info.channels()[index] for stride, index in deepest.items()}
        told = self.encoder.pretrained_cfg
        mean, std = IMAGENET if imagenet else (told["mean"], told["std"])
        self.normalise = Normalise(mean, std, in_channels)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[int, Tensor]:
        """Feature maps by stride."""
        features = self.encoder(self.normalise(image))
        return dict(zip(self.channels, features, strict=True))


def encoder_names() -> list[str]:
    """The encoders that timm has, some of which give no features by stride."""
    import timm

    return list(timm.list_models())


def create_encoder(model: str, in_channels: int, **options: Any) -> Any:
    """The encoder that gives a list of features; `options` are those of `timm.create_model`.

    Raises:
        SpecError: timm has none of this name.
    """
    # only this class of theirs leaves out the layers below the deepest features, whatever the encoder
    return create_features(model, in_channels, feature_cls="getter", **options)


def create_features(model: str, in_channels: int, **options: Any) -> Any:
    """The same in the class that timm itself takes for it."""
    return create_model(model, in_channels, features_only=True, **options)


def create_model(model: str, in_channels: int, **options: Any) -> Any:
    """timm's own module.

    Raises:
        SpecError: timm has none of this name.
    """
    import timm

    name = model.partition(".")[0]
    if not timm.is_model(name):  # asked first, since timm would look for some names on the hub or the disk
        near = difflib.get_close_matches(name, encoder_names(), 5)
        fix = f"choose {', '.join(near)}" if near else "`ethopose models list --local` tells some"
        raise SpecError(f"timm has no encoder named {model!r}", fix=fix)
    return timm.create_model(model, in_chans=in_channels, **options)
