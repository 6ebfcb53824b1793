"""The weights of a DeepLabCut snapshot under the names of our modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ethopose.core import ModelError
from ethopose.families.checkpoint import read_checkpoint
from ethopose.models.spec import Part

Names = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]


def _counted(ours: str, by: int) -> Callable[[re.Match[str]], str]:
    """Our name with their number, counted from elsewhere."""
    return lambda match: ours.format(int(match[1]) + by)


# DeepLabCut's names and ours, by backbone; each is looked for once in a name.
BACKBONES: Mapping[str, Names] = {
    "timm": ((r"^backbone\.model\.", "backbone.encoder.model."),),
    "dlcrnet": (
        (r"^backbone\.model\.", "backbone.encoder."),
        (r"^backbone\.conv_block1\.", "backbone.deep.0."),
        (r"^backbone\.conv_block2\.", "backbone.deep.1."),
        (r"^backbone\.conv_block3\.", "backbone.shallow.0."),
        (r"^backbone\.conv_block4\.", "backbone.shallow.1."),
        (r"^backbone\.conv_block5\.", "backbone.shallow.2."),
    ),
    "hrnet": ((r"^backbone\.model\.", "backbone.encoder."),),
    "cspnext": (
        (r"^backbone\.stage(\d)\.", _counted("backbone.stages.{}.", -1)),
        (r"\.(main|short)_conv\.", r".\1."),
        (r"\.final_conv\.", ".join."),
        (r"(\.blocks\.\d+)\.conv1\.", r"\1.first."),
        (r"(\.blocks\.\d+)\.conv2\.(depth|point)wise_conv\.", r"\1.\2wise."),
        (r"(stages\.3\.1)\.conv1\.", r"\1.first."),
        (r"(stages\.3\.1)\.conv2\.", r"\1.last."),
        (r"\.attention\.fc\.", ".attention.1."),
        (r"\.conv\.", ".0."),
        (r"\.norm\.", ".1."),
    ),
    "conditioned": (
        (r"^backbone\.rgb_preNet\.", "backbone.of_picture."),
        (r"^backbone\.cond_preNet\.", "backbone.of_conditions."),
    ),
    "conditioned_hrnet": (
        (r"^backbone\.model\.", "backbone.encoder."),
        (r"^backbone\.coam_stages\.(\d)\.att_layers\.", _counted("backbone.looks.{}.", +1)),
        (r"\.position_attention_module\.", ".cells."),
        (r"\.channel_attention_module\.", ".channels."),
        (r"\.cnn\.", ".of_branch."),
        (r"\.cnn_cond\.", ".of_conditions."),
        (r"\.pa\.fc_q\.", ".query."),
        (r"\.pa\.fc_k\.", ".key."),
        (r"\.pa\.fc_v\.", ".value."),
        (r"\.pa\.fc_o\.", ".join."),
    ),
}
WITHIN = "backbone.backbone."  # one within another: DeepLabCut's CondPreNet
HEADS: Names = (
    (r"\.heatmap_head\.transition_heatmap\.", ".maps_in."),
    (r"\.heatmap_head\.head_heatmap\.0\.", ".maps_blocks."),
    (r"\.heatmap_head\.head_heatmap\.1\.", ".maps_last."),
    (r"\.offset_head\.transition_offset\.", ".offsets_in."),
    (r"\.offset_head\.offset_feature_layers\.", ".offsets_blocks."),
    (r"\.offset_head\.offset_final_layer\.", ".offsets_last."),
    (r"\.regular_matrix$", ".grid"),
    (r"\.transform_matrix_conv\.", ".turn."),
    (r"\.translation_conv\.", ".move."),
    (r"\.adapt_conv\.", ".bent."),
    (r"(\.offsets_blocks\.\d+\.\d+)\.bn\.", r"\1.norm."),
    (r"^(heads\.\d+)\.heatmap_head\.", r"\1.maps."),
    (r"^(heads\.\d+)\.locref_head\.", r"\1.offsets."),
    (r"^(heads\.\d+)\.paf_head\.", r"\1.fields."),
    (r"^(heads\.\d+)\.convt1\.", r"\1.begin.maps."),
    (r"^(heads\.\d+)\.convt2\.", r"\1.begin.offsets."),
    (r"^(heads\.\d+)\.convt3\.", r"\1.begin.fields."),
    (r"^(heads\.\d+)\.convt4\.", r"\1.begin.features."),
    (r"^(heads\.\d+)\.final_layer\.", r"\1.layer."),
    (r"^(heads\.\d+)\.mlp\.0\.g$", r"\1.norm.length"),
    (r"^(heads\.\d+)\.mlp\.1\.", r"\1.widen."),
    (r"^(heads\.\d+)\.cls_x\.", r"\1.across."),
    (r"^(heads\.\d+)\.cls_y\.", r"\1.down."),
    (r"\.gau\.ln\.g$", ".attention.norm.length"),
    (r"\.gau\.uv\.", ".attention.project."),
    (r"\.gau\.gamma$", ".attention.gain"),
    (r"\.gau\.beta$", ".attention.shift"),
    (r"\.gau\.o\.", ".attention.last."),
    (r"\.gau\.res_scale\.scale$", ".attention.passing"),
    (r"^(heads\.\d+)\.mlp_head\.", r"\1.maps."),
    (r"\.hm_ref_layers\.(\d+)\.", r".refine.\1.maps."),
    (r"\.paf_ref_layers\.(\d+)\.", r".refine.\1.fields."),
    (r"\.deconv_layers\.", ".grow."),
    (r"\.final_conv\.", ".last."),
)
# of the part that AnimalTokenPose calls its neck: here it is of the head of animals
NECK: Names = (
    (r"^neck\.keypoint_token$", "token"),
    (r"^neck\.pos_embedding$", "place"),
    (r"^neck\.patch_to_embedding\.", "embed."),
    (r"^neck\.transformer(\d)\.layers\.", _counted("rounds.{}.layers.", -1)),
    (r"\.0\.fn\.norm\.", ".look_norm."),
    (r"\.0\.fn\.fn\.to_qkv\.", ".project."),
    (r"\.0\.fn\.fn\.to_out\.0\.", ".join."),
    (r"\.1\.fn\.norm\.", ".change_norm."),
    (r"\.1\.fn\.fn\.net\.0\.", ".change.0."),
    (r"\.1\.fn\.fn\.net\.3\.", ".change.2."),
)

DETECTORS: Names = (
    (r"^model\.backbone\.", "backbone.encoder."),
    (r"^model\.head\.", "heads.0.layers."),
    (r"^model\.rpn\.head\.", "heads.0.rpn."),
    (r"^model\.roi_heads\.box_head\.", "heads.0.look."),
    (r"^model\.roi_heads\.box_predictor\.", "heads.0.last."),
    (r"(_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),  # as torchvision called them before 0.13
    (r"(\.rpn\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
)


def detector_weights(snapshot: Path) -> dict[str, Tensor]:
    """Every weight of a detector's snapshot.

    Raises:
        ModelError: it holds none.
    """
    content = read_checkpoint(snapshot)
    if content and all(isinstance(value, Tensor) for value in content.values()):  # torchvision's own file
        content = {"model": {f"model.{name}": tensor for name, tensor in content.items()}}
    state = _state(content, "detector", snapshot)
    return {_substituted(name, DETECTORS): tensor for name, tensor in state.items()}


def stage_weights(
    snapshot: Path, backbone: Part, heads: Sequence[str], unread: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Every weight of a snapshot, but of layers that are `unread`; `heads` are named as there, in our order.

    Raises:
        ModelError: it holds none.
    """
    numbers = {f"heads.{name}.": f"heads.{number}." for number, name in enumerate(heads)}
    state = _state(read_checkpoint(snapshot), "pose", snapshot)
    renamed = {_renamed(name, backbone, numbers): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in renamed.items() if not name.startswith(tuple(unread))}


