"""What goes wrong in a training: memory, numbers, disks. Nothing good is lost and one clear line says why."""

from __future__ import annotations

import errno
import logging
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_trainings import ONE, Told, coco_project, config_file, tiny, weights

import ethopose
from ethopose.core import EthoposeError, InferenceError, ModelError, ResultError
from ethopose.models.build import NetworkGraph
from ethopose.store import atomic
from ethopose.train import prepare
from ethopose.train.config import make_config
from ethopose.train.devices import make_fabric
from ethopose.train.journal import Nobody
from ethopose.train.learner import Learner
from ethopose.train.lessons import make_lesson
from ethopose.train.network import LossNetwork
from ethopose.train.state import State
from ethopose.train.validation import Validation


class Room:
    """Memory for so many pictures at a time."""

    def __init__(self, monkeypatch, pictures: int, error: Exception) -> None:
        self.seen: list[int] = []
        forward = LossNetwork.forward

        def limited(network: LossNetwork, images: torch.Tensor, *more: torch.Tensor):
            self.seen.append(len(images))
            if len(images) > pictures:
                raise error
            return forward(network, images, *more)

        monkeypatch.setattr(LossNetwork, "forward", limited)


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory"),
]


def a_learner(labels, out: Path, **more) -> tuple[Learner, object]:
    fixed = {"backbone": {"name": "nano", "options": {"width": 8, "norm": "group"}}}
    neck = {"name": "fpn", "options": {"width": 8, "stride": 4, "norm": "group"}}
    config = make_config(tiny(every_stage={**fixed, "neck": neck, "batch": 8}, **more))
    plan = prepare(config, out, labels)
    out.mkdir(exist_ok=True)
    fabric = make_fabric(plan.config.loop)
    lesson = make_lesson(fabric, plan, 0, out, State(""), lambda state: None, Nobody())
    return Learner(fabric, lesson.graph, plan.config, batch=8, pretrained=False), lesson.batches


def gradient(learner: Learner) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in learner.graph.parameters() if p.grad is not None])


@pytest.mark.parametrize("error", FULL, ids=["cuda", "cpu"])
def test_out_of_memory_halves_the_micro_batch_and_the_gradient_is_the_same(
    error, one, tmp_path, monkeypatch, caplog
):
    learner, batches = a_learner(one, tmp_path)
    state = State("", micro_batch=8)
    whole_loss, _ = learner.gradients(batches, state, 1.0)
    whole = gradient(learner).clone()
    for parameter in learner.graph.parameters():
        parameter.grad = None
    room = Room(monkeypatch, 2, error)
    with caplog.at_level(logging.WARNING, "ethopose"):
        loss, _ = learner.gradients(batches, state, 1.0)
    assert room.seen == [8, 4, 2, 2, 2, 2]
    assert state.micro_batch == 2
    assert loss.item() == pytest.approx(whole_loss.item(), abs=1e-5)
    torch.testing.assert_close(gradient(learner), whole, rtol=1e-4, atol=1e-6)
    assert "going on with 2 pictures at a time" in caplog.text


def test_a_training_that_runs_out_of_memory_ends_well(one, tmp_path, monkeypatch):
    room = Room(monkeypatch, 1, FULL[0])
    ethopose.train(one, tmp_path / "m", config=tiny())
    assert room.seen[:3] == [4, 2, 1]
    assert set(room.seen[3:]) == {1}
    assert len(weights(tmp_path / "m"))


def test_a_validation_that_runs_out_of_memory_is_the_same_in_smaller_pieces(one, tmp_path, monkeypatch):
    plan = prepare(make_config(tiny(data={"validation": 0.5})), tmp_path / "m", one)
    fabric = make_fabric(plan.config.loop)
    lesson = make_lesson(fabric, plan, 0, tmp_path, State(""), lambda state: None, Nobody())
    whole = lesson.validation(lesson.graph, fabric)
    outputs, seen = NetworkGraph.outputs, []

    def small(graph: NetworkGraph, image: torch.Tensor):
        seen.append(len(image))
        if len(image) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return outputs(graph, image)

    monkeypatch.setattr(NetworkGraph, "outputs", small)
    pieces = lesson.validation(lesson.graph, fabric)
    assert seen == [8, 4, 2, 2, 2, 2]
    assert pieces.score == pytest.approx(whole.score)


