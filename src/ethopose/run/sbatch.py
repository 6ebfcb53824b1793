"""Scripts for SLURM: jobs that share the videos of a run, or a training that outlives its time limit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ethopose.core import UsageError

WARNING = 120  # seconds before the time limit at which a job is told
TIME = re.compile(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}")  # minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S
MEMORY = re.compile(r"\d+[KMGT]?")


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of the cluster."""

    jobs: int = 1
    gpus: int = 1
    cpus: int = 4
    memory: str = "64G"
    time: str = "08:00:00"
    partition: str | None = None
    mail: str | None = None
    setup: str | None = None  # a line that makes `ethopose` known, such as `source venv/bin/activate`


def sbatch_script(words: Sequence[str], job: Job) -> str:
    """A script for `sbatch` that runs `ethopose WORDS`, a run or a training.

    Jobs of a run share its videos (`--claim`). Each is warned before its time ends, stores what it has, and
    is submitted again until all is done.

    Raises:
        UsageError: the words are neither a run nor a training, or a training is asked for in several jobs.
    """
    if not words or words[0] not in ("run", "train"):
        raise UsageError("a script is for run or train", fix="ethopose sbatch -- run recordings -m mice")
    for name, text, form, example in (
        ("time", job.time, TIME, "08:00:00"),
        ("mem", job.memory, MEMORY, "64G"),
    ):
        if not form.fullmatch(text):
            raise UsageError(f"--{name} {text} is nothing that SLURM knows", fix=f"write it as {example}")
    running = words[0] == "run"
    if running and "--overwrite" in words:
        raise UsageError(
            "jobs that share a run would replace each other's results", fix="leave out --overwrite"
        )
    if not running and job.jobs > 1:
        raise UsageError(f"one training in {job.jobs} jobs", fix="leave out --jobs; for several GPUs: --gpus")
    several = not running and job.gpus > 1  # processes, one a GPU
    asked = [
        f"--job-name=ethopose-{words[0]}",
        f"--array=1-{job.jobs}" if running else None,
        f"--gres=gpu:{job.gpus}" if job.gpus else None,
        f"--ntasks-per-node={job.gpus}" if several else None,
        f"--cpus-per-task={job.cpus}",
        f"--mem={job.memory}",
        f"--time={job.time}",
        f"--partition={job.partition}" if job.partition else None,
        f"--mail-user={job.mail}" if job.mail else None,
        "--mail-type=END,FAIL" if job.mail else None,
        f"--signal=TERM@{WARNING}",
        "--requeue",
        f"--output=%x-{'%A_%a' if running else '%j'}.log",
        "--open-mode=append",
    ]
    more = ["--claim"] if running else ["--resume", *(["--devices", str(job.gpus)] if several else [])]
    line = shlex.join([*words, *(word for word in more if word not in words)])
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in asked if option),
            *([job.setup] if job.setup else []),
            f"srun --cpus-per-task={job.cpus} ethopose {line}",  # which it does not take from above
            "code=$?",
            'if [ "$code" -eq 75 ]; then scontrol requeue "$SLURM_JOB_ID"; fi  # stopped: it goes on later',
            'exit "$code"',
            "",
        ]
    )
