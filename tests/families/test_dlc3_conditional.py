"""Conditional models of DeepLabCut 3: the other model is found where it is named, or given."""

import copy
import json
import shutil
from pathlib import Path

import cv2
import dlc_folders
import numpy as np
import pytest
import torch
import yaml

import ethopose
from ethopose.core import EthoposeError, FormatError, ModelError, UsageError
from ethopose.families import load, native
from ethopose.models.build import build

PROJECT = "dlc-models-pytorch/iteration-0"
CONDITIONS, CONDITIONAL = (f"{PROJECT}/miceJan1-trainset95shuffle{number}/train" for number in (1, 2))


def conditional_config(**conditions: object) -> dict:
    """Of a network of crops of 64 x 64 px, which names where its conditions come from."""
    config = copy.deepcopy(dlc_folders.CONFIG)
    config |= {"net_type": "ctd_prenet_resnet_10", "method": "CTD", "inference": {"conditions": conditions}}
    config["data"]["inference"]["top_down_crop"] = {"width": 64, "height": 64}
    config["model"]["backbone"] = {
        "type": "CondPreNet",
        "backbone": config["model"]["backbone"],
        "kpt_encoder": {"type": "StackedKeypointEncoder", "num_joints": 2, "kernel_size": [15, 15]},
        "img_size": [64, 64],
    }
    return config


def write_conditional(folder: Path, **conditions: object) -> None:
    folder.mkdir(parents=True)
    (folder / "pytorch_config.yaml").write_text(yaml.safe_dump(conditional_config(**conditions)))
    torch.save({"model": {}}, folder / "snapshot-007.pt")


@pytest.fixture
def project(tmp_path):
    """Two shuffles: a model of whole frames, and one that is told what the first found."""
    dlc_folders.write(tmp_path / CONDITIONS)
    write_conditional(tmp_path / CONDITIONAL, shuffle=1)
    return tmp_path


def test_conditions_come_from_the_shuffle_that_is_named(project):
    model = load(project / CONDITIONAL)
    first, second = model.spec.stages
    assert first == load(project / CONDITIONS).spec.stages[0]
    assert second.preparation.crop == second.preparation.conditions.bounds == (64, 64)
    assert second.preparation.conditions.margin == 25
    assert model.spec.name == "DLC_CtdPrenetResnet10_miceJan1shuffle2_snapshot_7"
    assert model.weights(0).keys() == load(project / CONDITIONS).weights(0).keys()


@pytest.mark.parametrize(
    "named",
    [
        {"shuffle": 1, "snapshot": "snapshot-007.pt"},
        {"shuffle": 1, "snapshot_index": 0},
        {"config_path": f"/gone/{CONDITIONS}/x.yaml", "snapshot_path": f"/gone/{CONDITIONS}/snapshot-007.pt"},
    ],
)
def test_conditions_may_be_named_in_any_of_the_peer_s_ways_in_a_project_that_was_moved(project, named):
    (project / CONDITIONAL / "pytorch_config.yaml").write_text(yaml.safe_dump(conditional_config(**named)))
    assert load(project / CONDITIONAL).spec.stages[0] == load(project / CONDITIONS).spec.stages[0]