def test_a_picture_that_does_not_fit_alone_is_told(one, tmp_path, monkeypatch):
    Room(monkeypatch, 0, FULL[1])
    with pytest.raises(InferenceError, match="out of memory with 1 pictures at a time"):
        ethopose.train(one, tmp_path / "m", config=tiny())


def test_other_errors_of_torch_are_not_taken_for_memory(one, tmp_path, monkeypatch):
    room = Room(monkeypatch, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        ethopose.train(one, tmp_path / "m", config=tiny())
    assert room.seen == [4]


def finite(model: Path) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in weights(model).values())


def test_a_loss_that_is_no_number_keeps_the_last_good_weights(one, tmp_path, monkeypatch):
    step = 0
    forward = LossNetwork.forward

    def spoilt(network: LossNetwork, *given: torch.Tensor):
        nonlocal step
        step += 1
        losses = forward(network, *given)
        return {name: loss * (float("nan") if step > 5 else 1.0) for name, loss in losses.items()}

    with monkeypatch.context() as patch:
        patch.setattr(LossNetwork, "forward", spoilt)
        with pytest.raises(ModelError, match="no number any more") as told:
            ethopose.train(one, tmp_path / "m", config=tiny(loop={"patience": None}))
    assert re.search("no number any more at step [678]; the weights of step [15] are kept", told.value.what)
    assert finite(tmp_path / "m")
    ethopose.load(tmp_path / "m").weights(0)


@pytest.mark.parametrize("rate", [1e18, 1e30])
def test_a_rate_that_is_far_too_high_leaves_no_broken_model(rate, tmp_path, ethopose_says):
    project = coco_project(tmp_path / "project", ONE)
    how = config_file(tmp_path, optimiser={"rate": rate, "warm_up": 0}, loop={"patience": None})
    said = ethopose_says("train", project, "--config", how, "-o", tmp_path / "m")
    assert said.code == 1
    last = said.err.splitlines()[-1]
    assert last.startswith("ethopose: ")
    assert "no number any more" in last
    assert "lower optimiser.rate" in last
    assert not (tmp_path / "m/model.yaml").exists() or finite(tmp_path / "m")


def test_weights_that_are_no_numbers_are_never_kept(one, tmp_path, monkeypatch):
    """A step can spoil the weights whose loss, told before it, was good."""
    whole_step = Learner.step

    def spoilt(learner: Learner, rate: float, number: int) -> None:
        whole_step(learner, rate, number)
        if number == 7:  # the last
            for tensor in learner.average.network.parameters():
                tensor.mul_(torch.nan)

    monkeypatch.setattr(Learner, "step", spoilt)
    with pytest.raises(ModelError, match="no number any more at step 8"):
        ethopose.train(one, tmp_path / "m", config=tiny(loop={"patience": None}))
    assert finite(tmp_path / "m")


class Full(atomic.Disk):
    """A disk that is full from its n-th operation on; what removes still works."""

    def __init__(self, after: int | None = None) -> None:
        self.done, self.after = 0, after

    def _count(self) -> None:
        self.done += 1
        if self.after is not None and self.done >= self.after:
            raise OSError(errno.ENOSPC, "No space left on device")

    def make_folder(self, path: Path) -> None:
        self._count()
        super().make_folder(path)

    def create(self, path: Path):
        self._count()
        return super().create(path)

    def sync(self, path: Path) -> None:
        self._count()
        super().sync(path)

    def replace(self, source: Path, target: Path) -> None:
        self._count()
        super().replace(source, target)


