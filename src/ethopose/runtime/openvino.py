"""Both graphs of a stage in OpenVINO, on the CPU.

A conversion is cached by the content it was made from; a run that finds it never imports torch.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ethopose.core import InferenceError
from ethopose.models.grouping import Arrays
from ethopose.runtime import openvino_boxes
from ethopose.runtime.cache import cached, code_digest
from ethopose.runtime.options import Compute
from ethopose.runtime.stage import Maps, Shape, StageSource

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

GRAPH = "graph.xml"
_converting = threading.Lock()  # torch.export serves one thread at a time
_HINT = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoStage:
    """A stage compiled for one shape of batch."""

    def __init__(self, source: StageSource, shape: Shape, compute: Compute) -> None:
        self._source, self._shape = source, shape
        self._network = _Graph(
            self._converted("network"), _HINT[compute.precision], compute.threads, compute.at_once
        )
        self._decode: dict[bool, _Graph] = {}
        self._making = threading.Lock()

    def network(self, pictures: np.ndarray) -> Maps:
        """Graph 1."""
        return list(self._network([pictures]).values())

    def decode(self, maps: Maps, *, wide: bool = False) -> Arrays:
        """Graph 2, on one thread: its steps are too small to share, and others have work meanwhile."""
        with self._making:
            if wide not in self._decode:
                self._decode[wide] = _Graph(self._converted("wide" if wide else "decode"), "f32", 1)
        return self._decode[wide](maps if self._source.appearance is None else maps[:-1])

    def features(self, maps: Maps) -> np.ndarray:
        """The last of them."""
        features: np.ndarray = maps[-1]
        return features

    def _converted(self, what: str) -> Path:
        source = self._source if what == "network" else replace(self._source, appearance=None)
        key = _key(source, self._shape, what)
        with _converting:
            return cached(key, lambda folder: _convert(self._source, self._shape, what, folder)) / GRAPH


class _Graph:
    """A compiled graph with the sets of buffers that it works in; callers take turns at them."""

    def __init__(self, path: Path, precision: str, threads: int | None, at_once: int = 1) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": at_once,
        }
        try:
            compiled = _core().compile_model(path, "CPU", options)
        except RuntimeError as error:
            raise InferenceError(
                f"OpenVINO cannot compile the network ({_first_line(error)})",
                where=path,
                fix="delete the cache folder, or choose --runtime torch",
            ) from error
        self._names = [output.get_any_name() for output in compiled.outputs]
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(at_once):
            self._free.put(compiled.create_infer_request())

    def __call__(self, inputs: list[np.ndarray]) -> Arrays:
        request = self._free.get()
        try:
            request.infer(inputs, share_inputs=True)
            return {
                name: tensor.data.copy()
                for name, tensor in zip(self._names, request.output_tensors, strict=True)
            }
        except RuntimeError as error:
            raise InferenceError(f"OpenVINO failed ({_first_line(error)})") from error
        finally:
            self._free.put(request)


def has_bf16() -> bool:
    """Whether this CPU computes in bf16 natively."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def openvino() -> Any:
    """The package, without the message that it sends to Google Analytics each time it is imported."""
    if "openvino" in sys.modules:
        return sys.modules["openvino"]
    telemetry = "openvino_telemetry"
    sys.modules[telemetry] = None  # type: ignore[assignment]  # openvino falls back to its own stub
    try:
        return import_module("openvino")
    finally:
        del sys.modules[telemetry]


@lru_cache(maxsize=1)
def _core() -> Any:
    # its binding to NumPy is made when first used, and two threads that do so at once wait for ever
    _ = openvino().Tensor(np.zeros((1, 1), np.float32), shared_memory=True).data
    return openvino().Core()


def _key(source: StageSource, shape: Shape, what: str) -> str:
    version = openvino().__version__
    digest = f"{source.digest}.floats" if source.floats else source.digest
    if source.appearance is not None:
        digest = f"{digest}.{source.appearance}"
    text = "\n".join((digest, what, str(shape), version, code_digest()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _convert(source: StageSource, shape: Shape, what: str, folder: Path) -> None:
    """Write a graph of a stage for one shape into a folder: `network`, `decode` or `wide`."""
    import torch

    from ethopose.models.build import AppearanceGraph, DecodeGraph, build, build_trained, build_wide

    log.info("converting the %s for OpenVINO; it is kept for the next time", what)
    pictures = torch.zeros(shape, dtype=torch.float32 if source.floats else torch.uint8)
    if what == "network":
        graph = build_trained(source.stage, source.weights())
        whole = graph if source.appearance is None else AppearanceGraph(graph, source.appearance)
        _save(whole, (pictures,), whole.names, folder / GRAPH)
        return
    graph = build(source.stage)
    with torch.no_grad():
        maps = graph(pictures)
    decode = DecodeGraph(build_wide(source.stage) if what == "wide" else graph)
    _save(decode, maps, decode.names, folder / GRAPH)


def _save(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], names: tuple[str, ...], path: Path
) -> None:
    import torch
    from numba.core.registry import cpu_target
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # numba reads functions of `math` when it first compiles, and torch.export replaces them meanwhile
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    # the front end itself, since `openvino.convert_model` writes to the home folder and reports its use
    with torch.no_grad(), _quiet():
        program = TorchFXPythonDecoder.from_exported_program(torch.export.export(module, example))
        front_end = FrontEndManager().load_by_framework("pytorch")
        front_end.add_extension(openvino_boxes.extension())
        model = front_end.convert(front_end.load(program))
    model.reshape({index: list(tensor.shape) for index, tensor in enumerate(example)})
    for output, name in zip(model.outputs, names, strict=True):
        output.tensor.set_names({name})
    openvino().save_model(model, path, compress_to_fp16=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the notes that OpenVINO logs about newer versions of torch, and the handler they set up."""
    handlers = list(logging.root.handlers)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        logging.root.handlers[:] = handlers


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
