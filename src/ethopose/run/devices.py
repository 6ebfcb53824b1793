"""Which devices a run uses, one worker each."""

from __future__ import annotations

import logging

from ethopose.core import UsageError
from ethopose.runtime import Compute, resolve
from ethopose.runtime.device import free_gpu_memory, gpu_driver_present

log = logging.getLogger(__name__)


def choose_devices(asked: str, workers: int | None, runtime: str | None, least: int) -> list[str]:
    """A device for each worker: `auto` takes all GPUs with enough free memory, most free first, else the CPU;
    `cpu` or -1, `cuda`, `mps`, `cuda:1`, or numbers of GPUs such as `0,1`. What CUDA_VISIBLE_DEVICES hides is
    not there.

    Raises:
        UsageError: a device is not there; the message lists those that are.
    """
    if asked in ("cpu", "-1") or (asked == "auto" and (runtime == "openvino" or not gpu_driver_present())):
        return ["cpu"] * (workers or 1)
    free = free_gpu_memory()
    if asked in ("auto", "cuda"):
        enough = [device for device, mb in sorted(free.items(), key=lambda item: -item[1]) if mb >= least]
        if not enough and asked == "auto":
            why = f"less than {least} MB free" if free else "none that torch can use"
            log.warning("no GPU is used (%s): the CPU does it", why)
            return ["cpu"] * (workers or 1)
        chosen = enough
    elif asked.replace(",", "").isdigit():
        chosen = [f"cuda:{number}" for number in asked.split(",")]
    else:
        chosen = [resolve(Compute(device=asked, runtime="torch", precision="fp32", threads=None)).device]
    for device in chosen:
        if device.startswith("cuda") and device not in free:
            there = ", ".join(f"{name} ({mb} MB free)" for name, mb in free.items()) or "none"
            raise UsageError(f"no device {device}", fix=f"choose cpu or one of these GPUs: {there}")
    if not chosen:
        fix = "choose --device cpu, or a lower --min-gpu-memory"
        raise UsageError(f"no GPU has {least} MB free", fix=fix)
    return [chosen[place % len(chosen)] for place in range(workers or len(chosen))]
