"""Every kind of model trains, is written and run; from nothing, from others, with parts of one's own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file
from small_trainings import ONE, TWO, Told, coco_project, journal, tiny, weights

import ethopose
from ethopose.core import DataError, Skeleton, SpecError, UsageError
from ethopose.models import pretrained
from ethopose.train import Trained, prepare
from ethopose.train.state import State
from ethopose.train.wishes import configured
from own_parts import forgotten, write_parts

KINDS = [
    ("single", False, ("single",)),
    ("top-down", False, ("centroid", "instance")),
    ("top-down", True, ("centroid", "instance")),
    ("bottom-up", False, ("bottom-up",)),
    ("bottom-up", True, ("bottom-up",)),
]


@pytest.fixture(autouse=True)
def _cache(network_cache):
    """Converted networks of tests stay out of the user's own."""


def predicted(model: Path, out: Path, clip: Path, **more):
    ethopose.predict(clip, model, out=out, format="none", threads=1, batch_size=8, peak_threshold=0.0, **more)
    return ethopose.read(out).poses


def clip_of(labels) -> Path:
    return labels.images[0].path


@pytest.mark.parametrize(("kind", "identity", "stages"), KINDS)
def test_every_kind_becomes_a_model_that_predicts(kind, identity, stages, one, two, tmp_path):
    labels = one if kind == "single" else two
    told = Told()
    trained = ethopose.train(labels, tmp_path / "m", config=tiny(kind=kind, identity=identity), watch=told)
    assert {row.stage for row in trained.rows} == set(stages)
    assert [row.step for row in told.rows] == [row.step for row in trained.rows]
    described = ethopose.info(tmp_path / "m")
    assert described is not None
    model = ethopose.load(tmp_path / "m")
    assert (model.spec.kind, len(model.spec.stages)) == (kind, len(stages))
    assert model.spec.skeleton.keypoints == labels.poses.skeleton.keypoints
    for runtime in ("torch", "openvino"):
        poses = predicted(
            tmp_path / "m", tmp_path / runtime, clip_of(labels), runtime=runtime, max_instances=2
        )
        assert poses.xy.shape[1:] == (3, 2)
        if kind == "single":
            assert len(poses) == 16
        if identity and len(poses):
            assert set(poses.individual.tolist()) <= {-1, 0, 1}
    for name in stages:
        for picture in (f"{name}.batch.png", f"{name}.validation.png"):
            assert (tmp_path / "m/training" / picture).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "m/training/curves.png").read_bytes().startswith(b"\x89PNG")
    assert [row["stage"] for row in journal(tmp_path / "m")] == [row.stage for row in trained.rows]
    assert not list((tmp_path / "m/training").glob("*.npy"))


MAPS = {"stride": 4, "sigma": 1.5}
HEADS = {
    "probability": ("single", [{"name": "probability_map", "options": {"keypoints": 3, "stride": 4}}]),
    "maps": ("single", [{"name": "confidence_map", "options": {"keypoints": 3, "single": True, **MAPS}}]),
    "offsets": (
        "single",
        [
            {
                "name": "confidence_map",
                "options": {"keypoints": 3, "refinement": "offset", "sigmoid": True, **MAPS},
            }
        ],
    ),
    "simcc": ("single", [{"name": "simcc", "options": {"keypoints": 3, "size": [64, 64]}}]),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_by_name_learns(name, one, tmp_path):
    kind, heads = HEADS[name]
    how = tiny(stages={kind: {"heads": heads}}, every_stage={"steps": 40}, loop={"patience": None})
    trained = ethopose.train(one, tmp_path / "m", config=how)
    assert trained.rows[-1].loss < 0.97 * trained.rows[0].loss
    assert len(predicted(tmp_path / "m", tmp_path / "r", clip_of(one), runtime="torch")) == 16


BACKBONES = [
    {"name": "unet", "options": {"filters": 4, "max_stride": 16, "output_stride": 4}},
    {"name": "timm", "options": {"model": "lcnet_035"}},
]


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda part: part["name"])
def test_a_backbone_by_name_learns(backbone, one, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pretrained, "_cached", lambda model: None)
    monkeypatch.setattr(pretrained, "out_of_reach", lambda: "no route to host")
    how = tiny(every_stage={"backbone": backbone})
    if backbone["name"] == "unet":
        del how["every_stage"]["neck"]
    ethopose.train(one, tmp_path / "m", config=how)
    assert len(predicted(tmp_path / "m", tmp_path / "r", clip_of(one), runtime="torch")) == 16
    unreached = [line for line in caplog.messages if "no route to host" in line]
    assert len(unreached) == (backbone["name"] == "timm")
    assert all("starts from nothing" in line for line in unreached)


