"""The loop: one stage, from its first step to its last, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric

from ethopose.core import ModelError
from ethopose.models.build import NetworkGraph
from ethopose.train.batches import Batches
from ethopose.train.clock import Clock
from ethopose.train.config import Config
from ethopose.train.journal import Journal, Row
from ethopose.train.learner import Learner, learning_rate
from ethopose.train.state import State
from ethopose.train.stopping import Stopping
from ethopose.train.validation import Checked, Validation

FADE = 0.8  # from this share of a run on, augmentation is half as strong
GAIN = 0.99  # a score must fall to this share of the best to count as a gain
SETTLED = 0.6  # share of a run before which it is not stopped for want of gains
SATURATED = 0.8  # of an animal's length, at which errors stop to count
LOOKED_AT = 20  # steps after which the loss is looked at: looking makes a GPU wait


@dataclass(frozen=True, slots=True)
class Lesson:
    """All that the loop of a stage needs."""

    name: str
    graph: NetworkGraph
    batches: Batches
    validation: Validation
    config: Config
    steps: int  # counts where there is no budget of time
    state_path: Path
    keep: Callable[[State], None]  # called whenever there are better weights


def train_stage(fabric: Fabric, lesson: Lesson, state: State, journal: Journal) -> None:
    """Train to the end of the schedule, from where `state` is; leaves the weights in it.

    Raises:
        ModelError: the loss is no number any more; the last good weights are kept.
        InferenceError: not even one picture at a time fits into memory.
    """
    loop, settings = lesson.config.loop, lesson.config.optimiser
    batch = lesson.batches.batch
    learner = Learner(fabric, lesson.graph, lesson.config, batch=batch, pretrained=bool(state.pretrained))
    learner.restore(state)
    state.micro_batch = min(
        each or learner.mine for each in (state.micro_batch, loop.micro_batch, learner.mine)
    )
    clock = Clock(fabric, state, loop, steps=lesson.steps, seconds=state.budget or None)
    since = Since(fabric)
    progress = clock.progress()

    with Stopping() as stopping:
        while progress < 1:
            loss, waited = learner.gradients(lesson.batches, state, 1.0 if progress < FADE else 0.5)
            learner.step(learning_rate(progress, settings.warm_up, settings.final), state.step)
            state.step += 1
            since.add(loss, waited)
            progress = clock.progress()
            journal.watch.bar(lesson.name, round(1000 * min(progress, 1)), 1000)

            check = progress >= state.next_check or progress >= 1
            if check or since.steps % LOOKED_AT == 0:
                since.hear(fabric)
                _refuse_nonsense(lesson, state, finite=bool(torch.isfinite(since.loss)))
            if check:
                speed, waiting = since.speed(batch), since.waiting()
                began = time.perf_counter()
                checked = _checked(fabric, lesson, learner)
                kept = _keep(fabric, lesson, state, learner, checked, clock)
                if fabric.is_global_zero:
                    _tell_overflow(lesson, state, checked, journal)
                    facts = {
                        "loss": since.mean_loss(),
                        "images_per_s": speed,
                        "waiting": waiting,
                        "kept": kept,
                    }
                    rate = learning_rate(progress, settings.warm_up, settings.final) * learner.peak
                    journal.add(_row(lesson, state, checked, progress, {**facts, "rate": rate}), state.rows)
                state.next_check = clock.next_check(progress, time.perf_counter() - began)
                since = Since(fabric)
                if _stands_still(lesson, state, progress):
                    journal.watch.say(f"{lesson.name}: no gain since step {state.best_step}, stopped early")
                    break

            stop = stopping.agree(fabric, state.step)
            if fabric.is_global_zero and (clock.should_save() or stop) and learner.is_sound():
                learner.store(state)
                state.save(lesson.state_path)
            if stop:
                journal.watch.say(f"{lesson.name}: step {state.step} is saved; --resume goes on from there")
                stopping.obey()


class Since:
    """What happened since the last row of the journal."""

    def __init__(self, fabric: Fabric) -> None:
        self.loss, self.steps = torch.zeros((), device=fabric.device), 0
        self._waited, self._began = 0.0, time.perf_counter()

    def add(self, loss: torch.Tensor, waited: float) -> None:
        """A step."""
        self.loss = self.loss + loss
        self._waited += waited
        self.steps += 1

    def hear(self, fabric: Fabric) -> None:
        """Make the loss that of all processes."""
        if fabric.world_size > 1:
            self.loss = cast(torch.Tensor, fabric.all_reduce(self.loss, reduce_op="mean"))

    def mean_loss(self) -> float:
        """Of a step."""
        return float(self.loss) / self.steps

    def speed(self, batch: int) -> float:
        """Images a second."""
        return self.steps * batch / (time.perf_counter() - self._began)

    def waiting(self) -> float:
        """Share of the time that went into making pictures."""
        return self._waited / (time.perf_counter() - self._began)


def _refuse_nonsense(lesson: Lesson, state: State, *, finite: bool) -> None:
    if finite:
        return
    kept = f"the weights of step {state.best_step} are kept" if state.best else "nothing was learned yet"
    raise ModelError(
        f"{lesson.name}: the loss is no number any more at step {state.step}; {kept}",
        fix="choose a lower optimiser.rate, or loop.precision fp32",
    )


def _checked(fabric: Fabric, lesson: Lesson, learner: Learner) -> Checked | None:
    """The validation, made by the first process."""
    return lesson.validation(learner.average.network, fabric) if fabric.is_global_zero else None


def _keep(
    fabric: Fabric, lesson: Lesson, state: State, learner: Learner, checked: Checked | None, clock: Clock
) -> bool:
    """The weights of now as the last ones, and as the best where they are that, or as good; whether so."""
    last = learner.averaged()
    _refuse_nonsense(lesson, state, finite=all(bool(tensor.isfinite().all()) for tensor in last.values()))
    state.last = last
    score = checked.score if checked is not None and math.isfinite(checked.score) else math.inf
    kept = score * GAIN <= state.best_score
    if kept:
        if score < state.best_score * GAIN or score == math.inf:
            state.best_step = state.step
        state.best_score = min(state.best_score, score)
        state.best = state.last
        if fabric.is_global_zero:
            lesson.keep(state)
    state.best_step, state.best_score = clock.heard((state.best_step, state.best_score))
    return kept


def _stands_still(lesson: Lesson, state: State, progress: float) -> bool:
    patience = lesson.config.loop.patience
    if patience is None or state.budget:
        return False
    if progress < SETTLED or state.best_score > SATURATED * lesson.validation.length:
        return False  # the rate has yet to fall, or errors are too large for the score to tell a gain
    return progress - state.best_step / lesson.steps > patience


def _tell_overflow(lesson: Lesson, state: State, checked: Checked | None, journal: Journal) -> None:
    """Once, until it has passed."""
    before = any(row["stage"] == lesson.name and row["overflown"] for row in state.rows[-1:])
    if checked and checked.overflown and not before:
        journal.watch.say(
            f"{lesson.name}: {checked.overflown} validation images show more peaks than are kept; "
            "usual in the beginning"
        )


def _row(
    lesson: Lesson, state: State, checked: Checked | None, progress: float, facts: dict[str, Any]
) -> Row:
    return Row(
        stage=lesson.name,
        step=state.step,
        epoch=round(state.step * lesson.batches.batch / len(lesson.batches.examples), 2),
        progress=round(min(progress, 1), 4),
        median=checked.median if checked else math.nan,
        mean=checked.mean if checked else math.nan,
        missing=checked.missing if checked else math.nan,
        extra=checked.extra if checked else math.nan,
        overflown=checked.overflown if checked else 0,
        best=state.best_score,
        seconds=round(state.seconds, 2),
        **facts,
    )
