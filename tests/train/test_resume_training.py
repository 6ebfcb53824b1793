"""A training that was stopped goes on as if it had not been, however it was stopped."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
import torch
from small_trainings import ONE, Told, coco_project, config_file, journal, tiny, weights

import ethopose
from commands import start
from ethopose.core import ModelError, UsageError
from ethopose.models.pretrained import Unreachable
from ethopose.testing.models import tiny_model
from ethopose.train import start as network_start
from ethopose.train.learner import Learner

SAVING = {"loop": {"save_every": 0}}


class Killed(BaseException):
    """The process is gone."""


class Killer(Told):
    """Looks on until `step` steps of the training were made, then kills it."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def bar(self, what: str, done: int, total: int) -> None:
        self.left -= total == 1000
        if self.left == 0:
            raise Killed


def same(one: Path, other: Path) -> bool:
    mine, its = weights(one), weights(other)
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)


def told_but_time(model: Path) -> list[dict[str, str]]:
    """The journal without what depends on the clock; losses are means since the process began."""
    clock = ("seconds", "images_per_s", "waiting", "loss")
    return [{name: value for name, value in row.items() if name not in clock} for row in journal(model)]


@pytest.fixture(scope="module")
def unbroken(two, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "pair"
    ethopose.train(two, out, config=tiny(kind="top-down", loop={"patience": None}))
    return out


@pytest.mark.parametrize("step", [1, 2, 7, 8, 9, 12, 16])
def test_a_pair_killed_at_a_step_of_either_stage_ends_in_the_same_weights(step, two, unbroken, tmp_path):
    how = tiny(kind="top-down", loop={"patience": None, "save_every": 0})
    with pytest.raises(Killed):
        ethopose.train(two, tmp_path / "pair", config=how, watch=Killer(step))
    ethopose.train(two, tmp_path / "pair", resume=True)
    assert same(tmp_path / "pair", unbroken)
    assert told_but_time(tmp_path / "pair") == told_but_time(unbroken)


def test_killed_again_and_again_it_comes_to_the_same_end(two, unbroken, tmp_path):
    how = tiny(kind="top-down", loop={"patience": None, "save_every": 0})
    for _ in range(7):
        with pytest.raises(Killed):
            ethopose.train(two, tmp_path / "pair", config=how, resume=True, watch=Killer(3))
    ethopose.train(two, tmp_path / "pair", resume=True)
    assert same(tmp_path / "pair", unbroken)


def test_without_a_saved_state_a_resumed_training_begins_anew(two, unbroken, tmp_path):
    how = tiny(kind="top-down", loop={"patience": None, "save_every": 10**6})
    with pytest.raises(Killed):
        ethopose.train(two, tmp_path / "pair", config=how, watch=Killer(5))
    ethopose.train(two, tmp_path / "pair", resume=True)
    assert same(tmp_path / "pair", unbroken)


def test_what_others_have_in_the_folder_is_never_touched(one, tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="the folder is not empty"):
        ethopose.train(one, tmp_path, config=tiny(), resume=True)
    assert (tmp_path / "training/mine.txt").read_text() == "mine"
    ethopose.train(one, tmp_path / "m", config=tiny())
    for name in ("evaluation-2025", "evaluation-val"):
        (tmp_path / "m" / name).mkdir()
    (tmp_path / "m/evaluation-2025/mine.txt").write_text("mine")
    (tmp_path / "m/evaluation-val/metrics.json").write_text("{}")
    ethopose.train(one, tmp_path / "m", config=tiny(), overwrite=True)
    assert [path.name for path in (tmp_path / "m").glob("evaluation*")] == ["evaluation-2025"]


def test_what_a_network_began_with_is_not_asked_for_again(one, tmp_path, monkeypatch):
    """Whether ImageNet's weights can be reached may change between two starts."""
    backbone = {"name": "timm", "options": {"model": "lcnet_035"}}
    how = tiny(every_stage={"backbone": backbone}, loop={"save_every": 0})
    asked = []
    monkeypatch.setattr(
        network_start, "imagenet_weights", lambda *of: asked.append(of) or Unreachable("no network")
    )
    with pytest.raises(Killed):
        ethopose.train(one, tmp_path / "m", config=how, watch=Killer(4))
    ethopose.train(one, tmp_path / "m", resume=True)
    assert len(asked) == 1


def test_a_training_that_starts_from_another_model_can_be_resumed(one, tmp_path):
    ethopose.train(one, tmp_path / "donor", config=tiny())
    how = {
        "weights": tmp_path / "donor",
        "loop": {**tiny()["loop"], "patience": None},
        "every_stage": {"steps": 8},
    }
    ethopose.train(one, tmp_path / "once", config=how)
    how["loop"]["save_every"] = 0
    with pytest.raises(Killed):
        ethopose.train(one, tmp_path / "twice", config=how, watch=Killer(5))
    ethopose.train(one, tmp_path / "twice", resume=True)
    assert same(tmp_path / "once", tmp_path / "twice")


@pytest.fixture
def stopped(one, tmp_path) -> Path:
    """A training that was killed at its fourth step."""
    with pytest.raises(Killed):
        ethopose.train(one, tmp_path / "m", config=tiny(**SAVING), watch=Killer(4))
    return tmp_path / "m"


def test_other_labels_are_refused(stopped, one, two):
    from dataclasses import replace

    moved = replace(one, poses=replace(one.poses, xy=one.poses.xy + 1))
    with pytest.raises(ModelError, match="other labels or settings") as told:
        ethopose.train(moved, stopped, resume=True)
    assert told.value.where == stopped


@pytest.mark.parametrize(
    "wish", [{"steps": 9}, {"scale": 0.5}, {"seed": 1}, {"batch_size": 8}, {"preset": "fast"}]
)
def test_other_settings_are_refused(wish, stopped, one):
    before = (stopped / "training/state.pt").read_bytes()
    with pytest.raises(ModelError, match="other labels or settings"):
        ethopose.train(one, stopped, resume=True, **wish)
    assert (stopped / "training/state.pt").read_bytes() == before
    ethopose.train(one, stopped, resume=True)


@pytest.mark.parametrize("wish", [{"trackers": ("tensorboard",)}, {"precision": "fp32"}])
def test_what_does_not_change_the_outcome_may_change(wish, stopped, one):
    ethopose.train(one, stopped, resume=True, **wish)


def test_a_state_that_is_damaged_is_named(stopped, one):
    state = stopped / "training/state.pt"
    for content in (b"", b"nonsense", state.read_bytes()[:1000]):
        state.write_bytes(content)
        with pytest.raises(ModelError, match="no state of a training") as told:
            ethopose.train(one, stopped, resume=True)
        assert told.value.where == state


def test_what_is_there_is_not_touched_unless_asked(stopped, one):
    with pytest.raises(UsageError, match=r"did not end.*--resume, or --overwrite"):
        ethopose.train(one, stopped, config=tiny())
    done = ethopose.train(one, stopped, config=tiny(), overwrite=True)
    assert done.rows[0].step == 1
    with pytest.raises(UsageError, match=r"not empty.*--overwrite"):
        ethopose.train(one, stopped, config=tiny())


def test_a_file_in_the_place_of_the_folder_is_said(one, tmp_path):
    (tmp_path / "m").write_text("mine")
    for more in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(UsageError, match="a file"):
            ethopose.train(one, tmp_path / "m", config=tiny(), **more)
    assert (tmp_path / "m").read_text() == "mine"


def test_an_overwriting_training_leaves_nothing_of_the_one_before(one, tmp_path):
    ethopose.train(one, tmp_path / "m", config=tiny(), trackers=("tensorboard",))
    ethopose.evaluate(tmp_path / "m", one, runtime="torch", device="cpu", threads=1)
    (tmp_path / "m/mine.txt").write_text("mine")
    with pytest.raises(Killed):
        ethopose.train(one, tmp_path / "m", config=tiny(**SAVING), overwrite=True, watch=Killer(1))
    assert {path.name for path in (tmp_path / "m").iterdir()} <= {
        "mine.txt",
        "training",
        "model.yaml",
        "weights.safetensors",
    }
    assert not (tmp_path / "m/training/tensorboard").exists()
    assert len(journal(tmp_path / "m")) < 2 if (tmp_path / "m/training/metrics.csv").exists() else True
    with pytest.raises(UsageError, match="did not end"):
        ethopose.train(one, tmp_path / "m", config=tiny())


def test_a_shorter_budget_ends_a_training_that_goes_on(two, tmp_path, monkeypatch):
    """What was set aside for the end of a long run may be more than all that is left of a short one."""
    how = tiny(kind="top-down", loop={"minutes": 60, "save_every": 0})
    with monkeypatch.context() as patch:

        def step(learner: Learner, rate: float, number: int) -> None:
            if number == 3:
                signal.raise_signal(signal.SIGINT)
            whole_step(learner, rate, number)

        whole_step = Learner.step
        patch.setattr(Learner, "step", step)
        with pytest.raises(KeyboardInterrupt):
            ethopose.train(two, tmp_path / "m", config=how)
    state = torch.load(tmp_path / "m/training/state.pt", weights_only=True)
    assert state["ending"] > 2
    torch.save({**state, "spent": 1000.0}, tmp_path / "m/training/state.pt")
    trained = ethopose.train(two, tmp_path / "m", resume=True, minutes=0.01)
    assert {row.stage for row in trained.rows} == {"centroid", "instance"}
    assert all(row.rate > 0 for row in trained.rows)


def test_what_a_kill_left_at_the_very_end_is_tidied_up(one, tmp_path):
    ethopose.train(one, tmp_path / "m", config=tiny())
    for name in ("state.pt", "single.npy"):
        (tmp_path / "m/training" / name).write_bytes(b"left")
    ethopose.train(one, tmp_path / "m", resume=True)
    assert not {path.suffix for path in (tmp_path / "m/training").iterdir()} & {".pt", ".npy"}


def test_a_finished_training_says_that_it_is_done_and_stays(one, tmp_path):
    done = ethopose.train(one, tmp_path / "m", config=tiny())
    before = (tmp_path / "m/weights.safetensors").read_bytes()
    told = Told()
    again = ethopose.train(one, tmp_path / "m", resume=True, watch=told)
    assert "is done" in " ".join(told.lines)
    assert told.rows == []
    assert (tmp_path / "m/weights.safetensors").read_bytes() == before
    assert [row.step for row in again.rows] == [row.step for row in done.rows]
    assert again.rows[-1].median == pytest.approx(done.rows[-1].median)


def test_a_finished_training_is_not_taken_for_another(one, tmp_path):
    ethopose.train(one, tmp_path / "m", config=tiny())
    with pytest.raises(ModelError, match="other labels or settings"):
        ethopose.train(one, tmp_path / "m", resume=True, steps=9)


def test_a_model_without_a_training_is_not_resumed_over(tiny_model_folder, one):
    before = (tiny_model_folder / "model.yaml").read_bytes()
    with pytest.raises(UsageError, match="no training to go on with"):
        ethopose.train(one, tiny_model_folder, config=tiny(), resume=True)
    assert (tiny_model_folder / "model.yaml").read_bytes() == before


@pytest.fixture
def tiny_model_folder(tmp_path) -> Path:
    """A model that was not trained here."""
    return tiny_model(tmp_path / "m", "single", seed=0)


def test_resuming_where_nothing_is_begins(one, tmp_path):
    """A job of a cluster is submitted again with the same line."""
    ethopose.train(one, tmp_path / "m", config=tiny(), resume=True)
    assert len(weights(tmp_path / "m"))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return coco_project(tmp_path_factory.mktemp("coco") / "project", ONE)


def wait_for(path: Path, process) -> None:
    """Until the training has saved its state."""
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < 10_000:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_sigkill_at_any_moment_loses_nothing(project, tmp_path):
    how = config_file(
        tmp_path, every_stage={"steps": 80}, loop={"save_every": 0, "patience": None, "validations": 5}
    )
    ethopose.train(project, tmp_path / "once", config=how)
    process = start("train", project, "--config", how, "-o", tmp_path / "killed")
    wait_for(tmp_path / "killed/training/state.pt", process)
    time.sleep(random.uniform(0, 0.8))
    process.kill()
    process.communicate()
    assert (tmp_path / "killed/training/state.pt").exists()
    ethopose.train(project, tmp_path / "killed", resume=True)
    assert same(tmp_path / "killed", tmp_path / "once")


@pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 75, "stopped")]
)
def test_a_signal_saves_and_the_training_can_be_resumed(
    sent, code, word, project, tmp_path, ethopose_says, monkeypatch
):
    how = config_file(tmp_path, loop={"save_every": 10**6, "patience": None})
    ethopose.train(project, tmp_path / "once", config=how)
    with monkeypatch.context() as patch:

        def step(learner: Learner, rate: float, number: int) -> None:
            if number == 3:
                signal.raise_signal(sent)
            whole_step(learner, rate, number)

        whole_step = Learner.step
        patch.setattr(Learner, "step", step)
        said = ethopose_says("train", project, "--config", how, "-o", tmp_path / "m")
    assert said.code == code
    assert word in said.err.splitlines()[-1]
    assert "step 4 is saved; --resume goes on" in said.err
    assert torch.load(tmp_path / "m/training/state.pt", weights_only=True)["step"] == 4
    said = ethopose_says("train", "-o", tmp_path / "m", "--resume")
    assert said.code == 0, said.err
    assert same(tmp_path / "m", tmp_path / "once")
    said = ethopose_says("train", "-o", tmp_path / "m", "--resume")
    assert (said.code, "is done" in said.err) == (0, True)