def test_imagenet_weights_from_a_file_are_begun_with(one, tmp_path):
    state = timm.create_model("lcnet_035").state_dict()
    save_file(state, tmp_path / "lcnet.safetensors")
    how = tiny(
        every_stage={"backbone": {"name": "timm", "options": {"model": "lcnet_035"}}, "steps": 1},
        imagenet=tmp_path / "lcnet.safetensors",
        optimiser={"rate": 1e-9},
    )
    told = Told()
    ethopose.train(one, tmp_path / "m", config=how, watch=told)
    (stem,) = [t for name, t in weights(tmp_path / "m").items() if name.endswith("conv_stem.weight")]
    torch.testing.assert_close(stem, state["conv_stem.weight"], atol=1e-4, rtol=1e-4)
    assert "ImageNet weights of lcnet_035" in " ".join(told.lines)


def test_heads_of_a_donor_are_used_again_by_keypoint_name(one, tmp_path):
    ethopose.train(one, tmp_path / "donor", config=tiny())
    names = one.poses.skeleton.keypoints
    poses = replace(
        one.poses,
        skeleton=Skeleton((names[2], "whisker", names[0])),
        xy=one.poses.xy[:, [2, 1, 0]],
        confidence=one.poses.confidence[:, [2, 1, 0]],
    )
    other = replace(one, poses=poses, visibility=one.visibility[:, [2, 1, 0]])
    told = Told()
    how = {"weights": tmp_path / "donor", "optimiser": {"rate": 1e-9}, "every_stage": {"steps": 1}}
    ethopose.train(other, tmp_path / "m", config=how, watch=told)
    old, new = weights(tmp_path / "donor"), weights(tmp_path / "m")
    for layer in ("layer", "visible"):
        for part in ("weight", "bias"):
            rows, given = new[f"0.heads.0.{layer}.{part}"], old[f"0.heads.0.{layer}.{part}"]
            torch.testing.assert_close(rows[[0, 2]], given[[2, 0]], atol=1e-5, rtol=1e-4)
            if part == "weight":  # biases begin at zero and stay small
                assert not torch.allclose(rows[1], given[1], atol=1e-4)
    assert f"which knows {names[2]}, {names[0]}" in " ".join(told.lines)


def test_a_donor_of_the_same_skeleton_begins_where_it_ended(one, tmp_path):
    long = tiny(every_stage={"steps": 80}, loop={"patience": None})
    donor = ethopose.train(one, tmp_path / "donor", config=long)
    how = {"weights": tmp_path / "donor", "optimiser": {"rate": 1e-7}, "every_stage": {"steps": 1}}
    first = ethopose.train(one, tmp_path / "m", config=how).rows[0]
    assert first.best == pytest.approx(donor.rows[-1].best, rel=0.05)
    nothing = ethopose.train(one, tmp_path / "n", config=tiny()).rows[0]
    assert first.best < 0.8 * nothing.best


def test_a_donor_of_another_kind_is_refused(one, two, tmp_path):
    ethopose.train(one, tmp_path / "donor", config=tiny())
    with pytest.raises(SpecError, match=r"no bottom-up model starts from donor, which is single; fix:"):
        ethopose.train(two, tmp_path / "m", weights=tmp_path / "donor", kind="bottom-up")


@pytest.mark.parametrize("kind", ["bottom-up", "top-down"])
def test_a_donor_that_tells_individuals_apart_goes_on_doing_so(kind, two, tmp_path):
    ethopose.train(two, tmp_path / "donor", config=tiny(kind=kind), identity=True)
    begun = {"weights": tmp_path / "donor", "every_stage": {"steps": 2, "batch": 4}, "loop": tiny()["loop"]}
    ethopose.train(two, tmp_path / "m", config=begun)
    grouping = ethopose.load(tmp_path / "m").spec.stages[-1].grouping.name
    assert grouping == {"bottom-up": "class_map", "top-down": "class_vector"}[kind]
    with pytest.raises(SpecError, match="donor tells individuals apart; fix: leave out --identity"):
        ethopose.train(two, tmp_path / "n", config=begun, identity=False)


def test_a_donor_and_another_network_are_refused(one, tmp_path):
    ethopose.train(one, tmp_path / "donor", config=tiny())
    with pytest.raises(SpecError, match="both weights to start from and another network"):
        ethopose.train(one, tmp_path / "m", config={"weights": tmp_path / "donor"}, backbone="unet")
    with pytest.raises(UsageError, match="no such model folder"):
        ethopose.train(one, tmp_path / "m", weights=tmp_path / "nothing")


