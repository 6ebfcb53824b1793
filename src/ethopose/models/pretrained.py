"""Weights that others trained on ImageNet, from a cache, timm's hub, or a file."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethopose.core import ModelError
from ethopose.models.spec import Part

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = 5  # s


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There are no weights to start from, and why: to be told to whoever asked for them."""

    reason: str


def imagenet_weights(
    backbone: Part, in_channels: int, file: Path | None = None
) -> Mapping[str, Tensor] | Unreachable:
    """A state of the backbone that `backbone` describes, of pictures of 1 or 3 channels.

    `file` is a checkpoint of the same encoder as timm stores it, `.safetensors` or torch's with tensors only.
    Without one the hub's cache on this machine is looked up, then the hub itself: that opens sockets.

    Raises:
        ModelError: the file cannot be read, or holds other weights.
        SpecError: there is no such backbone, or it cannot have these options.
    """
    if backbone.name != "timm":
        return Unreachable(f"nobody has trained the backbone {backbone.name} on ImageNet; `timm` is the one")
    from ethopose.models.backbones import BACKBONES

    built = BACKBONES.build("timm", in_channels=in_channels, **backbone.options)
    model, kept = backbone.options["model"], len(built.channels)
    file = file or _cached(model)
    if file is None and (reason := out_of_reach()):
        return Unreachable(f"no ImageNet weights of {model} in the hub's cache, and no hub ({reason})")
    given = {} if file is None else {"pretrained_cfg_overlay": {"state_dict": _read(file)}}
    try:
        state = _loaded(model, in_channels, out_indices=range(kept), **given)
    except Exception as error:  # the hub, its HTTP client and timm have errors of their own, none in common
        reason = " ".join(str(error).split()) or type(error).__name__
        if file is not None:
            raise ModelError(f"no weights of {model} ({reason})", where=file) from error
        return Unreachable(f"no ImageNet weights of {model} ({reason})")
    return {f"encoder.{name}": tensor for name, tensor in state.items()}


def _loaded(model: str, in_channels: int, **options: Any) -> Mapping[str, Tensor]:
    """timm's state of an encoder, which passes over layers that it has no weights for: they are as drawn."""
    import torch

    from ethopose.models.backbones.timm import create_encoder

    states: list[Mapping[str, Tensor]] = []
    with torch.random.fork_rng(devices=[]):
        for pretrained in (False, True):
            torch.manual_seed(0)
            encoder = create_encoder(model, in_channels, pretrained=pretrained, **options)
            states.append(encoder.state_dict())
    drawn, loaded = states
    for name, tensor in loaded.items():
        if torch.equal(tensor, drawn[name]) and (tensor != tensor.flatten()[0]).any():
            raise ValueError(f"{name} is missing")
    return loaded


def _cached(model: str) -> Path | None:
    """The file in the hub's cache on this machine."""
    import timm
    from huggingface_hub import try_to_load_from_cache

    told = timm.get_pretrained_cfg(model)
    if not told or not told.hf_hub_id:
        return None
    found = try_to_load_from_cache(told.hf_hub_id, told.hf_hub_filename or "model.safetensors")
    return Path(found) if isinstance(found, str) else None


def out_of_reach() -> str | None:
    """Why the hub does not answer; asked once, since its client tries again and again for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return None  # it answers
    except OSError as error:
        return str(error)
    return None


def _read(file: Path) -> Mapping[str, Tensor]:
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"weights that cannot be read ({reason})", where=file) from error
    if not isinstance(state, dict):
        raise ModelError("no weights: it holds no mapping", where=file)
    return dict(state.get("state_dict", state))
