"""ethopose run, status, retry: many videos."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.predicting import (
    Animals,
    BatchSize,
    Cropping,
    Detections,
    DetectorBatchSize,
    Dynamic,
    Features,
    Formats,
    Frames,
    MaxInstances,
    Out,
    Overwrite,
    PeakThreshold,
    Precision,
    Profile,
    Runtime,
    Strict,
    Threads,
    TopDownDynamic,
    Track,
    TrackConditions,
    TrustCode,
    chooses_model,
)
from ethopose.cli.screen import Screen
from ethopose.core import ExitCode

if TYPE_CHECKING:
    from rich.live import Live

    from ethopose.run.hands import Hand
    from ethopose.run.preflight import Finding
    from ethopose.run.work import Work

EVERY = 0.25  # seconds between two pictures of the table
SHOWN = 12  # rows of it
PACE = 240  # pictures over which frames a second are counted

Run = Annotated[Path, Argument(help="A run's folder.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Enter the commands."""
    app.command()(chooses_model("model")(run))
    app.command()(status)
    app.command()(retry)
    app.command()(sbatch)


def run(
    context: typer.Context,
    videos: Annotated[
        list[str],
        Argument(help="Videos, folders, patterns, lists (.txt) or tables (.csv).", show_default=False),
    ],
    model: Annotated[
        list[Path] | None,
        Option("-m", "--model", help="A model folder; two for a top-down pair; or a column of a table."),
    ] = None,
    out: Out = None,
    folder: Annotated[
        Path | None, Option("--run", help="The run's own record; beside the results if left out.")
    ] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda, or GPUs by number: 0,1; -1 is the CPU.")] = "auto",
    workers: Annotated[int | None, Option(min=1, help="Processes; one a device if left out.")] = None,
    min_gpu_memory: Annotated[int, Option(min=0, help="MB that must be free on a GPU to be used.")] = 3000,
    on_gpu_failure: Annotated[str, Option(help="Where a GPU fails at a video: cpu, retry, stop.")] = "cpu",
    match: Annotated[str, Option(help="Of a folder's videos those named like this.")] = "*",
    videotype: Annotated[list[str] | None, Option(help="Of a folder's videos those that end so.")] = None,
    then: Annotated[str | None, Option(help="Steps after each prediction, such as render.")] = None,
    fail_fast: Annotated[bool, Option("--fail-fast", help="Stop at the first video that fails.")] = False,
    attempts: Annotated[int, Option(min=1, help="Unexplained crashes after which a video is set aside.")] = 3,
    hang_after: Annotated[float, Option(min=1, help="Seconds without progress that end a worker.")] = 300.0,
    limit: Annotated[str | None, Option(help="Stop after so long, and one part: 30s, 5m, 2h.")] = None,
    shard: Annotated[str | None, Option(help="I/N: only each N-th video from the I-th on.")] = None,
    check: Annotated[bool, Option("--check", help="Only look for what would go wrong.")] = False,
    claim: Annotated[bool, Option("--claim", help="Share the videos with other runs on them.")] = False,
    scheduler: Annotated[str | None, Option(help="A Dask scheduler whose workers do it.")] = None,
    cluster: Annotated[str | None, Option(help="slurm, pbs, lsf or sge: its jobs do it.")] = None,
    cluster_options: Annotated[Path | None, Option(help="dask-jobqueue's keywords, in YAML.")] = None,
    cluster_gpus: Annotated[bool, Option("--cluster-gpus", help="A task needs a worker's GPU.")] = False,
    jobs: Annotated[int, Option(min=1, help="Of the cluster.")] = 1,
    batch_size: BatchSize = None,
    detector_batch_size: DetectorBatchSize = None,
    peak_threshold: PeakThreshold = None,
    max_instances: MaxInstances = None,
    animals: Animals = None,
    track: Track = True,
    frames: Frames = None,
    cropping: Cropping = None,
    detections: Detections = False,
    features: Features = None,
    dynamic: Dynamic = None,
    top_down_dynamic: TopDownDynamic = None,
    track_conditions: TrackConditions = None,
    threads: Threads = None,
    runtime: Runtime = None,
    precision: Precision = "fp32",
    format: Formats = None,
    overwrite: Overwrite = False,
    trust_code: TrustCode = False,
    strict: Strict = False,
    profile: Profile = False,
) -> int:
    """Poses in many videos, on all devices; what fails is listed. Run the same line again to go on.

    Example: ethopose run recordings/ -m mice
    """
    from ethopose.run import check as look
    from ethopose.run import run as run_all

    screen: Screen = context.obj
    settings: dict[str, Any] = {
        "out": out,
        "device": device,
        "workers": workers,
        "min_gpu_memory": min_gpu_memory,
        "on_gpu_failure": on_gpu_failure,
        "match": match,
        "videotype": tuple(videotype or ()),
        "then": tuple(then.split(",")) if then else (),
        "fail_fast": fail_fast,
        "attempts": attempts,
        "hang_after": hang_after,
        "limit": _seconds(limit),
        "shard": _shard(shard),
        "claim": claim,
        "scheduler": scheduler,
        "cluster": cluster,
        "cluster_options": None if cluster_options is None else str(cluster_options),
        "cluster_gpus": cluster_gpus,
        "jobs": jobs,
        "batch_size": batch_size,
        "detector_batch_size": detector_batch_size,
        "peak_threshold": peak_threshold,
        "max_instances": max_instances,
        "animals": animals,
        "track": track,
        "frames": frames,
        "cropping": cropping,
        "detections": detections,
        "features": features,
        "dynamic": dynamic,
        "top_down_dynamic": top_down_dynamic,
        "track_conditions": track_conditions,
        "threads": threads,
        "runtime": runtime,
        "precision": precision,
        "format": tuple(format) if format else None,
        "overwrite": overwrite,
        "trust_code": trust_code,
        "strict": strict,
    }
    if check:
        return _tell_findings(screen, look(videos, model or (), **settings))
    with _Table(screen) as table:
        report = run_all(videos, model or (), folder=folder, watch=table.show, **settings)
    screen.report(report.as_data(), [*report.lines(), *(report.profile() if profile else [])])
    return int(report.exit_code)


