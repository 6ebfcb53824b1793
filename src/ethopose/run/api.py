"""`ethopose.run`: a thousand videos and a model in, results out, or a reason for each that is not."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from ethopose.core import UsageError
from ethopose.formats.exports import formats_named
from ethopose.media import open_recording
from ethopose.predict import Options
from ethopose.predict.options import options_from
from ethopose.run.bench import Opener, Setup
from ethopose.run.crew import Crew, Hire
from ethopose.run.devices import choose_devices
from ethopose.run.hands import Hand, ProcessHand
from ethopose.run.journal import SUFFIX, Journal, read_plan
from ethopose.run.plan import Plan, make_plan
from ethopose.run.preflight import Finding, findings
from ethopose.run.report import RunReport, VideoReport
from ethopose.run.settings import Settings
from ethopose.run.supervisor import Supervisor, Watch
from ethopose.run.work import UNDER_WAY, Work
from ethopose.runtime.device import usable_cores

if TYPE_CHECKING:
    from ethopose.run.cluster import Cluster

log = logging.getLogger(__name__)

SINK = "workers.log"  # in a run's folder
PATIENCE = 5.0  # seconds that a disk has to answer, once the run is over


def run(
    videos: str | Path | Sequence[str | Path],
    model: str | Path | Sequence[str | Path] = (),
    *,
    folder: str | Path | None = None,
    watch: Watch | None = None,
    opener: Opener = open_recording,
    **settings: Any,
) -> RunReport:
    """Predict many videos; run the same call again to go on where it stopped.

    Args:
        videos: files, folders, patterns, a list (`.txt`) or a table (`.csv`, one model a row if it says so).
        model: for rows that name none.
        folder: of the run's own record; beside the results if left out.
        watch: is shown all recordings and workers several times a second.
        opener: opens the segments of a recording in the workers, which must be able to import it.
        settings: those of `Settings` and of `ethopose.Options`.

    Raises:
        UsageError, ModelError: before any video is touched.
    """
    return _run(videos, model, folder, watch or _nobody, opener, settings)


def _run(
    videos: str | Path | Sequence[str | Path],
    model: str | Path | Sequence[str | Path],
    folder: str | Path | None,
    watch: Watch,
    opener: Opener,
    settings: Mapping[str, Any],
    *,
    retried: bool = False,
) -> RunReport:
    plan, told, options = _planned(videos, model, settings)
    call = {
        "videos": [str(Path(source).absolute()) for source in _several(videos)],
        "model": [str(Path(path).absolute()) for path in _several(model)],
        "settings": {name: _plain(value) for name, value in settings.items()},
    }
    place, share = _folder(plan, folder), plan.share(*told.shard)
    setup, over = Setup(plan.recipes, opener), Event()
    with _hiring(setup, told, options, place / SINK) as (devices, hire):
        journal = Journal(place, plan, call, told, retried=retried)
        supervisor = Supervisor(share, Crew(hire, place / SINK), told, journal, watch)
        left = replace(share, entries=tuple(work.entry for work in supervisor.works if not work.ended))
        ahead = Thread(target=_look_ahead, args=(left, told.then, over), name="preflight", daemon=True)
        ahead.start()
        try:
            supervisor.run(devices)
        finally:
            over.set()
            journal.close()
            ahead.join(PATIENCE)
    by_name = {work.entry.name: _told(work) for work in supervisor.works}
    return RunReport(journal.folder, by_name, supervisor.halted, options.strict, supervisor.seconds)


@contextmanager
def _hiring(
    setup: Setup, settings: Settings, options: Options, sink: Path
) -> Iterator[tuple[Sequence[str], Hire]]:
    """A device for each worker, and how to hire one."""
    if settings.scheduler is None and settings.cluster is None:
        devices = choose_devices(options.device, settings.workers, options.runtime, settings.min_gpu_memory)
        log.info("on %s", ", ".join(devices))
        yield devices, partial(_hired, setup, sink, max(1, usable_cores() // max(1, devices.count("cpu"))))
        return
    with _cluster(settings) as cluster:
        yield ["cpu"] * cluster.places, lambda device: cluster.hire(setup)


def _hired(setup: Setup, sink: Path, threads: int, device: str) -> Hand:
    """A worker process on a device; a recipe for the CPU stays there. Those on the CPU share its cores."""
    placed = (recipe if recipe.options.device == "cpu" else recipe.on(device) for recipe in setup.recipes)
    if device == "cpu":
        placed = (recipe if recipe.options.threads else recipe.threaded(threads) for recipe in list(placed))
    return ProcessHand(replace(setup, recipes=tuple(placed)), device, sink)


def _cluster(settings: Settings) -> Cluster:
    """The cluster that is asked for."""
    from ethopose.run import cluster

    if settings.scheduler is not None:
        return cluster.connect(settings.scheduler, gpus=settings.cluster_gpus)
    options = Path(settings.cluster_options) if settings.cluster_options else None
    return cluster.start_cluster(str(settings.cluster), settings.jobs, options, gpus=settings.cluster_gpus)


def _planned(
    videos: str | Path | Sequence[str | Path],
    model: str | Path | Sequence[str | Path],
    settings: Mapping[str, Any],
) -> tuple[Plan, Settings, Options]:
    mine = [field.name for field in fields(Settings)]
    known = [*mine, *(field.name for field in fields(Options)), "folder", "watch", "opener"]
    if unknown := set(settings) - set(known):
        raise UsageError(f"no option is named {min(unknown)!r}", fix=f"choose from {', '.join(known)}")
    told = Settings(**{name: value for name, value in settings.items() if name in mine})
    options = options_from({name: value for name, value in settings.items() if name not in mine})
    if told.claim and options.overwrite:
        what = "runs that share their videos would replace each other's results"
        raise UsageError(what, fix="leave out --overwrite, or --claim")
    if (told.scheduler or told.cluster) and not options.device.isalpha():
        what = f"device {options.device} is of this machine, and a cluster's places have none to choose"
        raise UsageError(what, fix="leave out --device, or name auto, cpu or cuda")
    models = [Path(each) for each in _several(model)]
    plan = make_plan(_several(videos), models, options, match=told.match, types=told.videotype)
    for recipe in plan.recipes:
        formats_named(recipe.options.format, ())
    return plan, told, options


def _look_ahead(plan: Plan, then: tuple[str, ...], over: Event) -> None:
    """Tell of faults before their turn comes, until the run is over."""
    with closing(findings(plan, then)) as found:
        for finding in found:
            if over.is_set():
                return
            if finding.fatal:
                log.warning("ahead: %s", finding.what)


def check(
    videos: str | Path | Sequence[str | Path], model: str | Path | Sequence[str | Path] = (), **settings: Any
) -> list[Finding]:
    """What would go wrong in a run, without beginning it; raises what `run` would raise at once."""
    from ethopose.run.making import Maker

    plan, told, options = _planned(videos, model, settings)
    device = "cpu"  # of a cluster it is not known
    if told.scheduler is None and told.cluster is None:
        device = choose_devices(options.device, told.workers, options.runtime, told.min_gpu_memory)[0]
    for recipe in plan.recipes:
        Maker(recipe.on(device)).try_out()
    return list(findings(plan, told.then))


def retry(folder: str | Path, *, watch: Watch | None = None) -> RunReport:
    """Run again as a run was called, without limit or share: what failed is tried again, what is done stays.

    Raises:
        UsageError: the folder is none of a run. FormatError: its record is damaged.
    """
    call = read_plan(Path(folder))["call"]
    settings: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in call["settings"].items()
    }
    for name in ("limit", "shard"):
        settings.pop(name, None)
    sources, model, place = call["videos"], call["model"], Path(folder)
    return _run(sources, model, place, watch or _nobody, open_recording, settings, retried=True)


def _plain(value: Any) -> Any:
    return str(Path(value).absolute()) if isinstance(value, Path) else value


def _several(given: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [given] if isinstance(given, str | Path) else list(given)


def _folder(plan: Plan, folder: str | Path | None) -> Path:
    """The run's folder: beside the results, named after the model."""
    if folder is not None:
        return Path(folder)
    common = Path(os.path.commonpath([entry.result.absolute().parent for entry in plan.entries]))
    return common / f"{'+'.join(dict.fromkeys(recipe.name for recipe in plan.recipes))}{SUFFIX}"


def _told(work: Work) -> VideoReport:
    frames, total = work.frames
    return VideoReport(
        name=work.entry.name,
        state="stopped" if work.state in UNDER_WAY else work.state,
        result=work.entry.result,
        files=work.files,
        frames=frames,
        total=total,
        animals=work.animals,
        lost=work.lost,
        deaths=work.deaths,
        seconds=round(work.seconds, 3),
        memory=work.memory,
        gpu_memory=work.gpu_memory,
        on_cpu=work.on_cpu,
        error=None if work.error is None else str(work.error),
        kept=work.kept,
    )


def _nobody(works: object, hands: object) -> None: ...
