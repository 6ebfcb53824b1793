"""A dry run: the first steps of every stage, to tell memory and speed before hours are spent."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from ethopose.runtime.device import host_peak
from ethopose.train.devices import make_fabric
from ethopose.train.journal import Nobody
from ethopose.train.learner import Learner
from ethopose.train.lessons import make_lesson
from ethopose.train.plan import Plan
from ethopose.train.state import State

STEPS = 5  # the first of them is slower and not timed


@dataclass(frozen=True, slots=True)
class Trial:
    """What a stage needs."""

    stage: str
    loss: float  # of the last step that was tried
    images_per_s: float  # of all devices, if each is as fast as the one that was tried
    memory: int  # bytes: of the process so far, or on one GPU
    micro_batch: int  # pictures at a time that fit
    minutes: float  # for the whole stage at this speed

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def try_out(plan: Plan) -> list[Trial]:
    """Take the first steps of each stage on one device, with its share of the batch; nothing is kept."""
    loop = plan.config.loop.model_copy(update={"devices": 1, "nodes": 1})
    fabric = make_fabric(loop)
    with tempfile.TemporaryDirectory() as folder:
        return [_try_stage(fabric, plan, index, Path(folder)) for index in range(len(plan.spec.stages))]


def _try_stage(fabric: Fabric, plan: Plan, index: int, folder: Path) -> Trial:
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)
    state = State("")
    lesson = make_lesson(fabric, plan, index, folder, state, lambda state: None, Nobody())
    devices = (plan.config.loop.devices or 1) * plan.config.loop.nodes
    batch = lesson.batches.batch // devices
    learner = Learner(fabric, lesson.graph, plan.config, batch=batch, pretrained=bool(state.pretrained))
    state.micro_batch = min(plan.config.loop.micro_batch or batch, batch)
    began, loss = 0.0, torch.zeros(())
    for step in range(STEPS):
        loss, _ = learner.gradients(lesson.batches, state, 1.0)
        learner.step(0.1, step)
        state.step += 1
        began = began or time.perf_counter()
    value = float(loss)  # waits for the device
    speed = devices * batch * (STEPS - 1) / (time.perf_counter() - began)
    shares = [stage.share for stage in plan.config.stages.values()]
    budget = (plan.config.loop.minutes or 0.0) * shares[index] / sum(shares)
    minutes = budget or lesson.steps * lesson.batches.batch / speed / 60
    return Trial(lesson.name, value, speed, _memory(fabric), state.micro_batch, minutes)


def _memory(fabric: Fabric) -> int:
    """The most that was held, bytes."""
    if fabric.device.type == "cuda":
        return torch.cuda.max_memory_reserved(fabric.device)
    return host_peak()