def test_a_recorded_model_of_sleap_nn_is_started_from(shared_data, tmp_path):
    folder = shared_data / "sleap_nn"
    donors = [
        path.parent for path in sorted(folder.rglob("training_config.*")) if "single" in path.parent.name
    ]
    if not donors:
        pytest.skip(f"no single-animal model in {folder}")
    spec = ethopose.load(donors[0]).spec
    one = ONE.labels(range(8), ONE.write(tmp_path / "clip.mp4"))
    keypoints = len(spec.skeleton.keypoints)
    xy = np.repeat(one.poses.xy[:, :1], keypoints, 1)
    poses = replace(one.poses, skeleton=spec.skeleton, xy=xy, confidence=np.ones(xy.shape[:2], np.float32))
    labels = replace(one, poses=poses, visibility=np.full(xy.shape[:2], 2, np.uint8))
    told = Told()
    how = {"weights": donors[0], "loop": tiny()["loop"], "every_stage": {"steps": 1, "batch": 2}}
    ethopose.train(labels, tmp_path / "m", config={**how, "optimiser": {"rate": 1e-9}}, watch=told)
    assert "which knows" in " ".join(told.lines)
    given, kept = ethopose.load(donors[0]).weights(0), weights(tmp_path / "m")
    for name, tensor in given.items():
        if tensor.is_floating_point() and "running" not in name:
            torch.testing.assert_close(kept[f"0.{name}"], tensor.float(), atol=1e-4, rtol=1e-3)


def test_parts_of_ones_own_train_travel_and_run_if_trusted(one, tmp_path):
    own = write_parts(tmp_path)
    part = {"name": "dummy", "options": {"keypoints": 3, "stride": 4}}
    stage = {"backbone": {"name": "dummy", "options": {"kernel_size": 4}}, "neck": None, "heads": [part]}
    how = {**tiny(), "plugins": [own], "stages": {"single": stage}, "every_stage": {"batch": 4, "steps": 5}}
    with forgotten():
        ethopose.train(one, tmp_path / "m", config=how)
    assert (tmp_path / "m" / own.name).read_bytes() == own.read_bytes()
    assert yaml.safe_load((tmp_path / "m/model.yaml").read_text())["plugins"] == [own.name]
    with forgotten():
        with pytest.raises(UsageError, match=r"trust"):
            ethopose.evaluate(tmp_path / "m", one, out=tmp_path / "e")
        told = ethopose.evaluate(tmp_path / "m", one, out=tmp_path / "e", trust_code=True, runtime="torch")
        assert told.row().errors.labelled > 20
    with forgotten():
        with pytest.raises(UsageError, match="trust"):
            predicted(tmp_path / "m", tmp_path / "r", clip_of(one))
        assert (
            len(predicted(tmp_path / "m", tmp_path / "r", clip_of(one), trust_code=True, runtime="torch"))
            == 16
        )


class Killed(BaseException):
    """As if the process had ended."""


def resumed_after_a_kill(labels, out: Path, monkeypatch: pytest.MonkeyPatch, tracker: str) -> Trained:
    """A training that ends when it has told its tracker of a step, before it can save, and then goes on."""
    save = State.save

    def save_until(state: State, path: Path) -> None:
        if state.step == 6:
            raise Killed
        save(state, path)

    how = tiny(loop={"validations": 8, "save_every": 0, "patience": None})
    with monkeypatch.context() as patch:
        patch.setattr(State, "save", save_until)
        with pytest.raises(Killed):
            ethopose.train(labels, out, config=how, trackers=(tracker,))
    return ethopose.train(labels, out, resume=True)


