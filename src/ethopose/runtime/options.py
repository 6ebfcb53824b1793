"""Where and how to compute, as a user may ask for it."""

from __future__ import annotations

from dataclasses import dataclass

from ethopose.core import UsageError

RUNTIMES = ("openvino", "torch")
PRECISIONS = ("fp32", "bf16", "auto")


@dataclass(frozen=True, slots=True)
class Compute:
    """Device, runtime, precision of graph 1 and CPU threads. `resolve` settles what is left open."""

    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    runtime: str | None = None  # openvino or torch
    precision: str = "fp32"
    threads: int | None = None

    @property
    def at_once(self) -> int:
        """Batches that graph 1 computes side by side: threads that share one wait for each other."""
        return min(self.threads or 1, 2) if self.runtime == "openvino" else 1

    def __post_init__(self) -> None:
        if self.runtime not in (None, *RUNTIMES):
            raise UsageError(f"no runtime is named {self.runtime!r}", fix=f"choose {' or '.join(RUNTIMES)}")
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"no precision is named {self.precision!r}", fix=f"choose {', '.join(PRECISIONS)}"
            )
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"{self.threads} threads cannot work", fix="give --threads 1 or more")
