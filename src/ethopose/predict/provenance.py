"""What is worth knowing about how a result was made, under the names that SLEAP-NN's guide lists."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ethopose.families import Model
from ethopose.runtime import Compute, cuda_version, gpu_names

PACKAGES = ("ethopose", "sleap_io", "torch", "openvino", "numpy", "av")


def at_start(
    model: Model, compute: Compute, videos: Sequence[Path], settings: dict[str, Any]
) -> dict[str, Any]:
    """Versions, machine, model and input of a run that begins now."""
    sources = [str(video.absolute()) for video in videos]
    return {
        "timestamp_start": _now(),
        "sleap_nn_version": None,  # of the training, where the family knows it
        **{f"{name}_version": _version(name) for name in PACKAGES},
        **model.spec.provenance,
        "model_paths": [str(path) for path in model.paths],
        "model_type": model.spec.kind,
        "head_type": [part.name for stage in model.spec.stages for part in stage.network.heads],
        "source_path": sources[0],
        "source_video_paths": sources,
        **settings,
        "threads": compute.threads,
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "cuda_version": cuda_version(),
        "gpu_names": gpu_names(compute.device),
        "command": " ".join(sys.argv),
    }


def at_end(seconds: float) -> dict[str, Any]:
    """What is known once all frames are stored. A resumed run counts the seconds since its last start."""
    return {"timestamp_end": _now(), "runtime_sec": round(seconds, 3)}


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