def status(context: typer.Context, folder: Run) -> int:
    """Where a run stands, also while it goes on or after it was killed.

    Example: ethopose status recordings/mice.run
    """
    from ethopose.run.status import read_status

    screen: Screen = context.obj
    told = read_status(folder)
    screen.give(told.as_data(), told.lines())
    return int(told.exit_code)


def retry(context: typer.Context, folder: Run) -> int:
    """Do again what failed in a run, and what it had not come to.

    Example: ethopose retry recordings/mice.run
    """
    from ethopose.run import retry as again

    screen: Screen = context.obj
    with _Table(screen) as table:
        report = again(folder, watch=table.show)
    screen.report(report.as_data(), report.lines())
    return int(report.exit_code)


def sbatch(
    context: typer.Context,
    words: Annotated[
        list[str], Argument(help="After two dashes: a line of run or train.", show_default=False)
    ],
    jobs: Annotated[int, Option(min=1, help="How many jobs share a run's videos.")] = 1,
    gpus: Annotated[int, Option(min=0, help="Of each job; 0 for none.")] = 1,
    cpus: Annotated[int, Option(min=1, help="Cores for each task.")] = 4,
    memory: Annotated[str, Option("--mem", help="Of each job.")] = "64G",
    limit: Annotated[str, Option("--time", help="Of each job; the rest goes on in the next.")] = "08:00:00",
    partition: Annotated[str | None, Option(help="The cluster's part; its default if left out.")] = None,
    mail: Annotated[str | None, Option(help="Who is told when a job ends.")] = None,
    setup: Annotated[str | None, Option(help="A line before: source venv/bin/activate.")] = None,
) -> int:
    """Print a script for SLURM's sbatch that does a run or a training.

    Example: ethopose sbatch --jobs 10 -- run recordings -m mice
    """
    from ethopose.run.sbatch import Job, sbatch_script

    _check_line(context, words)
    typer.echo(sbatch_script(words, Job(jobs, gpus, cpus, memory, limit, partition, mail, setup)), nl=False)
    return 0