def test_a_disk_that_fills_up_at_any_write_leaves_whole_files(one, tmp_path, monkeypatch):
    how = tiny(loop={"save_every": 0}, every_stage={"steps": 2})
    full = Full()
    monkeypatch.setattr(atomic, "disk", full)
    ethopose.train(one, tmp_path / "once", config=how)
    assert full.done > 30
    for after in [*range(1, 16, 2), *range(16, full.done + 1, 7)]:
        out = tmp_path / f"full-{after}"
        monkeypatch.setattr(atomic, "disk", Full(after))
        with pytest.raises(ResultError, match="No space left on device") as told:
            ethopose.train(one, out, config=how)
        assert Path(str(told.value.where)).is_relative_to(out)
        assert not list(out.rglob(".partial-*"))
        monkeypatch.setattr(atomic, "disk", atomic.Disk())
        if (out / "model.yaml").exists():
            ethopose.load(out).weights(0)
        ethopose.train(one, out, config=how, resume=True)
        assert all(
            torch.equal(a, b)
            for a, b in zip(weights(out).values(), weights(tmp_path / "once").values(), strict=True)
        )


def test_pictures_that_find_no_room_are_told_before_they_are_written(one, tmp_path, monkeypatch):
    """A memory-mapped file on a full disk would end the process without a word."""

    def no_room(file: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(ResultError, match="No space left on device"):
        ethopose.train(one, tmp_path / "m", config=tiny())


def test_a_folder_that_cannot_be_written_is_told_before_the_first_step(one, tmp_path, monkeypatch):
    class Locked(atomic.Disk):
        def make_folder(self, path: Path) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(atomic, "disk", Locked())
    told = Told()
    with pytest.raises(ResultError, match=r"Permission denied.*-o"):
        ethopose.train(one, tmp_path / "m", config=tiny(), watch=told)
    assert {what for what, _, _ in told.bars} == {"looking at labelled images"}


def test_the_command_line_tells_a_full_disk_in_one_line(tmp_path, monkeypatch, ethopose_says):
    project = coco_project(tmp_path / "project", ONE)
    monkeypatch.setattr(atomic, "disk", Full(12))
    said = ethopose_says("train", project, "--config", config_file(tmp_path), "-o", tmp_path / "m")
    assert said.code == 75
    assert "No space left on device" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err


@pytest.mark.parametrize("size", [30.0, 1e4])
def test_validation_of_a_wild_network_takes_bounded_time_and_says_what_was_left_out(size, two, tmp_path):
    plan = prepare(make_config(tiny(kind="bottom-up")), tmp_path / "m", two)
    fabric = make_fabric(plan.config.loop)
    lesson = make_lesson(fabric, plan, 0, tmp_path, State(""), lambda state: None, Nobody())
    graph = lesson.graph.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.normal_(0, size)
    began = time.perf_counter()
    checked = lesson.validation(graph, fabric)
    assert time.perf_counter() - began < 20
    assert np.isfinite(checked.score)
    assert checked.extra <= 32 * 3


def test_overflow_is_said(two, tmp_path, monkeypatch):
    told = Told()
    check = Validation.__call__

    def wild(validation, graph, fabric):
        with torch.no_grad():
            for parameter in graph.heads[0].layer.parameters():
                parameter.normal_(0, 30)
        return check(validation, graph, fabric)

    monkeypatch.setattr(Validation, "__call__", wild)
    maps = {"name": "confidence_map", "options": {"keypoints": 3, "stride": 4, "sigma": 1.5, "sigmoid": True}}
    maps["options"] |= {"refinement": "offset", "peaks_kept": 2}
    plain = prepare(make_config(tiny(kind="bottom-up")), tmp_path / "plain", two)
    fields = plain.spec.stages[0].network.heads[1].model_dump(mode="json")
    how = tiny(kind="bottom-up", every_stage={"heads": [maps, fields]})
    ethopose.train(two, tmp_path / "m", config=how, watch=told)
    assert any("more peaks" in line for line in told.lines)


def test_errors_are_of_the_house(one, tmp_path):
    """What cannot be is an error with a way out, before anything is written."""
    for wish in ({"device": "cuda:7"}, {"precision": "fp16"}, {"devices": 0}, {"weights": tmp_path / "none"}):
        with pytest.raises(EthoposeError):
            ethopose.train(one, tmp_path / "m", config=tiny(), **wish)
    assert not (tmp_path / "m").exists()
