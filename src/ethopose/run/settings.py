"""How a run goes about it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from ethopose.core import UsageError
from ethopose.run.steps import steps_named

PROCESSES, CLUSTER, JOBS = "worker processes on this machine", "a Dask cluster", "the jobs of a cluster"
CLUSTERS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
ONLY_FOR = {
    **dict.fromkeys(("workers", "attempts", "on_gpu_failure", "hang_after", "min_gpu_memory"), PROCESSES),
    **dict.fromkeys(("cluster_gpus",), CLUSTER),
    **dict.fromkeys(("cluster_options", "jobs"), JOBS),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may say about a run, beside how each video is predicted (`ethopose.Options`)."""

    workers: int | None = None
    """Processes; None: one a GPU, or one on the CPU."""
    then: tuple[str, ...] = ()
    """Steps after each prediction, by name."""
    fail_fast: bool = False
    """Stop at the first video that fails."""
    attempts: int = 3
    """How often a video may end a process, for no packet that is found, before it is set aside."""
    on_gpu_failure: Literal["cpu", "retry", "stop"] = "cpu"
    """Where a GPU does not do a video, its memory being too small for a frame, say: it goes to the CPU; or it
    is tried again, `attempts` times in all; or the run stops."""
    hang_after: float = 300.0
    """Seconds without a sign of progress after which a worker is replaced."""
    limit: float | None = None
    """Seconds, from the moment that a model is loaded, after which the run stops, if a part is stored."""
    match: str = "*"
    """Of a folder's videos those that are named like this."""
    videotype: tuple[str, ...] = ()
    """Of a folder's videos those that end so."""
    min_gpu_memory: int = 3000
    """MB that must be free on a GPU to be used."""
    shard: tuple[int, int] = (1, 1)
    """(I, N): only each N-th video from the I-th on."""
    claim: bool = False
    """Pass over videos that another run is at work on, instead of refusing."""

    scheduler: str | None = None
    """Address of a Dask scheduler that runs: its workers do it."""
    cluster: str | None = None
    """slurm, pbs, lsf or sge: jobs of it are started as workers."""
    cluster_options: str | None = None
    """A YAML file of dask-jobqueue's keywords."""
    cluster_gpus: bool = False
    """Whether a task needs one `GPU` of its worker's Dask resources."""
    jobs: int = 1
    """Jobs of the cluster."""

    def __post_init__(self) -> None:
        for name, least in (
            ("workers", 1),
            ("attempts", 1),
            ("hang_after", 1.0),
            ("limit", 0.0),
            ("jobs", 1),
        ):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or value < least):
                raise UsageError(f"{name} is {value!r}", fix=f"give {least:g} or more, as a number")
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise UsageError(f"shard {self.shard[0]}/{self.shard[1]}", fix="give I/N with I from 1 to N")
        steps_named(self.then)
        if self.on_gpu_failure not in ("cpu", "retry", "stop"):
            raise UsageError(f"on_gpu_failure is {self.on_gpu_failure!r}", fix="choose cpu, retry or stop")
        self._check_place()

    def _check_place(self) -> None:
        if self.cluster is not None and self.cluster not in CLUSTERS:
            raise UsageError(f"no cluster is called {self.cluster!r}", fix=f"choose {', '.join(CLUSTERS)}")
        if self.scheduler and self.cluster:
            raise UsageError("both a scheduler and a cluster are named", fix="name one")
        elsewhere = bool(self.scheduler or self.cluster)
        here = {PROCESSES: not elsewhere, CLUSTER: elsewhere, JOBS: bool(self.cluster)}
        for setting in fields(self):
            place = ONLY_FOR.get(setting.name)
            if place is not None and not here[place] and getattr(self, setting.name) != setting.default:
                raise UsageError(f"{setting.name} is for {place}", fix="leave it out")
