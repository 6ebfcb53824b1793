"""A stage's two graphs, compiled and run. Knows nothing of tools, files of models, or videos."""

from __future__ import annotations

from ethopose.runtime.appearance import appearance
from ethopose.runtime.device import cuda_version, gpu_names, resolve
from ethopose.runtime.options import Compute
from ethopose.runtime.stage import CompiledStage, Maps, Shape, StageSource

__all__ = [
    "CompiledStage",
    "Compute",
    "Maps",
    "Shape",
    "StageSource",
    "appearance",
    "compile_stage",
    "cuda_version",
    "gpu_names",
    "resolve",
]


def compile_stage(source: StageSource, shape: Shape, compute: Compute) -> CompiledStage:
    """A stage ready for batches of one shape, on what `resolve` decided."""
    if compute.runtime == "openvino":
        from ethopose.runtime.openvino import OpenVinoStage

        return OpenVinoStage(source, shape, compute)
    from ethopose.runtime.torch import TorchStage

    return TorchStage(source, shape, compute)
