"""The weights of a SLEAP-NN checkpoint under the names of our modules."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from ethopose.core import ModelError
from ethopose.families.checkpoint import read_checkpoint

# SLEAP-NN's names, each behind `model.`, and ours.
NAMES = (
    (r"backbone\.stem\.stem_stack\.(\d+)\.blocks\.stem\d+_conv(\d+)", r"backbone.stem.\1.\2.0"),
    (
        r"backbone\.encoders\.0\.encoder_stack\.(\d+)\.blocks\.stack0_enc\d+_conv(\d+)",
        r"backbone.encoder.\1.\2.0",
    ),
    (
        r"backbone\.middle_blocks\.(\d+)\.blocks\.stack0_enc\d+_middle_[a-z]+_conv(\d+)",
        r"backbone.middle.\1.\2.0",
    ),
    (r"backbone\.decoders\.0\.decoder_stack\.(\d+)\.blocks\.\w+_trans_conv", r"backbone.decoder.\1.up.0"),
    (
        r"backbone\.decoders\.0\.decoder_stack\.(\d+)\.blocks\.\w+_refine_conv(\d+)",
        r"backbone.decoder.\1.refine.\2.0",
    ),
    (r"head_layers\.(\d+)\.pre_classification(\d+)_fc", r"heads.\1.hidden.\2"),
    (r"head_layers\.(\d+)\.ClassVectorsHead", r"heads.\1.last"),
    (r"head_layers\.(\d+)\.\w+Head\.0", r"heads.\1.layer"),
)


def stage_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Every weight of a checkpoint; a name that is not in the table is an error."""
    state = read_checkpoint(checkpoint).get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError("no state_dict of tensors", where=checkpoint)
    return {_renamed(name, checkpoint): tensor for name, tensor in state.items()}


def _renamed(name: str, checkpoint: Path) -> str:
    module, _, kind = name.removeprefix("model.").rpartition(".")
    for pattern, ours in NAMES:
        if match := re.fullmatch(pattern, module):
            return f"{match.expand(ours)}.{kind}"
    raise ModelError(f"a weight of an unknown layer: {name}", where=checkpoint)
