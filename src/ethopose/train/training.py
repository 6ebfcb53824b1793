"""Train a model: from labels to a folder that predicts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from ethopose.core import EthoposeError, Labels, UsageError
from ethopose.families import native
from ethopose.formats import split_names
from ethopose.formats.label_checks import Progress
from ethopose.models.plugins import load_plugin
from ethopose.store.atomic import make_folder, remove, remove_folder, replacing
from ethopose.train.config import Config, as_yaml
from ethopose.train.devices import decided, make_fabric, place, settle, spawns
from ethopose.train.journal import Journal, Nobody, Row, Watch, check_trackers
from ethopose.train.lessons import make_lesson
from ethopose.train.loop import train_stage
from ethopose.train.pictures import draw_batch, draw_validation
from ethopose.train.plan import Plan, plan
from ethopose.train.processes import launch
from ethopose.train.state import FINISHED, State, as_json, finished, load_state, note_finished
from ethopose.train.wishes import configured

TRAINING, CONFIG, STATE, LAST = "training", "config.yaml", "state.pt", "last.safetensors"
EVALUATION, NUMBERS = "evaluation", "metrics.json"  # folders that `ethopose.evaluate` writes into a model's


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training."""

    path: Path  # of the model's folder
    rows: tuple[Row, ...]  # its journal
    plan: Plan

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        choices = [asdict(choice) for choice in self.plan.choices]
        return {"path": str(self.path), "choices": choices, "rows": as_json([asdict(r) for r in self.rows])}


@dataclass(frozen=True, slots=True)
class Job:
    """What each process is handed."""

    plan: Plan
    out: Path
    resume: bool
    began: float  # on the clock of `time.time`


def train(
    labels: str | Path | Sequence[str | Path] | Labels,
    out: str | Path,
    *,
    config: Config | Mapping[str, Any] | Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    watch: Watch | None = None,
    **settings: Any,
) -> Trained:
    """Train a model from labels of any tool, or from those in memory, into the folder `out`.

    `settings` are those of the command line: kind, preset, minutes, backbone, weights ...; all others
    stand in `config`, a YAML file or what is in one. A training that was stopped goes on with `resume`,
    bit for bit as if it had not been where its length is given in steps and it runs on a CPU.

    Raises:
        UsageError: `out` holds a model already, or a training that may be resumed.
        DataError, FormatError: the labels are none to learn from.
        SpecError: the configuration asks for what cannot be.
        ModelError: the loss became no number; the last good weights are kept.
    """
    began = time.time()
    given = labels if isinstance(labels, Labels) else None
    sources = () if isinstance(labels, Labels) else (labels,) if isinstance(labels, str | Path) else labels
    out, watch = Path(out), watch or Nobody()
    asked = wished(tuple(map(Path, sources)), out, config, settings, resume=resume)
    check_trackers(asked.loop.trackers)
    _refuse(out, resume=resume, overwrite=overwrite)
    fabric = make_fabric(decided(asked.loop))
    watch = watch if fabric.is_global_zero else Nobody()
    made = prepare(asked, out, given, watch.bar)
    _refuse_uneven(made, fabric.world_size)
    watch.plan(made)
    if resume and (ended := finished(out / TRAINING, made.key())) is not None:
        watch.say("the training is done: nothing is left to go on with")
        _tidy(out / TRAINING)
        return Trained(out, tuple(Row(**row) for row in ended), made)
    job = Job(made, out, resume, began)
    rows = launch(fabric, partial(_run, job), watch, spawned=spawns(made.config.loop))
    return Trained(out, tuple(Row(**row) for row in rows), made)


def wished(
    labels: tuple[Path, ...],
    out: Path,
    config: Config | Mapping[str, Any] | Path | str | None,
    settings: Mapping[str, Any],
    *,
    resume: bool,
) -> Config:
    """What is asked for; a training that goes on asks for what it was begun with unless told otherwise."""
    stored = out / TRAINING / CONFIG
    return configured(labels, stored if resume and config is None and stored.exists() else config, settings)


def prepare(
    config: Config, out: Path, labels: Labels | None = None, progress: Progress | None = None
) -> Plan:
    """Read the labels, unless they are given, and decide everything."""
    for plugin in config.plugins:
        load_plugin(plugin)
    config = config.model_copy(update={"loop": decided(config.loop)})
    return plan(config, out.name, place(config.loop), labels, progress)