def _check_line(context: typer.Context, words: Sequence[str]) -> None:
    """What is wrong in the line is told now, and not by a job in the night."""
    root = context.find_root()
    command = root.command.get_command(root, words[0])  # type: ignore[attr-defined]  # it is a group
    if command is not None:
        command.make_context(words[0], list(words[1:]), parent=root)


def _tell_findings(screen: Screen, found: Sequence[Finding]) -> int:
    rows = [(Path(each.video).name, ("" if each.fatal else "note: ") + each.what) for each in found]
    fatal = sum(each.fatal for each in found)
    rows.append(("check", f"{fatal} to be mended" if fatal else "no fault was found"))
    screen.report([asdict(each) for each in found], rows)
    return int(ExitCode.FAILED if fatal else ExitCode.DONE)


def _seconds(text: str | None) -> float | None:
    from ethopose.core import UsageError

    if text is None:
        return None
    number, unit = (text[:-1], text[-1]) if text[-1:] in "smh" else (text, "s")
    try:
        return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError:
        raise UsageError(f"--limit {text} is no time", fix="write it as 30s, 5m or 2h") from None


def _shard(text: str | None) -> tuple[int, int]:
    from ethopose.core import UsageError

    if text is None:
        return 1, 1
    index, _, number = text.partition("/")
    if not (index.isdigit() and number.isdigit()):
        raise UsageError(f"--shard {text} is no share", fix="write it as 2/10")
    return int(index), int(number)


class _Table:
    """Recordings under way, over a line of what is done; a line a recording where no person looks."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._last = screen, 0.0
        self._live: Live | None = None
        self._pace: deque[tuple[float, int]] = deque(maxlen=PACE)  # when, and frames until then
        self._told: set[int] = set()
        self._works: Sequence[Work] = ()

    def __enter__(self) -> _Table:
        if self._screen.watched:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)
        self._tell_ended()

    def show(self, works: Sequence[Work], hands: Sequence[Hand]) -> None:
        """A new picture, if it is time."""
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        if self._live is not None:
            self._live.update(self._picture(works, hands))
        self._works = works
        self._tell_ended()

    def _tell_ended(self) -> None:
        """Where no person looks: a line for each recording that has ended since."""
        if self._live is not None or self._screen.quiet or self._screen.as_json:
            return
        for work in self._works:
            if work.ended and not work.kept and work.number not in self._told:
                self._told.add(work.number)
                why = f": {work.error}" if work.error else ""
                typer.echo(f"{work.state:10} {work.entry.name}{why}", err=True)

    def _picture(self, works: Sequence[Work], hands: Sequence[Hand]) -> Any:
        from rich.table import Table

        rate = self._rate(works)
        ended = sum(work.ended for work in works)
        table = Table(box=None, pad_edge=False)
        for name in ("video", "state", "frames", "done", "workers"):
            table.add_column(name)
        going = [work for work in works if work.state in ("opening", "predicting", "wrapping")]
        for work in going[:SHOWN]:
            done, total = work.frames
            told = (f"{done} of {total}", f"{done / total:.0%}") if total else ("", "")
            on = {hand.device for hand in hands for task in hand.heavy if task.work == work.number}
            table.add_row(Path(work.entry.name).name, work.state, *told, ", ".join(sorted(on)))
        failed = sum(work.state == "failed" for work in works)
        table.caption = (
            f"{ended} of {len(works)} videos, {failed} failed; {rate:.0f} frames/s on {len(hands)} workers"
            f"{_left(works, rate)}"
        )
        table.caption_justify = "left"
        return table

    def _rate(self, works: Sequence[Work]) -> float:
        """Frames a second that were stored lately."""
        self._pace.append((self._last, sum(work.fresh for work in works)))
        (before, few), (now, many) = self._pace[0], self._pace[-1]
        return (many - few) / (now - before) if now > before else 0.0


def _left(works: Sequence[Work], rate: float) -> str:
    """How long it will take, if videos that were not opened yet are as long as the others."""
    known = [total for work in works if (total := work.frames[1])]
    if not known or not rate:
        return ""
    mean = sum(known) / len(known)
    left = sum((work.frames[1] or mean) - work.frames[0] for work in works if not work.ended)
    return f"; about {timedelta(seconds=round(left / rate))} left"
