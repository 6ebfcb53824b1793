"""DeepLabCut 3's folders: found, read, and networks that say what the peer's said."""

import shutil

import cv2
import dlc_folders
import numpy as np
import pytest
import torch
import yaml

import ethopose
from ethopose.core import ModelError, SpecError, UsageError
from ethopose.families import load
from ethopose.families.deeplabcut3 import choose
from ethopose.families.deeplabcut3.places import find, last_snapshot
from ethopose.families.deeplabcut3.project import is_project
from ethopose.formats.careful_pickle import unpickle
from ethopose.formats.pandas_hdf5 import read_hdf
from ethopose.models.build import DecodeGraph, build_trained
from ethopose.models.grouping import GROUPINGS, Context
from ethopose.predict import Options

SINGLE = ("single_resnet_50", "single_hrnet_w18", "single_cspnext_s")
SEVERAL = ("paf_resnet_50", "dlcrnet_stride32", "dlcrnet_stride16_unique_identity", "dekr_w18")


@pytest.fixture
def project(shared_data, tmp_path):
    """A trained project, moved."""
    folder = tmp_path / "moved"
    shutil.copytree(
        shared_data / "dlc3/real/openfield-Pranav-2018-10-30", folder, copy_function=shutil.copyfile
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_maps_are_those_that_the_peer_recorded(name, net):
    recorded = net(name)
    model = load(recorded.folder)
    graph = build_trained(model.spec.stages[0], model.weights(0))
    for number in range(len(recorded.images)):
        picture = torch.from_numpy(recorded.picture(number))[None]
        with torch.inference_mode():
            maps = graph(picture)
            found = dict(zip(("xy", "value"), DecodeGraph(graph)(*maps), strict=True))
        for ours, theirs in zip(maps, ("heatmap", "locref"), strict=True):
            wanted = recorded.outputs[f"img{number}/heads/bodypart/{theirs}"]
            assert ours.shape == wanted.shape
            np.testing.assert_allclose(ours, wanted, atol=1e-4 * np.abs(wanted).max())
        wanted = recorded.outputs[f"img{number}/predictor/bodypart/poses"][:, 0]
        np.testing.assert_allclose(found["xy"][:, :, 0], wanted[..., :2], rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(found["value"][..., 0], wanted[..., 2], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL)
def test_maps_fields_and_animals_are_those_that_the_peer_recorded(name, net):
    recorded = net(name)
    model = load(recorded.folder)
    stage = model.spec.stages[0]
    graph = build_trained(stage, model.weights(0))
    decode, group = DecodeGraph(graph), GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
    for number in range(len(recorded.images)):
        told = {key[5:]: value for key, value in recorded.outputs.items() if key.startswith(f"img{number}/")}
        with torch.inference_mode():
            maps = graph(torch.from_numpy(recorded.picture(number))[None])
            found = {n: array.numpy() for n, array in zip(decode.names, decode(*maps), strict=True)}
        for ours, key in zip(maps, [key for key in told if key.startswith("heads/")], strict=True):
            assert ours.shape == told[key].shape
            np.testing.assert_allclose(ours, told[key], atol=1e-4 * np.abs(told[key]).max())
        made = group(found, Context(stage.peak_threshold, None, np.zeros(1, int)))
        wanted = told["final/bodyparts"][..., :3]
        wanted = wanted[(wanted[..., 2] >= 0).any(1)]
        both = np.dstack((made.xy - (-told["offsets"]).astype(np.float32), made.confidence))
        keypoints = wanted.shape[1]
        animals = both[np.isfinite(both[:, :keypoints, 0]).any(1)][
            :, :keypoints
        ]  # in the order of identities
        np.testing.assert_allclose(animals, wanted, rtol=1e-4, atol=1e-2)
        if "unique" in name:
            np.testing.assert_allclose(
                both[:1, keypoints:], told["final/unique_bodyparts"], rtol=1e-4, atol=0.05
            )
            assert made.individual.tolist() == [-1, 0, 1, 2]


@pytest.mark.slow
def test_a_trained_model_says_of_a_video_what_the_peer_said(project, shared_data, network_cache, tmp_path):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    video = next(project.glob("videos/*.mp4"))
    result = ethopose.predict(video, train, out=tmp_path / "x.ethopose", device="cpu", format="none")
    recorded = next((shared_data / "dlc3/real/analyze_videos/plain_batch8").glob("*.h5"))
    table = read_hdf(recorded)
    assert result.manifest.model.name == table.columns[0][0]
    wanted = table.values.reshape(len(table.rows), -1, 3)
    assert result.frame.tolist() == list(range(len(wanted)))
    distance = np.linalg.norm(result.xy - wanted[..., :2], axis=-1)
    assert (distance < 0.1).mean() >= 0.99
    assert (np.abs(result.confidence - wanted[..., 2]) < 1e-2).mean() >= 0.99


@pytest.mark.slow
def test_a_part_of_the_frame_says_what_the_peer_said_of_it(project, shared_data, network_cache, tmp_path):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    video = next(project.glob("videos/*.mp4"))
    out = tmp_path / "out"
    result = ethopose.predict(video, train, out=out / "x.ethopose", device="cpu", cropping="40,600,20,460")
    recorded = next((shared_data / "dlc3/real/analyze_videos/cropped").glob("*.h5"))
    wanted = read_hdf(recorded).values.reshape(150, -1, 3)
    distance = np.linalg.norm(result.xy - (wanted[..., :2] + (40, 20)), axis=-1)
    assert (distance < 0.1).mean() >= 0.99
    ours = read_hdf(out / recorded.name).values.reshape(150, -1, 3)
    assert (np.abs(ours - wanted).max(-1) < 0.1).mean() >= 0.99, "which tells of the part alone"
    meta = unpickle((out / recorded.name.replace(".h5", "_meta.pickle")).read_bytes())["data"]
    assert (meta["cropping"], meta["cropping_parameters"]) == (True, [40, 600, 20, 460])
    with pytest.raises(UsageError, match=r"reaches beyond frames of 640 x 480 px"):
        ethopose.predict(video, train, out=tmp_path / "y", device="cpu", cropping="40,700,20,460")
    with pytest.raises(UsageError, match=r"40,20,0,9 is no part of a frame"):
        ethopose.predict(video, train, out=tmp_path / "y", device="cpu", cropping="40,20,0,9")


def test_a_model_is_found_by_any_of_its_names(project):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    snapshot = next(train.glob("snapshot-*.pt"))
    for path in (train, train / "pytorch_config.yaml", snapshot):
        place = find(path)
        assert (place.folder, place.snapshot, place.uid) == (train, snapshot, "best-4")
    for path in (train, snapshot, project, project / "config.yaml"):
        assert load(path).spec.name == "DLC_CspnextS_openfieldOct30shuffle1_snapshot_best-4"


def test_the_best_snapshot_counts_where_there_is_one_else_the_last(tmp_path):
    for name in ("snapshot-010.pt", "snapshot-200.pt", "snapshot-detector-300.pt", "snapshot-1000.pt"):
        (tmp_path / name).touch()
    assert last_snapshot(tmp_path).name == "snapshot-1000.pt"
    (tmp_path / "snapshot-best-150.pt").touch()
    assert last_snapshot(tmp_path).name == "snapshot-best-150.pt"


def test_what_lacks_is_one_clear_line(project):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    snapshot = next(train.glob("snapshot-*.pt"))
    content = snapshot.read_bytes()
    snapshot.unlink()
    with pytest.raises(ModelError, match="the weights are missing"):
        load(train)
    snapshot.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="no checkpoint that can be read"):
        load(train).weights(0)
    config = train / "pytorch_config.yaml"
    text = config.read_text()
    config.write_text(text.replace("type: CSPNeXt", "type: Mamba"))
    with pytest.raises(ModelError, match=r"the backbone Mamba is not supported.*ResNet"):
        load(train)
    config.write_text(text.replace("bodyparts:", "body_parts:"))
    with pytest.raises(ModelError, match="makes no sense"):
        load(train)


def test_what_fails_before_its_first_frame_leaves_nothing(project, shared_data, tmp_path):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    snapshot = next(train.glob("snapshot-*.pt"))
    content = torch.load(snapshot, weights_only=False)
    content["model"].popitem()
    torch.save(content, snapshot)
    video = next(shared_data.glob("dlc3/real/*/videos/*.mp4"))
    with pytest.raises(ModelError, match=r"not those of the network.*in: .*train"):
        ethopose.predict(video, train, out=tmp_path / "x.ethopose", frames="0-3")
    with pytest.raises(ModelError, match=r"not those of the network.*in: .*train"):
        ethopose.convert(train, tmp_path / "x")
    assert not list(tmp_path.glob("x*"))


def test_a_network_that_nobody_knows_is_one_clear_line(tmp_path):
    train = tmp_path / "train"
    dlc_folders.write(train)
    config = train / "pytorch_config.yaml"
    config.write_text(config.read_text().replace("test_resnet", "resnet_9000"))
    (tmp_path / "clip").mkdir()
    cv2.imwrite(str(tmp_path / "clip/0.png"), np.zeros((64, 64, 3), np.uint8))
    for fails in (ethopose.convert, lambda model, out: ethopose.predict(tmp_path / "clip", model, out=out)):
        with pytest.raises(SpecError, match=r"no encoder named 'resnet_9000'; in: .*train"):
            fails(train, tmp_path / "x")
    assert {path.name for path in tmp_path.iterdir()} == {"clip", "train"}


def write_snapshots(train, *names: str) -> None:
    content = next(train.glob("snapshot-best-*.pt")).read_bytes()
    for name in names:
        (train / name).write_bytes(content)


def test_a_snapshot_is_chosen_by_place_by_name_or_as_the_best(project):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    write_snapshots(train, "snapshot-002.pt", "snapshot-010.pt", "snapshot-detector-005.pt")
    for wanted, name in (
        (None, "snapshot-best-004.pt"),
        ("best", "snapshot-best-004.pt"),
        ("-1", "snapshot-best-004.pt"),
        ("-2", "snapshot-010.pt"),
        (0, "snapshot-002.pt"),
        ("snapshot-002", "snapshot-002.pt"),
        ("snapshot-010.pt", "snapshot-010.pt"),
    ):
        assert [path.name for path in choose(project, snapshot=wanted)] == [name]
        assert [path.name for path in choose(train, snapshot=wanted)] == [name]
    chosen = choose(project / "config.yaml", snapshot="0", detector_snapshot="-1")
    assert [path.name for path in chosen] == ["snapshot-002.pt", "snapshot-detector-005.pt"]
    for wanted in ("5", "snapshot-003", "worst"):
        with pytest.raises(UsageError, match=rf"no snapshot {wanted}; there are snapshot-002.pt, "):
            choose(project, snapshot=wanted)
    with pytest.raises(UsageError, match="a train folder is of one shuffle"):
        choose(train, shuffle=2)


def test_a_model_is_chosen_by_shuffle_training_set_iteration_and_prefix(project):
    here = next(project.glob("dlc-models-pytorch/iteration-0/*"))
    task = here.name.partition("-")[0]
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["TrainingFraction"] = [*config["TrainingFraction"], 0.29]
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    places = {
        f"dlc-models-pytorch/iteration-0/{task}-trainset{int(100 * config['TrainingFraction'][0])}shuffle7": {
            "shuffle": 7
        },
        f"dlc-models-pytorch/iteration-0/{task}-trainset28shuffle1": {"trainingset_index": 1},
        f"dlc-models-pytorch/iteration-3/{here.name}": {"iteration": 3},
        f"mine/dlc-models-pytorch/iteration-0/{here.name}": {"modelprefix": "mine"},
    }
    for place, wanted in places.items():
        shutil.copytree(here, project / place)
        (chosen,) = choose(project, **wanted)
        assert chosen.parent == project / place / "train"
    assert load(project, shuffle=7).spec.name.startswith(f"DLC_CspnextS_{task}shuffle7_")
    with pytest.raises(UsageError, match=rf"no model of shuffle 8 .*; there are {task}-trainset"):
        choose(project, shuffle=8)
    with pytest.raises(UsageError, match="no training set 2: TrainingFraction has 2"):
        choose(project, trainingset_index=2)


def test_several_animals_of_one_keypoint_are_a_model(tmp_path):
    dlc_folders.write(tmp_path / "train")
    config = yaml.safe_load((tmp_path / "train/pytorch_config.yaml").read_text())
    sizes = {"heatmap_config": 1, "locref_config": 2, "paf_config": 0}
    predictor = {"graph": [], "edges_to_keep": [], "num_animals": 2, "num_multibodyparts": 1}
    head = {"type": "DLCRNetHead", "num_stages": 1, "features_dim": 4, "predictor": predictor}
    head |= {name: {"channels": [96, number], **dlc_folders.GROWTH} for name, number in sizes.items()}
    config["metadata"] |= {"bodyparts": ["nose"], "individuals": ["one", "other"]}
    config["model"]["heads"] = {"bodypart": head}
    (tmp_path / "train/pytorch_config.yaml").write_text(yaml.safe_dump(config))
    kept = [("convt1", 96, 1), ("convt2", 96, 2), ("convt3", 96, 0), ("convt4", 96, 4)]
    kept += [("heatmap_head.deconv_layers.0", 5, 1), ("locref_head.deconv_layers.0", 2, 2)]
    kept += [("paf_head.deconv_layers.0", 5, 0)]
    state = {f"heads.bodypart.{name}.weight": torch.zeros(old, new, 3, 3) for name, old, new in kept}
    state |= {f"heads.bodypart.{name}.bias": torch.zeros(new) for name, _, new in kept}
    for name, new in (("hm", 1), ("paf", 0)):
        state[f"heads.bodypart.{name}_ref_layers.0.weight"] = torch.zeros(new, 5, 3, 3)
        state[f"heads.bodypart.{name}_ref_layers.0.bias"] = torch.zeros(new)
    snapshot = tmp_path / "train/snapshot-007.pt"
    stored = torch.load(snapshot)["model"]
    state |= {name: tensor for name, tensor in stored.items() if name.startswith("backbone.")}
    torch.save({"model": state, "metadata": {"epoch": 7}}, snapshot)
    model = load(tmp_path / "train")
    maps = build_trained(model.spec.stages[0], model.weights(0))(torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
    assert [map_.shape[1] for map_ in maps] == [1, 2]


def test_a_project_with_other_keypoints_than_its_model_is_told_with_both(project):
    config = project / "config.yaml"
    config.write_text(config.read_text().replace("- snout", "- muzzle"))
    with pytest.raises(ModelError, match=r"the project's keypoints are muzzle, .*; the model's are snout, "):
        load(project)


def test_a_strangers_configuration_above_a_copied_folder_is_none_of_its_project(project, tmp_path):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    shutil.copytree(train, tmp_path / "lab/models/x/train")
    before = load(tmp_path / "lab/models/x/train").spec.provenance["deeplabcut"]
    (tmp_path / "lab/config.yaml").write_text("iteration: 9\nmultianimalproject: true\n")
    assert load(tmp_path / "lab/models/x/train").spec.provenance["deeplabcut"] == before


def test_the_command_line_chooses_in_the_words_of_the_tool(project, ethopose_says):
    train = next(project.glob("dlc-models-pytorch/*/*/train"))
    write_snapshots(train, "snapshot-002.pt")
    said = ethopose_says("info", project, "--shuffle", 1, "--snapshot", 0, "--json")
    assert said.code == 0
    assert "snapshot_2" in said.out
    said = ethopose_says("info", project, "--shuffle", 9)
    assert said.code == 2
    assert "no model of shuffle 9" in said.err


def test_a_choice_is_for_projects_alone(tiny, ethopose_says):
    said = ethopose_says("predict", "x.mp4", "-m", tiny(), "--shuffle", 2)
    assert said.code == 2
    assert "--shuffle: for a DeepLabCut project alone" in said.err


@pytest.mark.slow
def test_training_goes_on_from_the_weights_of_a_project(project, tmp_path):
    trained = ethopose.train(project, tmp_path / "mine", weights=project, shuffle=0, minutes=0.02)
    ours, theirs = load(tmp_path / "mine").spec.stages[0], load(project).spec.stages[0]
    assert ours.network == theirs.network
    assert trained.rows[-1].median < 10, "which nothing learns from five images in a second"


def _cropped(project, **told):
    config = yaml.safe_load((project / "config.yaml").read_text()) | told
    (project / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_project_that_crops_is_followed_unless_another_part_is_asked_for(project, caplog):
    assert load(project).window is None
    _cropped(project, cropping=True, x1=40, x2=600, y1=20, y2=460)
    model = load(project)
    assert (
        model.window == load(next(project.glob("dlc-models-pytorch/*/*/train"))).window == (40, 600, 20, 460)
    )
    assert Options().manner(model).window == (40, 600, 20, 460)
    assert "--cropping none" in caplog.text
    assert Options(cropping="none").manner(model).window is None
    assert Options(cropping="1,2,3,4").manner(model).window == (1, 2, 3, 4)
    for told in ({"x2": None}, {"x2": 30}, {"y1": "top"}):
        _cropped(project, **{"x1": 40, "x2": 600, "y1": 20, "y2": 460, **told})
        with pytest.raises(ModelError, match=r"cropping is on .* are no part of a frame"):
            load(project)


def test_a_prefix_may_be_of_several_folders(project):
    shutil.move(project / "dlc-models-pytorch", project / "mine/of/old/dlc-models-pytorch")
    assert is_project(project)
    (chosen,) = choose(project, modelprefix="mine/of/old")
    assert chosen.is_relative_to(project / "mine")
    _cropped(project, cropping=True, x1=40, x2=600, y1=20, y2=460)
    assert load(chosen).window == (40, 600, 20, 460)


def _changed(folder, change):
    """A model folder whose configuration and weights are changed."""
    dlc_folders.write(folder)
    path = folder / "pytorch_config.yaml"
    config = yaml.safe_load(path.read_text())
    content = torch.load(folder / "snapshot-007.pt")
    change(config["model"]["heads"]["bodypart"], content["model"])
    path.write_text(yaml.safe_dump(config))
    torch.save(content, folder / "snapshot-007.pt")
    model = load(folder)
    return model, build_trained(model.spec.stages[0], model.weights(0))


def test_offsets_that_a_predictor_does_not_read_are_left_unread(tmp_path):
    model, graph = _changed(
        tmp_path / "m", lambda head, _: head["predictor"].update(location_refinement=False)
    )
    assert model.spec.stages[0].network.heads[0].options["offsets"] is None
    assert graph.names == ("0.maps",)
    with pytest.raises(ModelError, match=r"the weights are not those of the network: heads.0.offsets"):
        _changed(tmp_path / "n", lambda head, _: head.pop("locref_config"))


def test_a_head_of_fields_without_stages_leaves_theirs_unread(tmp_path):
    def change(head, weights):
        growth = dlc_folders.GROWTH
        head.update(type="DLCRNetHead", num_stages=0, paf_config={"channels": [96, 2], **growth})
        head["predictor"] = {
            "type": "PartAffinityFieldPredictor",
            "graph": [[0, 1]],
            "edges_to_keep": [0],
            "num_animals": 2,
            "num_multibodyparts": 2,
        }
        for name in ("weight", "bias"):
            maps = weights[f"heads.bodypart.heatmap_head.deconv_layers.0.{name}"]
            weights[f"heads.bodypart.paf_head.deconv_layers.0.{name}"] = maps
            weights[f"heads.bodypart.convt1.{name}"] = maps

    _, graph = _changed(tmp_path / "m", change)
    assert graph.names == ("0.maps", "0.offsets", "0.fields")