def _state(content: Mapping[str, Any], exported: str, snapshot: Path) -> dict[str, Tensor]:
    """Of a snapshot, or by its name there of an exported model; without layers of no channel, which of one
    keypoint those of the fields are."""
    state = content.get("model", content.get(exported))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(
            f"no weights: neither 'model' nor {exported!r} in it is a table of tensors", where=snapshot
        )
    return {name: tensor for name, tensor in state.items() if tensor.numel()}


def _renamed(name: str, backbone: Part, heads: Mapping[str, str]) -> str:
    if name.startswith(WITHIN) and "inner" in backbone.options:
        inner = _substituted(name.removeprefix("backbone."), BACKBONES[backbone.options["inner"]])
        return "backbone.inner." + inner.removeprefix("backbone.")
    if name.startswith("backbone."):
        return _substituted(name, BACKBONES[backbone.name])
    if name.startswith("neck."):
        return "heads.0." + _substituted(name, NECK)
    for theirs, ours in heads.items():
        if name.startswith(theirs):
            return _substituted(ours + name.removeprefix(theirs), HEADS)
    return name  # nobody's: it is told when the network is built


def _substituted(name: str, table: Names) -> str:
    for theirs, ours in table:
        name = re.sub(theirs, ours, name, count=1)
    return name