def test_in_a_project_its_own_words_choose_the_model_of_the_conditions(project):
    words = {"Task": "mice", "iteration": 0, "TrainingFraction": [0.95, 0.5], "bodyparts": ["nose", "tail"]}
    (project / "config.yaml").write_text(yaml.safe_dump(words))
    other = project / "mine" / CONDITIONS.replace("trainset95", "trainset50")
    dlc_folders.write(other)
    (other / "snapshot-007.pt").rename(other / "snapshot-009.pt")
    told = {"shuffle": 1, "trainset_index": 1, "modelprefix": "mine"}
    (project / CONDITIONAL / "pytorch_config.yaml").write_text(yaml.safe_dump(conditional_config(**told)))
    assert load(project / CONDITIONAL).spec.provenance["conditions"].endswith("snapshot_9")
    for wrong in ({"trainset_index": 2}, {"modelprefix": "yours"}, {"snapshot_index": 3}):
        config = yaml.safe_dump(conditional_config(**{**told, **wrong}))
        (project / CONDITIONAL / "pytorch_config.yaml").write_text(config)
        with pytest.raises(ModelError, match="conditions come from is missing: shuffle 1: no "):
            load(project / CONDITIONAL)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"shuffle": 3}, "conditions come from is missing: shuffle 3"),
        ({"shuffle": 1, "snapshot": "snapshot-9.pt"}, r"missing: .*snapshot-9\.pt"),
        ({"shuffle": 1, "snapshot_index": 1}, "missing: snapshot 1 of 1"),
        (
            {"config_path": "/gone/x.yaml", "snapshot_path": "/gone/snapshot-1.pt"},
            "missing: /gone/snapshot-1",
        ),
    ],
)
def test_a_missing_model_of_conditions_is_one_clear_line(project, named, why):
    (project / CONDITIONAL / "pytorch_config.yaml").write_text(yaml.safe_dump(conditional_config(**named)))
    with pytest.raises(ModelError, match=why):
        load(project / CONDITIONAL)


@pytest.mark.slow
def test_copied_alone_a_network_is_told_of_and_converted_and_says_what_it_needs(net, tmp_path, caplog):
    recorded = net("ctd_prenet_rtmpose_s")
    folder = shutil.copytree(recorded.folder, tmp_path / "copied")
    config = folder / "pytorch_config.yaml"
    told = yaml.safe_load(config.read_text()) | {"inference": {"conditions": {"shuffle": 7}}}
    config.write_text(yaml.safe_dump(told))
    facts = ethopose.info(folder)
    assert len(facts["stages"]) == 1
    assert facts["needs"].startswith("a conditions model, ")
    assert facts["needs"].endswith("the model that conditions come from is missing: shuffle 7")
    ours = ethopose.convert(folder, tmp_path / "ours")
    assert "written alone, and needs a conditions model" in caplog.text
    assert "or --conditions FILE; in its folder is only what reads crops" in ethopose.info(ours)["needs"]
    for model in (folder, ours):
        with pytest.raises((ModelError, UsageError), match=r"name both, -m CONDITIONS.*--conditions FILE"):
            load(model)
    (tmp_path / "clip").mkdir()
    shutil.copy(recorded.images[0], tmp_path / "clip")
    keypoints = len(facts["keypoints"])
    animal = np.random.default_rng(0).uniform(20, 70, (keypoints, 3)) * (1, 1, 0.01)
    (tmp_path / "told.json").write_text(json.dumps([[animal.tolist()]]))
    theirs, own = (
        predicted(tmp_path, model, tmp_path / name, conditions=tmp_path / "told.json", format="none")
        for name, model in (("theirs", folder), ("own", ours))
    )
    assert len(own) == 1
    np.testing.assert_array_equal(own.xy, theirs.xy)


def test_a_model_that_names_nobody_takes_the_one_that_is_given(project):
    (project / CONDITIONAL / "pytorch_config.yaml").write_text(yaml.safe_dump(conditional_config()))
    with pytest.raises(UsageError, match=r"needs to be told where the animals are(.|\n)*conditions model"):
        load(project / CONDITIONAL)
    either, other = ((project / CONDITIONS, project / CONDITIONAL)[::step] for step in (1, -1))
    assert load(either).spec == load(other).spec
    with pytest.raises(UsageError, match="no pair"):
        load([project / CONDITIONS, project / CONDITIONS])
    with pytest.raises(UsageError, match="not from one that is conditional"):
        load([project / CONDITIONAL, project / CONDITIONAL])


