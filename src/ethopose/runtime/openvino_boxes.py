"""How OpenVINO chooses among boxes that overlap: its front end does not know torchvision's operation."""

from __future__ import annotations

from typing import Any

import numpy as np

NAME = "ethopose.unrivalled.default"  # `ethopose.models.suppression`, as torch.export writes it
LOWEST = np.float32(np.finfo(np.float32).min)


def extension() -> Any:
    """What the front end has to be given before it converts a network that has the operation."""
    from openvino.frontend.pytorch import ConversionExtension

    return ConversionExtension(NAME, _convert)


def _convert(node: Any) -> list[Any]:
    """The nodes that stand for one: OpenVINO names those that stay, which are marked in an array of zeros."""
    from openvino import opset13 as ops

    boxes, score = node.get_input(0), node.get_input(1)
    shape = ops.shape_of(score, output_type="i64")
    most = ops.gather(shape, np.int64(1), np.int64(0))
    each = ops.unsqueeze(score, np.int64(1))
    overlap = np.float32(node.get_values_from_const_input(2))
    stay = ops.non_max_suppression(boxes, each, most, overlap, LOWEST, sort_result_descending=False)
    cells = ops.gather(stay.output(0), np.array([0, 2]), np.int64(1))  # of (picture, class, box)
    number = ops.gather(ops.shape_of(cells, output_type="i64"), np.array([0]), np.int64(0))
    zeros, ones = ops.broadcast(np.float32(0), shape), ops.broadcast(np.float32(1), number)
    return [ops.scatter_nd_update(zeros, cells, ones).output(0)]
