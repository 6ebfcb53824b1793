"""What the machine has, and what a wish comes to on it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from ethopose.core import UsageError
from ethopose.runtime.options import Compute


def resolve(asked: Compute) -> Compute:
    """The same with every field decided; never something else than was asked for.

    A CPU runs OpenVINO unless torch is asked for, every other device torch. `auto` takes the first
    GPU that torch can use, else the CPU.

    Raises:
        UsageError: the device is not there, or it cannot do what was asked.
    """
    device = _device(asked)
    runtime = asked.runtime or ("openvino" if device == "cpu" else "torch")
    if runtime == "openvino" and device != "cpu":
        raise UsageError(
            f"openvino runs on the CPU only, not on {device}", fix="leave out --runtime or --device"
        )
    decided = replace(asked, device=device, runtime=runtime, threads=asked.threads or usable_cores())
    fast = _has_bf16(decided)
    if asked.precision == "bf16" and not fast:
        raise UsageError(f"{device} has no bf16 arithmetic", fix="choose --precision auto or fp32")
    precision = asked.precision if asked.precision != "auto" else "bf16" if fast else "fp32"
    return replace(decided, precision=precision)


def usable_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def host_peak() -> int:
    """The most bytes that this process held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cuda_version() -> str | None:
    """The CUDA that torch was built for, where torch is loaded: it is not loaded for this."""
    built = getattr(sys.modules.get("torch"), "version", None)  # which it lacks while it is being loaded
    return built.cuda if built else None


def gpu_names(device: str) -> list[str]:
    """What the makers call the GPUs of a decided device; none for a CPU."""
    if not device.startswith("cuda"):
        return []
    import torch

    return [torch.cuda.get_device_name(device)]


def free_gpu_memory() -> dict[str, int]:
    """MB that are free on each GPU that torch can use, by device."""
    import torch

    gpus = range(torch.cuda.device_count())
    return {f"cuda:{index}": torch.cuda.mem_get_info(index)[0] // 2**20 for index in gpus}


def _device(asked: Compute) -> str:
    if asked.device == "cpu" or (asked.device == "auto" and asked.runtime == "openvino"):
        return "cpu"
    if asked.device == "auto" and not gpu_driver_present():
        return "cpu"  # without asking torch, whose import takes seconds
    import torch

    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    there += ["mps"] if torch.backends.mps.is_available() else []
    wanted = "cuda:0" if asked.device == "cuda" else asked.device
    if asked.device == "auto":
        return there[0] if there else "cpu"
    if wanted not in there:
        raise UsageError(
            f"no device {asked.device} that torch can use here",
            fix=f"choose {', '.join(['cpu', *there])}; `ethopose doctor` tells why a GPU is unused",
        )
    return wanted


def gpu_driver_present() -> bool:
    """Whether a GPU driver is there at all (NVIDIA's, or a Mac's)."""
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg")) or os.name == "nt" or _is_mac()


def _is_mac() -> bool:
    return os.uname().sysname == "Darwin"


def _has_bf16(decided: Compute) -> bool:
    if decided.runtime == "openvino":
        from ethopose.runtime.openvino import has_bf16

        return has_bf16()
    import torch

    if decided.device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())
    return decided.device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