def test_tensorboard_hears_of_every_row_once(one, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = resumed_after_a_kill(one, tmp_path / "m", monkeypatch, "tensorboard")
    events = EventAccumulator(str(tmp_path / "m/training/tensorboard/single"))
    events.Reload()
    heard = events.Scalars("median")
    assert [event.step for event in heard] == [row.step for row in trained.rows]
    assert [event.value for event in heard] == pytest.approx([row.median for row in trained.rows], rel=1e-5)


def test_wandb_goes_on_with_its_run(one, tmp_path, monkeypatch):
    """W&B by its interface alone: an account is needed to reach it."""
    begun: list[dict[str, Any]] = []
    told: list[tuple[int, dict[str, float]]] = []
    ended: list[int] = []
    run = SimpleNamespace(
        id="r1", log=lambda figures, step: told.append((step, figures)), finish=lambda: ended.append(1)
    )
    wandb = SimpleNamespace(init=lambda **how: begun.append(how) or run)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    trained = resumed_after_a_kill(one, tmp_path / "m", monkeypatch, "wandb")
    assert [(how["id"], how["resume"]) for how in begun] == [(None, None), ("r1", "allow")]
    assert ended == [1, 1]
    last = {step: figures["single/median"] for step, figures in told}
    assert last == pytest.approx(dict(enumerate([row.median for row in trained.rows], start=1)), nan_ok=True)


def test_a_tracker_that_is_missing_is_one_clear_line(one, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.yaml").write_text("an older model")
    with pytest.raises(UsageError, match=r"wandb is not installed.*pip install"):
        ethopose.train(one, tmp_path / "m", config=tiny(), trackers=("wandb",), overwrite=True)
    assert (tmp_path / "m/model.yaml").read_text() == "an older model"


SETTINGS = {
    "optimiser": {
        "rate": 0.001,
        "weight_decay": 0.5,
        "warm_up": 0.5,
        "final": 0.9,
        "clip": 1e-3,
        "average": 0.1,  # which eight steps come to: the average follows slower the longer it runs
    },
    "augmentation": {
        "rotation": 5,
        "zoom": (1.0, 1.1),
        "shift": 0.0,
        "bend": 0.0,
        "flip": True,
        "brightness": 0.0,
        "contrast": 0.0,
        "gamma": 0.0,
        "noise": 0.0,
        "blur": 0.0,
        "erase": 0.0,
    },
    "every_stage": {"scale": 0.5, "batch": 2, "channels": 1, "window": (32, 32)},
    "data": {"validation": 0.4},
    "loop": {"seed": 7, "freeze_norm": True, "precision": "bf16"},
}


@pytest.fixture(scope="module")
def plainly(one, tmp_path_factory):
    out = tmp_path_factory.mktemp("plainly") / "m"
    ethopose.train(one, out, config=tiny())
    return weights(out)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "key"), [(place, key) for place, keys in SETTINGS.items() for key in keys])
def test_every_setting_changes_what_is_learned(place, key, one, plainly, tmp_path):
    ethopose.train(one, tmp_path / "m", config=tiny(**{place: {key: SETTINGS[place][key]}}))
    learned = weights(tmp_path / "m")
    assert any(
        learned[name].shape != tensor.shape or not torch.equal(learned[name], tensor)
        for name, tensor in plainly.items()
    )


def test_no_gain_ends_a_training_early(one, tmp_path):
    ethopose.train(one, tmp_path / "donor", config=tiny(every_stage={"steps": 80}, loop={"patience": None}))
    how = {
        "weights": tmp_path / "donor",
        "optimiser": {"rate": 1e-12},
        "every_stage": {"steps": 40, "batch": 4},
    }
    loop = {**tiny()["loop"], "validations": 20, "patience": 0.2}
    told = Told()
    trained = ethopose.train(one, tmp_path / "m", config={**how, "loop": loop}, watch=told)
    assert trained.rows[-1].step < 40
    assert any("stopped early" in line for line in told.lines)


def test_labels_are_split_as_a_training_splits_them(tmp_path):
    project = coco_project(tmp_path / "project", TWO)
    (project / "images/img003.png").write_bytes(b"no picture")
    wishes = {"split_by": "image", "validation": 0.3, "exclude": ("img005.png",)}
    made = prepare(configured((project,), None, {**wishes, "seed": 3}), tmp_path / "m")
    mine = ethopose.labels(project, seed=3, **wishes).labels
    assert len(mine.images) == 14
    assert mine.images == made.labels.images
    for split in ("train", "val"):
        np.testing.assert_array_equal(mine.splits[split], made.labels.splits[split])
    with pytest.raises(SpecError, match=r"data\.valdation; fix: did you mean validation"):
        ethopose.labels(project, valdation=0.3)
    with pytest.raises(DataError, match=r"every labelled image is excluded; fix: leave out --exclude"):
        ethopose.labels(project, exclude=("images",))


def test_labels_are_tables_and_a_dataset(tmp_path):
    data = ethopose.labels(coco_project(tmp_path / "project", TWO))
    train, val = data.images("train"), data.images("val")
    assert len(train) + len(val) == len(data.images("all")) == 16
    assert len(data.df) == len(data.df_train) + len(data.df_val)
    assert len(data.df_test) == len(data.df_val)
    loaded = list(torch.utils.data.DataLoader(train, batch_size=3))
    assert sum(len(batch["image"]) for batch in loaded) == len(train)
    assert loaded[0]["image"].shape == (3, 3, 64, 96)
    assert loaded[0]["image"].dtype == torch.uint8
    number = int(train.images[0])
    np.testing.assert_array_equal(train[0]["image"].permute(1, 2, 0), TWO.image(number))
    truth = TWO.labels([number]).poses.xy
    np.testing.assert_allclose(train[0]["xy"][: len(truth)], truth, atol=1e-3)