def _refuse(out: Path, *, resume: bool, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError("a file is there, wanted a folder", where=out, fix="choose another -o")
    if not out.exists() or overwrite:
        return
    begun = (out / TRAINING / STATE).exists()
    if begun and not resume:
        raise UsageError("a training is there that did not end", where=out, fix="--resume, or --overwrite")
    if begun or (resume and (out / TRAINING / FINISHED).exists()):
        return
    if resume and (out / native.SPEC).exists():
        raise UsageError(
            "a model is there, and no training to go on with", where=out, fix="another -o, or --overwrite"
        )
    if any(each.name != TRAINING or any(each.iterdir()) for each in out.iterdir()):
        raise UsageError("the folder is not empty", where=out, fix="choose another -o, or --overwrite")


def _refuse_uneven(made: Plan, processes: int) -> None:
    for name, stage in made.config.stages.items():
        if (stage.batch or 0) % processes:
            raise UsageError(
                f"{name}: a batch of {stage.batch} cannot be shared by {processes} devices",
                fix=f"choose a --batch-size that {processes} divides",
            )


def _run(job: Job, fabric: Fabric, watch: Watch) -> list[dict[str, Any]]:
    """All stages, in one process of perhaps several."""
    made, folder, first = job.plan, job.out / TRAINING, fabric.is_global_zero
    settle(made.config.loop)
    for plugin in made.config.plugins:
        load_plugin(plugin)
    state = State(made.key())
    goes_on = job.resume and (folder / STATE).exists()
    if goes_on:
        state = load_state(folder / STATE, state.key)
    fabric.barrier()
    if first:
        if not goes_on:
            _clear(job.out)
            state.save(folder / STATE)
        _tell(made, folder)
    fabric.barrier()
    loop = made.config.loop
    trackers = loop.trackers if first else ()
    with Journal(folder, trackers, watch, draw_every=loop.save_every) as journal:
        _teach(job, fabric, state, journal)
    return state.rows


def _teach(job: Job, fabric: Fabric, state: State, journal: Journal) -> None:
    """Stage after stage, from where `state` is."""
    made, folder, first = job.plan, job.out / TRAINING, fabric.is_global_zero
    since, watch = job.began, journal.watch
    while state.stage < len(made.config.stages):
        lesson = make_lesson(fabric, made, state.stage, folder, state, lambda s: _keep(job, s), watch)
        _decide_budget(made, state, time.time() - since)
        if first:
            draw_batch(lesson.batches, folder / f"{lesson.name}.batch.png")
        train_stage(fabric, lesson, state, journal)
        since = time.time()
        if first:
            draw_validation(fabric, lesson, state, folder / f"{lesson.name}.validation.png")
        state.next_stage()
        if first:
            state.save(folder / STATE)
    if first:
        journal.draw(state.rows)
        _finish(job, state)


def _decide_budget(made: Plan, state: State, waited: float) -> None:
    """Of the minutes that are left, the share of the stage that begins; `waited` seconds were lost."""
    minutes = made.config.loop.minutes
    if minutes is None or (state.budget and minutes == state.minutes):
        return
    state.spent += waited
    state.ending = 0.0  # known again after the next validation
    shares = [stage.share for stage in made.config.stages.values()][state.stage :]
    state.budget = max(60 * minutes - state.spent, 1.0) * shares[0] / sum(shares)
    state.minutes = minutes


def _clear(out: Path) -> None:
    """Nothing of an earlier training stays, nor is its model taken for the new one, nor what was measured."""
    try:
        code = [out / name for name in native.read([out]).spec.plugins]
    except EthoposeError:  # nothing is there, or nothing whole
        code = []
    for path in (out / native.SPEC, *code):
        remove(path)
    measured = (file.parent for file in out.glob(f"{EVALUATION}*/{NUMBERS}"))
    for folder in (out / TRAINING, *measured):
        remove_folder(folder)
    make_folder(out / TRAINING)


def _tell(made: Plan, folder: Path) -> None:
    with replacing(folder / CONFIG) as file:
        file.write(as_yaml(made.config).encode())
    with replacing(folder / "split.json") as file:
        file.write(json.dumps(split_names(made.labels), indent=1).encode())


def _keep(job: Job, state: State) -> None:
    """A model that can be used as soon as each of its stages has weights."""
    weights = [*state.finished, state.best]
    if len(weights) == len(job.plan.spec.stages):
        native.write(job.out, job.plan.spec, weights, plugins=job.plan.config.plugins, half=False)


def _finish(job: Job, state: State) -> None:
    folder = job.out / TRAINING
    native.write(job.out, job.plan.spec, state.finished, plugins=job.plan.config.plugins, half=False)
    with replacing(folder / LAST) as file:
        file.write(native.packed(state.finished_last, half=False))
    note_finished(folder, state)
    _tidy(folder)


def _tidy(folder: Path) -> None:
    """What is only needed to go on; a training that was killed just before it ended may have left it."""
    for path in (*folder.glob("*.npy"), folder / STATE):
        remove(path)
