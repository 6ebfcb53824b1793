"""Both graphs of a stage in torch, on a CPU or a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from ethopose.core import InferenceError, MemoryFullError
from ethopose.models.build import AppearanceGraph, DecodeGraph, build_trained, build_wide
from ethopose.models.grouping import Arrays
from ethopose.runtime.options import Compute
from ethopose.runtime.stage import Maps, Shape, StageSource


class TorchStage:
    """A stage on a device."""

    def __init__(self, source: StageSource, shape: Shape, compute: Compute) -> None:
        self._device = torch.device(compute.device)
        if self._device.type == "cpu" and compute.threads:
            torch.set_num_threads(compute.threads)
        if self._device.type == "cuda" and compute.precision == "fp32":
            torch.backends.cudnn.allow_tf32 = False  # TF32 keeps 10 bits: not what fp32 promises
        graph = build_trained(source.stage, source.weights())
        whole = graph if source.appearance is None else AppearanceGraph(graph, source.appearance)
        with _told():
            self._graph = whole.to(self._device).to(memory_format=torch.channels_last)
        self._decode = {False: DecodeGraph(graph), True: DecodeGraph(build_wide(source.stage))}
        self._low = compute.precision == "bf16"

    def network(self, pictures: np.ndarray) -> Maps:
        """Graph 1."""
        low = torch.autocast(self._device.type, torch.bfloat16) if self._low else contextlib.nullcontext()
        with torch.inference_mode(), low, _told():
            images = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device, non_blocking=True)
            return list(self._graph(images))

    def features(self, maps: Maps) -> np.ndarray:
        """The last of them."""
        with _told():
            features: np.ndarray = maps[-1].cpu().numpy()
        return features

    def decode(self, maps: Maps, *, wide: bool = False) -> Arrays:
        """Graph 2."""
        graph = self._decode[wide]
        with torch.inference_mode(), _told():
            return {name: found.cpu().numpy() for name, found in zip(graph.names, graph(*maps), strict=True)}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryFullError("the device is out of memory", fix="choose a smaller --batch-size") from error
    except RuntimeError as error:
        raise InferenceError(f"torch failed ({str(error).splitlines()[0]})") from error