def test_models_of_other_keypoints_are_no_pair(project):
    config = project / CONDITIONS / "pytorch_config.yaml"
    config.write_text(config.read_text().replace("tail", "ear"))
    with pytest.raises(UsageError, match=r"keypoints nose, ear and nose, tail"):
        load(project / CONDITIONAL)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair of our own, with weights by chance, its first model alone, and four pictures."""
    folder = tmp_path_factory.mktemp("pair")
    dlc_folders.write(folder / CONDITIONS)
    write_conditional(folder / CONDITIONAL, shuffle=1)
    spec = load(folder / CONDITIONAL).spec
    torch.manual_seed(5)
    weights = [build(stage).state_dict() for stage in spec.stages]
    native.write(folder / "pair", spec, weights, plugins=(), half=False)
    told = spec.model_copy(update={"stages": spec.stages[:1]})
    native.write(folder / "told", told, weights[:1], plugins=(), half=False)
    alone = spec.model_copy(update={"stages": spec.stages[1:]})
    native.write(folder / "alone", alone, weights[1:], plugins=(), half=False)
    (folder / "clip").mkdir()
    chance = np.random.default_rng(0)
    for number in range(4):
        picture = chance.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"clip/{number}.png"), picture)
    return folder


def predicted(pair, model, out, **options):
    told = {"device": "cpu", "runtime": "torch", **options}
    return ethopose.predict(pair / "clip", pair / model, out=out / "x.ethopose", **told)


def test_conditions_from_a_file_are_those_that_the_other_model_would_have_found(pair, tmp_path):
    wanted = predicted(pair, "pair", tmp_path / "wanted", format="none")
    found = predicted(pair, "told", tmp_path / "told", format="dlc-h5")
    (table,) = (tmp_path / "told").glob("*.h5")
    rows = [
        np.concatenate([found.xy, found.confidence[..., None]], -1)[found.frame == frame].tolist()
        for frame in range(4)
    ]
    (tmp_path / "told.json").write_text(json.dumps(rows))
    assert len(wanted) == 4
    for number, path in enumerate((found.path, table, tmp_path / "told.json")):
        for model in ("alone", "pair"):
            out = tmp_path / f"{model}{number}"
            result = predicted(pair, model, out, conditions=path, format="none")
            np.testing.assert_array_equal(result.frame, wanted.frame)
            np.testing.assert_allclose(result.xy, wanted.xy, atol=1e-3)
            np.testing.assert_allclose(result.confidence, wanted.confidence, atol=1e-5)


def test_frames_without_conditions_are_frames_without_animals(pair, tmp_path):
    animal = [[30, 20, 0.9], [50, 40, 0.8]]
    (tmp_path / "told.json").write_text(json.dumps([[], [animal], [[[-1, -1, -1], [0, 0, 0]]]]))
    whole = predicted(pair, "alone", tmp_path / "whole", conditions=tmp_path / "told.json", format="none")
    assert whole.frames.animals.tolist() == [0, 1, 0, 0]
    few = predicted(
        pair,
        "alone",
        tmp_path / "few",
        conditions=tmp_path / "told.json",
        frames="1,3",
        batch_size=2,
        format="none",
    )
    assert few.frame.tolist() == [1]
    np.testing.assert_allclose(few.xy, whole.xy, atol=1e-3)


def test_a_network_of_one_keypoint_has_boxes_also_where_nobody_is(tmp_path):
    config = conditional_config()
    config["metadata"]["bodyparts"] = ["nose"]
    config["model"]["backbone"]["kpt_encoder"]["num_joints"] = 1
    head = config["model"]["heads"]["bodypart"]
    head["heatmap_config"]["channels"], head["locref_config"]["channels"] = [96, 1], [96, 2]
    write_conditional(tmp_path / "one")
    (tmp_path / "one/pytorch_config.yaml").write_text(yaml.safe_dump(config))
    spec = load(tmp_path / "one", alone=True).spec
    torch.manual_seed(5)
    native.write(tmp_path / "own", spec, [build(spec.stages[0]).state_dict()], half=False)
    (tmp_path / "clip").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"clip/{number}.png"), picture)
    (tmp_path / "told.json").write_text(json.dumps([[], [[[40, 30, 0.9]]], [[[-1, -1, -1]]]]))
    result = predicted(tmp_path, "own", tmp_path / "out", conditions=tmp_path / "told.json", format="none")
    (part,) = result
    assert result.frames.animals.tolist() == [0, 1, 0]
    assert result.xy.shape == (1, 1, 2)
    box = [float(part.extra[f"box.{side}"][0]) for side in ("x", "y", "width", "height")]
    assert box == [15, 5, 50, 50]  # 25 px around the place
    nobody = predicted(
        tmp_path, "own", tmp_path / "none", conditions=tmp_path / "told.json", format="none", frames="0,2"
    )
    assert len(nobody) == 0
    (part,) = nobody
    assert all(len(part.extra[name]) == 0 for name in nobody.manifest.extra_columns)


def test_of_the_animals_that_are_told_the_surest_stay(pair, tmp_path):
    animals = [[[30, 20, sure], [50, 40, sure]] for sure in (0.5, 0.9, 0.7)]
    (tmp_path / "told.json").write_text(json.dumps([animals, animals[:1]]))
    every = predicted(pair, "alone", tmp_path / "every", conditions=tmp_path / "told.json", format="none")
    two = predicted(
        pair, "alone", tmp_path / "two", conditions=tmp_path / "told.json", format="none", max_instances=2
    )
    assert every.frames.animals.tolist() == [3, 1, 0, 0]
    assert two.frames.animals.tolist() == [2, 1, 0, 0]
    np.testing.assert_array_equal(two.confidence, every.confidence[[1, 2, 3]])


def test_told_from_a_file_a_network_needs_no_other_model(project):
    config = yaml.safe_dump(conditional_config(shuffle=9))
    (project / CONDITIONAL / "pytorch_config.yaml").write_text(config)
    with pytest.raises(ModelError, match=r"shuffle 9.*--conditions FILE"):
        load(project / CONDITIONAL)
    assert len(load(project / CONDITIONAL, crops_only=True).spec.stages) == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"img000.png": []}', "pictures by their names"),
        ("[[[[1, 2]]]]", "a keypoint x, y, score"),
        ("[[[[1, 2, 3]], 7]]", "not a readable conditions file"),
        ("[[", "not a readable conditions file"),
        ("[[[[1, 2, 0.5]]]]", "tell of 1 keypoints; the model's are nose, tail"),
        ("[[], [], [], [], [[[1, 2, 0.5], [3, 4, 0.5]]]]", "tell of frame 4, the video has 4"),
    ],
)
def test_conditions_that_do_not_fit_are_one_clear_line(pair, tmp_path, content, why):
    (tmp_path / "told.json").write_text(content)
    with pytest.raises(EthoposeError, match=why) as told:
        predicted(pair, "alone", tmp_path / "out", conditions=tmp_path / "told.json")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_conditions_are_for_conditional_models_of_one_video(pair, tmp_path):
    (tmp_path / "told.json").write_text("[]")
    with pytest.raises(UsageError, match="is told no conditions"):
        predicted(pair, "told", tmp_path / "out", conditions=tmp_path / "told.json")
    with pytest.raises(FormatError, match="no such file"):
        predicted(pair, "alone", tmp_path / "out", conditions=tmp_path / "none.json")
    two = [pair / "clip", shutil.copytree(pair / "clip", tmp_path / "other")]
    with pytest.raises(UsageError, match="conditions are of one video"):
        ethopose.predict(two, pair / "alone", conditions=tmp_path / "told.json")
    with pytest.raises(UsageError, match="a run is of many"):
        ethopose.run(two[:1], pair / "pair", conditions=tmp_path / "told.json", out=tmp_path)
