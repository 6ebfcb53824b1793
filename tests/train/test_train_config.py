"""What a training can be told, and what it chooses where it is told nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_trainings import ONE, TWO, coco_project, config_file, tiny

import ethopose
from ethopose.core import DataError, Skeleton, SpecError, UsageError
from ethopose.core.poses import COLUMNS
from ethopose.models.backbones.nano import receptive_field
from ethopose.models.build import build
from ethopose.testing import World
from ethopose.train import devices, prepare, try_out
from ethopose.train.choose import choose
from ethopose.train.clock import Clock
from ethopose.train.config import Config, Loop, make_config, read_config
from ethopose.train.devices import decided, make_fabric, spawns
from ethopose.train.examples import Placed, placed
from ethopose.train.facts import Facts, facts, tree
from ethopose.train.specs import model_spec
from ethopose.train.state import State
from ethopose.train.wishes import configured

MISSPELT = [
    ({"kin": "single"}, "kin", "kind"),
    ({"data": {"splt": "a"}}, "data.splt", "split"),
    ({"augmentation": {"rotate": 3}}, "augmentation.rotate", "rotation"),
    ({"every_stage": {"bacth": 3}}, "every_stage.bacth", "batch"),
    ({"stages": {"single": {"scal": 1}}}, "stages.single.scal", "scale"),
    ({"optimiser": {"weight_dcay": 0}}, "optimiser.weight_dcay", "weight_decay"),
    ({"loop": {"minuts": 5}}, "loop.minuts", "minutes"),
    ({"every_stage": {"backbone": {"nam": "nano"}}}, "every_stage.backbone.nam", "name"),
    ({"every_stage": {"heads": [{"name": "simcc", "option": {}}]}}, "every_stage.heads.0.option", "options"),
]


@pytest.mark.parametrize(("content", "place", "near"), MISSPELT, ids=[place for _, place, _ in MISSPELT])
def test_a_misspelt_key_is_named_with_the_nearest_at_every_level(content, place, near, tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SpecError) as told:
        read_config(path)
    assert told.value.what == f"no setting is named {place}"
    assert told.value.fix == f"did you mean {near}?"
    assert told.value.where == path


def test_a_key_that_is_like_none_is_told_with_all_there_are():
    with pytest.raises(SpecError, match="choose from minutes, micro_batch"):
        make_config({"loop": {"xyzzy": 1}})


WRONG = [
    ({"preset": "best"}, "preset: .*'fast', 'balanced' or 'accurate'"),
    ({"loop": {"minutes": -1}}, "loop.minutes: .*greater than 0"),
    ({"every_stage": {"batch": 0}}, "every_stage.batch: .*greater than or equal to 1"),
    ({"every_stage": {"batch": "many"}}, "every_stage.batch: .*integer"),
    ({"augmentation": {"rotation": 400}}, "augmentation.rotation"),
    ({"augmentation": {"zoom": [0, 1]}}, "augmentation.zoom"),
    ({"augmentation": {"zoom": [1.4, 0.7]}}, "augmentation.zoom"),
    ({"every_stage": {"window": [0, 32]}}, "every_stage.window"),
    ({"loop": {"trackers": ["mlflow"]}}, "loop.trackers.0"),
]


@pytest.mark.parametrize(("content", "told"), WRONG, ids=lambda given: str(given)[:40])
def test_a_wrong_value_is_told_with_its_place(content, told):
    with pytest.raises(SpecError, match=told):
        make_config(content)


@pytest.mark.parametrize("content", ["- a\n", "just words", "a: [", "\x00"])
def test_what_is_no_configuration_is_said(content, tmp_path):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(SpecError) as told:
        read_config(tmp_path / "c.yaml")
    assert told.value.where == tmp_path / "c.yaml"
    with pytest.raises(SpecError, match="No such file"):
        read_config(tmp_path / "none.yaml")


def test_wishes_stand_above_the_file_and_unknown_ones_are_named():
    config = configured((Path("a"),), {"preset": "fast", "loop": {"seed": 3}}, {"seed": 4, "minutes": None})
    assert (config.preset, config.loop.seed, config.loop.minutes, config.labels) == (
        "fast",
        4,
        None,
        (Path("a").absolute(),),
    )
    with pytest.raises(SpecError, match=r"'minuts'.*did you mean minutes"):
        configured((), None, {"minuts": 3})


def test_a_backbone_by_name_is_ours_or_one_of_timm():
    assert configured((), None, {"backbone": "unet"}).every_stage.backbone.name == "unet"
    backbone = configured((), None, {"backbone": "resnet18"}).every_stage.backbone
    assert (backbone.name, backbone.options) == ("timm", {"model": "resnet18"})


@pytest.mark.parametrize("kind", ["single", "top-down", "bottom-up"])
def test_what_is_shown_in_full_can_be_given_again(kind, one, two, tmp_path):
    labels = one if kind == "single" else two
    first = prepare(make_config({"kind": kind, "loop": {"device": "cpu"}}), tmp_path / "m", labels)
    (tmp_path / "shown.yaml").write_text(first.as_yaml())
    again = prepare(read_config(tmp_path / "shown.yaml"), tmp_path / "m", labels)
    assert again.key() == first.key()
    assert again.spec == first.spec
    assert again.as_yaml() == first.as_yaml()
    for stage in first.config.stages.values():
        assert None not in (
            stage.scale,
            stage.window,
            stage.channels,
            stage.backbone,
            stage.heads,
            stage.batch,
        )
    asked = {choice.name.rpartition(": ")[2]: choice.value for choice in first.choices}
    assert {"scale", "picture", "receptive field", "sigma", "batch", "length", "network"} <= asked.keys()


def test_the_command_line_shows_what_can_be_given_again(tmp_path, ethopose_says):
    project = coco_project(tmp_path / "project", ONE)
    said = ethopose_says("train", project, "-o", tmp_path / "m", "--show-config", "--device", "cpu")
    assert said.code == 0, said.err
    assert make_config(yaml.safe_load(said.out)).kind == "single"
    as_json = ethopose_says(
        "--json", "train", project, "-o", tmp_path / "m", "--show-config", "--device", "cpu"
    )
    assert json.loads(as_json.out) == yaml.safe_load(said.out)
    assert not (tmp_path / "m").exists()


def test_kinds_that_the_labels_contradict_are_refused(one, two, tmp_path):
    with pytest.raises(SpecError, match=r"2 animals are labelled in one image.*top-down or bottom-up"):
        prepare(make_config({"kind": "single"}), tmp_path / "m", two)
    nameless = replace(two.poses.skeleton, individuals=())
    poses = replace(two.poses, skeleton=nameless, individual=np.full(len(two.poses), -1, np.int16))
    with pytest.raises(SpecError, match="the labels name no individuals"):
        prepare(
            make_config({"identity": True, "kind": "bottom-up"}), tmp_path / "m", replace(two, poses=poses)
        )
    with pytest.raises(SpecError, match="a single model has no stage 'centroid'; fix: its stages: single"):
        prepare(make_config({"stages": {"centroid": {"batch": 2}}}), tmp_path / "m", one)
    with pytest.raises(UsageError, match="no labels"):
        prepare(Config(), tmp_path / "m")


FACTS = Facts(
    pictures=100, animals=1, skeleton=Skeleton(tuple("abcdefg")),
    edges=tuple((k, k + 1) for k in range(6)), size=(480, 640), gray=False, length=120.0, longest=150.0,
    turning=360.0, crowded=0.0,
)  # fmt: skip
CHOSEN = [
    ({}, "single"),
    ({"animals": 2, "crowded": 0.1}, "top-down"),
    ({"animals": 2, "crowded": 0.5}, "bottom-up"),
    ({"animals": 10, "crowded": 0.1}, "bottom-up"),
]


@pytest.mark.parametrize(("changes", "kind"), CHOSEN)
@pytest.mark.parametrize("place", ["cpu", "gpu"])
def test_the_kind_follows_from_how_many_animals_there_are_and_how_close(changes, kind, place):
    chosen, choices = choose(Config(), replace(FACTS, **changes), place)
    assert chosen.kind == kind
    assert next(choice.value for choice in choices if choice.name == "kind") == kind
    for stage in chosen.stages.values():
        assert stage.window[0] % 32 == stage.window[1] % 32 == 0
        assert 0 < stage.scale <= 1


def test_fields_and_peaks_suit_the_animals():
    """The deepest features see the animal whole, with half as much beside it, if they can; peaks are a tenth
    of it, between 3 and 6 px."""
    for length, depth, sigma in (
        (20.0, (16, 0), 0.75),
        (44.0, (16, 0), 1.1),
        (120.0, (32, 0), 1.5),
        (150.0, (32, 1), 1.5),
        (900.0, (32, 2), 1.5),
    ):
        told = replace(FACTS, size=(200, 200), length=length, longest=length)
        chosen, choices = choose(Config(), told, "cpu")
        stage = chosen.stages["single"]
        assert stage.scale == 1
        stride, deeper = depth
        assert (stage.backbone.options["max_stride"], stage.backbone.options["deeper"]) == depth
        assert stage.heads[0].options["sigma"] == sigma
        said = {choice.name: choice.value for choice in choices}
        assert said["sigma"] == f"{4 * sigma:g} px"
        assert said["receptive field"] == f"{receptive_field(*depth)} px"
        graph = build(model_spec(chosen, told, "m").stages[0]).backbone.eval()
        picture = torch.zeros(1, graph.in_channels, 1024, 1024, requires_grad=True)
        with torch.no_grad():
            for parameter in graph.parameters():
                parameter.fill_(0.3)
        graph(picture)[stride][0, :, 512 // stride, 512 // stride].sum().backward()
        seen = picture.grad[0, 0].abs().sum(0).nonzero()[:, 0]
        assert int(seen.max() - seen.min()) + 1 == receptive_field(stride, deeper)


def test_heads_of_ones_own_must_fit_the_labels(one, tmp_path):
    head = {"name": "probability_map", "options": {"keypoints": 12, "stride": 4}}
    with pytest.raises(SpecError, match="the head probability_map is for 12 keypoints, the labels have 3"):
        prepare(make_config(tiny(every_stage={"heads": [head]})), tmp_path / "m", one)


def test_several_machines_need_something_that_starts_them(one, tmp_path):
    with pytest.raises(UsageError, match=r"2 machines, and nothing that starts.*torchrun or srun"):
        ethopose.train(one, tmp_path / "m", config=tiny(), nodes=2)


def test_one_wish_of_augmentation_leaves_the_others_to_the_labels():
    turning = replace(FACTS, turning=350.0)
    flipped, choices = choose(make_config({"augmentation": {"flip": True}}), turning, "cpu")
    assert (flipped.augmentation.flip, flipped.augmentation.rotation) == (True, 180)
    assert any(choice.name == "augmentation" for choice in choices)
    asked, _ = choose(make_config({"augmentation": {"rotation": 20}}), turning, "cpu")
    assert asked.augmentation.rotation == 20


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"seed": -1}, "loop.seed: Input should be greater than or equal to 0"),
        ({"validation": 0}, "data.validation: Input should be greater than 0"),
        ({"steps": 5, "minutes": 1}, "both steps and minutes"),
        ({"exclude": ("nowhere",)}, "no labelled image is at 'nowhere'"),
    ],
)
def test_wishes_that_would_count_for_nothing_are_errors(wish, told, tmp_path):
    project = coco_project(tmp_path / "project", ONE)
    with pytest.raises((SpecError, DataError), match=told):
        prepare(configured((project,), None, wish), tmp_path / "m")


def test_a_wish_about_the_split_beside_a_stored_split_is_said_to_count_for_nothing(one, tmp_path, caplog):
    stored = replace(one, splits={"train": np.arange(12), "val": np.arange(12, 16)})
    prepare(configured((), None, {"split_by": "image"}), tmp_path / "m", stored)
    assert "the labels tell the split: split_by counts for nothing" in caplog.text


def test_what_counts_as_found_is_in_the_model(two, tmp_path):
    wish = {"kind": "bottom-up", "stages": {"bottom-up": {"peak_threshold": 0.4, "min_keypoints": 3}}}
    (stage,) = prepare(make_config(tiny(**wish)), tmp_path / "m", two).spec.stages
    assert stage.peak_threshold == 0.4
    assert stage.grouping.options["min_peaks"] == 3
    usual = prepare(make_config(tiny(kind="top-down")), tmp_path / "m", two).spec.stages
    assert [each.peak_threshold for each in usual] == [0.3, 0.0]
    with pytest.raises(SpecError, match="min_keypoints is for animals that are joined"):
        prepare(make_config(tiny(kind="top-down", every_stage={"min_keypoints": 3})), tmp_path / "m", two)


def test_heads_and_what_is_made_of_them_must_belong_together(two, tmp_path):
    places = {"name": "confidence_map", "options": {"keypoints": 3, "stride": 4}}
    who = {"name": "class_map", "options": {"classes": 2, "stride": 4}}
    how = {"kind": "bottom-up", "every_stage": {"heads": [places]}}
    with pytest.raises(SpecError, match="no head finds the line_score that a model with the grouping affin"):
        prepare(make_config(tiny(**how)), tmp_path / "m", two)
    how["every_stage"] = {
        "heads": [{"name": "part_affinity", "options": {"edges": [[0, 1], [0, 2]], "stride": 4}}, places, who]
    }
    with pytest.raises(SpecError, match=r"tell individuals apart.*say --identity"):
        prepare(make_config(tiny(**how)), tmp_path / "m", two)


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(
        devices, "resolve", lambda asked: replace(asked, device="cuda:0", precision="fp32", threads=1)
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert decided(Loop(devices=2)).devices == 2
    with pytest.raises(UsageError, match=r"3 devices asked for, there are 2; fix: choose fewer --devices"):
        decided(Loop(devices=3))


@pytest.mark.parametrize(
    "started",
    [
        {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"},
        {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "4"},
    ],
)
def test_processes_that_do_not_know_of_each_other_are_refused(started, one, tmp_path, monkeypatch):
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UsageError, match=r"[24] processes were started, for 1 devices on 1 machines.*--nodes"
    ):
        ethopose.train(one, tmp_path / "m", config=tiny())
    assert not (tmp_path / "m").exists()


def test_in_a_step_of_one_task_the_other_processes_are_made_here(monkeypatch):
    for name, value in {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "1"}.items():
        monkeypatch.setenv(name, value)
    loop = decided(Loop(device="cpu", devices=2))
    assert spawns(loop)
    assert make_fabric(loop).world_size == 2
    monkeypatch.delenv("SLURM_STEP_ID")  # a job's own script
    assert spawns(loop)


def test_a_length_in_steps_goes_before_the_minutes_of_a_file(tmp_path):
    how = config_file(tmp_path, loop={**tiny()["loop"], "minutes": 5.0})
    assert configured((), how, {}).loop.minutes == 5
    told = configured((), how, {"steps": 7})
    assert (told.loop.minutes, told.every_stage.steps) == (None, 7)


def test_a_dry_run_tells_memory_and_speed_and_leaves_nothing(tmp_path, ethopose_says):
    project, how = coco_project(tmp_path / "project", TWO), config_file(tmp_path, kind="top-down")
    said = ethopose_says("--json", "train", project, "-o", tmp_path / "m", "--config", how, "--dry-run")
    assert said.code == 0, said.err
    trials = json.loads(said.out)
    assert [trial["stage"] for trial in trials] == ["centroid", "instance"]
    for trial in trials:
        assert trial["images_per_s"] > 1
        assert trial["memory"] > 2**26
        assert trial["micro_batch"] == 4
        assert np.isfinite(trial["loss"])
    assert not (tmp_path / "m").exists()
    budget = configured((project,), how, {"minutes": 10.0})
    shares = [trial.minutes for trial in try_out(prepare(budget, tmp_path / "m"))]
    assert shares == [5, 5]


def test_a_budget_leaves_time_for_the_last_pictures():
    """The run counts as done when what is left is what its end will take."""
    loop = decided(Loop(device="cpu", threads=1, minutes=10))
    state = State("k")
    clock = Clock(make_fabric(loop), state, loop, steps=1, seconds=600)
    clock.next_check(0, 4.0)
    assert state.ending == 10
    clock.next_check(0, 400.0)
    assert state.ending == 120
    clock._before = 480.0
    assert clock.progress() >= 1


@pytest.mark.parametrize("place", ["cpu", "gpu"])
@pytest.mark.parametrize("size", [(64, 64), (480, 640), (2160, 3840)])
@pytest.mark.parametrize("length", [8.0, 40.0, 300.0])
def test_scales_keep_animals_large_enough_and_pictures_small_enough(place, size, length):
    told = replace(FACTS, size=size, length=length, longest=1.2 * length, animals=2)
    for kind in ("single", "bottom-up", "top-down"):
        facts_of_kind = replace(told, animals=1 if kind == "single" else 2)
        chosen, _ = choose(Config(kind=kind), facts_of_kind, place)
        for name, stage in chosen.stages.items():
            assert length * stage.scale >= min(length, 39.9), (kind, name)
            assert stage.window[0] * stage.window[1] <= 4.2e6, (kind, name)
            if name == "instance":
                assert stage.window[0] >= min(1.2 * length * stage.scale, 32)


def test_gray_pictures_make_a_gray_network(one, tmp_path):
    colour = prepare(make_config(tiny()), tmp_path / "m", one)
    assert colour.spec.stages[0].network.in_channels == 3
    gray = prepare(make_config(tiny(every_stage={"channels": 1})), tmp_path / "m", one)
    assert gray.spec.stages[0].preparation.color == "gray"


def measured(xy: np.ndarray, skeleton: Skeleton, size=(100, 100)) -> Facts:
    """Facts of animals (picture animal keypoint xy)."""
    where = Placed(xy.astype(np.float32), np.full(xy.shape[:2], -1))
    return facts(where, np.array([size] * len(xy)), skeleton, gray=False)


def test_animals_that_turn_and_animals_that_do_not_are_told_apart():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    axis = np.stack((np.cos(angle), np.sin(angle)), -1)[:, None, None] * np.array([[0], [10.0]]) + 50
    skeleton = Skeleton(("head", "tail"))
    assert measured(axis, skeleton).turning > 340
    assert measured(axis[:6], skeleton).turning == pytest.approx(45, abs=1e-3)
    assert measured(axis[:2], skeleton).turning == 0


def test_crowds_and_distances_are_measured():
    skeleton = Skeleton(("head", "tail"))
    apart = np.array([[[(0, 0), (10, 10)], [(50, 50), (60, 60)]]], float)
    close = np.array([[[(0, 0), (10, 10)], [(1, 1), (9, 9)]]], float)
    assert measured(apart, skeleton).crowded == 0
    assert measured(close, skeleton).crowded == 1
    assert (measured(apart, skeleton).animals, measured(apart, skeleton).length) == (2, 10)


def test_a_keypoint_that_is_never_labelled_spoils_no_figure():
    xy = np.array([[[(0, 0), (np.nan, np.nan)]]])
    told = measured(xy, Skeleton(("head", "tail")))
    assert np.isfinite((told.length, told.longest, told.turning)).all()


def test_a_skeleton_without_edges_is_joined_by_the_shortest():
    xy = np.array([[[(0, 0), (10, 0), (20, 0), (20, 8)]]] * 3, float)
    joined = tree(Placed(xy.astype(np.float32), np.zeros((3, 1), int)), Skeleton(tuple("abcd")))
    assert {frozenset(edge) for edge in joined} == {frozenset(e) for e in ((0, 1), (1, 2), (2, 3))}
    own = Skeleton(tuple("abcd"), edges=((0, 3), (3, 2), (2, 1)))
    assert tree(Placed(xy.astype(np.float32), np.zeros((3, 1), int)), own) == own.edges


@pytest.mark.parametrize("animals", [1, 2, 10])
def test_worlds_are_taken_for_what_they_are(animals):
    world = World(animals=animals, keypoints=5, size=(192, 256), frames=60, seed=1)
    labels = world.labels(range(60))
    told = facts(placed(labels), np.array([world.size] * 60), world.skeleton, gray=False)
    assert told.animals == animals
    assert world.length * 0.4 < told.length < world.length * 1.6
    assert set(COLUMNS) >= {"frame", "xy"}
