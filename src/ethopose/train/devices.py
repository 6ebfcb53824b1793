"""Where a training runs: devices, processes, precision."""

from __future__ import annotations

import logging
import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from ethopose.core import UsageError
from ethopose.runtime import Compute, resolve
from ethopose.train.config import Loop

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def decided(loop: Loop) -> Loop:
    """The same with device, precision and number of devices decided.

    Raises:
        UsageError: there are not so many devices, or they lack the precision.
    """
    found = resolve(Compute(device=loop.device, runtime="torch", precision="auto", threads=loop.threads))
    kind = found.device.split(":")[0]
    devices = loop.devices or int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if kind == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(
            f"{devices} devices asked for, there are {torch.cuda.device_count()}",
            fix="choose fewer --devices",
        )
    if kind == "mps" and devices > 1:
        raise UsageError("one MPS device is all there is", fix="leave out --devices")
    precision = loop.precision
    if precision == "auto":
        precision = "bf16" if found.precision == "bf16" else "fp16" if kind == "cuda" else "fp32"
    if precision == "fp16" and kind != "cuda":
        raise UsageError("fp16 is for CUDA devices", fix="choose loop.precision bf16 or fp32")
    update = {"device": found.device, "devices": devices, "precision": precision, "threads": found.threads}
    return loop.model_copy(update=update)


def make_fabric(loop: Loop) -> Fabric:
    """Fabric for a decided loop. Processes of torchrun or SLURM are taken as they are, others spawned."""
    kind, _, number = loop.device.partition(":")
    devices = loop.devices or 1
    alone = devices * loop.nodes == 1
    if (others := _processes()) not in (1, devices * loop.nodes):
        raise UsageError(
            f"{others} processes were started, for {devices} devices on {loop.nodes} machines",
            fix="say both: --devices (of each machine) and --nodes (docs/several-gpus.md)",
        )
    if loop.nodes > 1 and not _launched():
        raise UsageError(
            f"{loop.nodes} machines, and nothing that starts a process on each",
            fix="start it by torchrun or srun (docs/several-gpus.md)",
        )
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its greetings are no news
    settle(loop)
    return Fabric(
        accelerator=kind,
        devices=[int(number or 0)] if kind == "cuda" and alone else devices,
        num_nodes=loop.nodes,
        strategy="auto" if alone else "ddp_spawn" if spawns(loop) else "ddp",
        precision=PRECISIONS[loop.precision],  # type: ignore[arg-type]  # one of Fabric's own names
        plugins=None if _launched() else [LightningEnvironment()],
    )


def spawns(loop: Loop) -> bool:
    """Whether processes have to be made; those of torchrun and SLURM are there."""
    return (loop.devices or 1) * loop.nodes > 1 and not _launched()


def is_first() -> bool:
    """Whether this process is the one that speaks, of those that torchrun or SLURM started."""
    return not _launched() or int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0


def _processes() -> int:
    """How many processes torchrun or srun started; 1 where neither did. A job's own script is no step."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ.get("WORLD_SIZE", "1"))
    return int(os.environ.get("SLURM_NTASKS", "1")) if "SLURM_STEP_ID" in os.environ else 1


def _launched() -> bool:
    """Whether torchrun or srun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ or _processes() > 1


def settle(loop: Loop) -> None:
    """What holds for a whole process, and has to be told to each."""
    kind = loop.device.partition(":")[0]
    if kind == "cpu":
        torch.set_num_threads(max((loop.threads or 1) // (loop.devices or 1), 1))
    if kind == "cuda":
        torch.backends.cudnn.benchmark = not loop.deterministic
        torch.use_deterministic_algorithms(loop.deterministic, warn_only=True)
    if kind == "cuda" and loop.precision != "fp32":
        torch.set_float32_matmul_precision("high")


def place(loop: Loop) -> str:
    """`cpu` or `gpu`."""
    return "cpu" if loop.device == "cpu" else "gpu"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, or the host, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Give back what torch holds and does not use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
