"""SLEAP-NN folders: what each key means, and one clear line for whatever is wrong with one."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import sleap_folders
import torch
from sleap_folders import CLASSES, HEADS, NODES, PAIRS

from ethopose import families
from ethopose.core import EthoposeError, ModelError, UsageError
from ethopose.families.checkpoint import read_checkpoint
from ethopose.families.sleap_nn import SECOND_STAGES
from ethopose.models.build import build

MODELS = {  # of the recordings: kind, keypoints, individuals, crop
    "minimal_instance_single_instance": ("single_instance", ("A", "B"), (), None),
    "minimal_instance_centroid": ("centroid", ("centroid",), (), None),
    "minimal_instance_bottomup": ("bottomup", ("A", "B"), (), None),
    "minimal_instance_multiclass_bottomup": (
        "multi_class_bottomup", ("A", "B"), ("female", "male"), None,
    ),
    "minimal_instance_centered_instance": ("centroid + centered_instance", ("A", "B"), (), (96, 96)),
    "minimal_instance_multiclass_centered_instance": (
        "centroid + multi_class_topdown", ("A", "B"), ("female", "male"), (128, 128),
    ),
}  # fmt: skip


def folders_of(path, kind: str) -> list:
    """The folder, and that of centroids where the kind needs one."""
    return [path, path.parent / "minimal_instance_centroid"] if " + " in kind else [path]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_peer_is_recognised_translated_and_loads_strictly(shared_data, name):
    kind, keypoints, individuals, crop = MODELS[name]
    model = families.load(folders_of(shared_data / "sleap_nn/models" / name, kind))
    assert model.spec.family == "SLEAP-NN"
    assert model.spec.kind == kind
    assert model.spec.skeleton.keypoints == keypoints
    assert model.spec.skeleton.individuals == individuals
    assert model.spec.result_formats == ("slp",)
    assert model.spec.stages[-1].preparation.crop == crop
    for index, stage in enumerate(model.spec.stages):
        build(stage).load_state_dict(model.weights(index), strict=True)


def test_every_recorded_model_is_listed_here(shared_data):
    assert {path.name for path in (shared_data / "sleap_nn/models").iterdir()} == set(MODELS)


def test_configurations_in_recorded_checkpoints_are_inert(shared_data):
    for path in (shared_data / "sleap_nn/models").iterdir():
        content = read_checkpoint(path / "best.ckpt")
        assert not isinstance(content["config"], dict)
        assert not vars(content["config"])
        assert content["epoch"] >= 0


def loaded(tmp_path, kind: str, told: dict | None = None):
    """A folder of this kind, with centroids where it needs them."""
    sleap_folders.write(tmp_path / kind, kind, told)
    folders = [tmp_path / kind]
    if kind in SECOND_STAGES:
        sleap_folders.write(tmp_path / "centroid", "centroid")
        folders.append(tmp_path / "centroid")
    return families.load(folders)


@pytest.mark.parametrize("kind", HEADS)
def test_every_weight_gets_our_name(tmp_path, kind):
    state = sleap_folders.write(tmp_path / "again", kind)
    weights = loaded(tmp_path, kind).weights(-1)
    assert set(weights) == set(state)
    assert all(torch.equal(weights[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("kind", HEADS)
def test_every_kind_is_translated(tmp_path, kind):
    spec = loaded(tmp_path, kind).spec
    graph = build(spec.stages[-1])
    graph.load_state_dict(loaded(tmp_path, kind).weights(-1), strict=True)
    assert spec.skeleton.keypoints == (("centroid",) if kind == "centroid" else NODES)
    assert spec.skeleton.individuals == (CLASSES if "multi_class" in kind else ())
    assert spec.skeleton.edges == (() if kind == "centroid" else PAIRS)
    assert spec.skeleton.name == "mouse"
    preparation = spec.stages[-1].preparation
    assert preparation.color == ("as_filmed" if kind in SECOND_STAGES else "gray")
    assert preparation.pad_to == 8
    assert preparation.crop == ((32, 32) if kind in SECOND_STAGES else None)


def test_what_a_configuration_leaves_out_has_the_value_of_the_peer(tmp_path):
    told = sleap_folders.config("single_instance")
    told["data_config"]["preprocessing"] = {}
    told["model_config"]["backbone_config"]["unet"] = {}
    told["model_config"]["head_configs"] = {"single_instance": {"confmaps": {}}}
    stage = loaded(tmp_path, "single_instance", told).spec.stages[0]
    options = stage.network.backbone.options
    assert stage.network.in_channels == 1
    assert (options["filters"], options["filters_rate"], options["max_stride"]) == (32, 1.5, 16)
    assert (options["output_stride"], options["up_interpolate"], options["stem_stride"]) == (1, True, None)
    assert (stage.preparation.color, stage.preparation.scale, stage.preparation.pad_to) == (
        "as_filmed",
        1,
        16,
    )
    head = stage.network.heads[0].options
    assert (head["keypoints"], head["stride"], head["sigma"]) == (3, 1, 5.0)
    assert stage.peak_threshold == 0.2


@pytest.mark.parametrize(
    ("key", "value", "field", "wanted"),
    [
        ("ensure_rgb", True, "color", "rgb"),
        ("scale", 0.5, "scale", 0.5),
        ("max_height", 96, "fit", (96, None)),
        ("max_width", 70, "fit", (None, 70)),
    ],
)
def test_preprocessing_is_translated(tmp_path, key, value, field, wanted):
    told = sleap_folders.config("bottomup")
    told["data_config"]["preprocessing"] |= {"ensure_grayscale": False, key: value}
    assert getattr(loaded(tmp_path, "bottomup", told).spec.stages[0].preparation, field) == wanted


@pytest.mark.parametrize(
    "symmetries", [[[{"name": "nose"}, {"name": "tail"}]], [{"nodes": [{"name": "nose"}, {"name": "tail"}]}]]
)
def test_symmetries_are_read_in_both_spellings(tmp_path, symmetries):
    told = sleap_folders.config("single_instance")
    told["data_config"]["skeletons"][0]["symmetries"] = symmetries
    assert loaded(tmp_path, "single_instance", told).spec.skeleton.symmetries == ((0, 2),)


def test_the_order_of_a_heads_parts_counts_and_not_their_names(tmp_path):
    told = sleap_folders.config("bottomup")
    head = told["model_config"]["head_configs"]["bottomup"]
    head["confmaps"]["part_names"], head["pafs"]["edges"] = ["x", "y", "z"], [["y", "x"], ["y", "z"]]
    spec = loaded(tmp_path, "bottomup", told).spec
    assert spec.skeleton.keypoints == NODES
    assert [tuple(edge) for edge in spec.stages[0].network.heads[1].options["edges"]] == list(PAIRS)


@pytest.mark.parametrize("kind", SECOND_STAGES)
def test_a_pair_may_be_given_in_any_order(tmp_path, kind):
    model = loaded(tmp_path, kind)
    other = families.load(list(reversed(model.paths)))
    assert other.digest == model.digest
    assert [path.name for path in model.paths] == ["centroid", kind]
    assert model.spec.name == f"centroid+{kind}"


def test_the_stages_of_a_pair_share_what_they_see(tmp_path):
    first, second = sleap_folders.config("centroid"), sleap_folders.config("centered_instance")
    first["data_config"]["preprocessing"] |= {"max_height": 96, "scale": 0.5}
    first["data_config"]["preprocessing"] |= {"ensure_grayscale": False, "ensure_rgb": None}
    second["data_config"]["preprocessing"] |= {"max_height": 40, "max_width": 80, "ensure_rgb": True}
    second["data_config"]["preprocessing"]["ensure_grayscale"] = True  # the first has said no
    sleap_folders.write(tmp_path / "first", "centroid", first)
    sleap_folders.write(tmp_path / "second", "centered_instance", second)
    spec = families.load([tmp_path / "first", tmp_path / "second"]).spec
    assert [stage.preparation.fit for stage in spec.stages] == [(96, 80), (96, 80)]
    assert [stage.preparation.color for stage in spec.stages] == ["rgb", "as_filmed"]
    assert [stage.preparation.scale for stage in spec.stages] == [0.5, 1.0]


@pytest.mark.parametrize("kind", SECOND_STAGES)
def test_a_second_stage_alone_asks_for_its_centroids(tmp_path, kind):
    sleap_folders.write(tmp_path / kind, kind)
    with pytest.raises(UsageError, match=f"-m CENTROID -m {kind}"):
        families.load(tmp_path / kind)


@pytest.mark.parametrize("kind", [kind for kind in HEADS if kind not in SECOND_STAGES])
def test_what_is_no_pair_is_refused(tmp_path, kind):
    for name in ("one", "other"):
        sleap_folders.write(tmp_path / name, kind)
    with pytest.raises(UsageError, match="no pair"):
        families.load([tmp_path / "one", tmp_path / "other"])
    sleap_folders.write(tmp_path / "third", "single_instance" if kind == "centroid" else "centered_instance")
    if kind != "centroid":
        with pytest.raises(UsageError, match="no pair"):
            families.load([tmp_path / "one", tmp_path / "third"])


@pytest.mark.parametrize("kind", ["centroid_segmentation", "bottomup_segmentation", "embedding", "bbox_ssd"])
def test_a_kind_that_we_do_not_run_is_refused_by_name(tmp_path, kind):
    told = sleap_folders.config("bottomup")
    told["model_config"]["head_configs"] = {"bottomup": None, kind: {"confmaps": {}}}
    with pytest.raises(ModelError, match=rf"{kind}.*ethopose runs"):
        loaded(tmp_path, "bottomup", told)


@pytest.mark.parametrize("backbone", ["convnext", "swint", "pretrained"])
def test_a_backbone_that_we_do_not_have_is_refused_by_name(tmp_path, backbone):
    told = sleap_folders.config("bottomup")
    told["model_config"]["backbone_config"] = {"unet": None, backbone: {"in_channels": 1}}
    with pytest.raises(ModelError, match=backbone):
        loaded(tmp_path, "bottomup", told)


@pytest.mark.parametrize(
    "name", ["model.backbone.enc.features.0.weight", "model.head_layers.0.OffsetHead2.1.weight", "optimizer"]
)
def test_a_weight_of_an_unknown_layer_is_named(tmp_path, name):
    model = loaded(tmp_path, "bottomup")
    path = tmp_path / "bottomup/best.ckpt"
    content = torch.load(path)
    content["state_dict"][name] = torch.ones(1)
    torch.save(content, path)
    with pytest.raises(ModelError, match=name):
        model.weights(0)


@pytest.mark.parametrize("state", [None, [], {"model.a": 3}, "text"])
def test_a_checkpoint_without_weights_is_refused(tmp_path, state):
    model = loaded(tmp_path, "bottomup")
    torch.save({"state_dict": state} if state is not None else {}, tmp_path / "bottomup/best.ckpt")
    with pytest.raises(ModelError, match="no state_dict"):
        model.weights(0)


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "\0", "model_config: !!python/object/apply:os.getcwd []"]
)
def test_a_broken_configuration_is_named(tmp_path, text):
    sleap_folders.write(tmp_path, "bottomup")
    (tmp_path / "training_config.yaml").write_text(text)
    with pytest.raises(ModelError) as error:
        families.load(tmp_path)
    assert error.value.where == tmp_path / "training_config.yaml"


def places(tree: Any, place: tuple = ()) -> Iterator[tuple]:
    """The path of every key and list index of a configuration."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*place, key)
        yield from places(value, (*place, key))


def changed(told: dict, place: tuple, value: object) -> dict:
    told = copy.deepcopy(told)
    inner = told
    for key in place[:-1]:
        inner = inner[key]
    if value == "missing":
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return told


WRONG = ["missing", None, "text", [], {}, -1, 0, 3.7, True, [[1]], {"a": 1}]


@pytest.mark.parametrize("section", ["data_config", "model_config"])
@pytest.mark.parametrize("kind", HEADS)
def test_any_wrong_value_in_a_configuration_is_one_of_our_errors(tmp_path, kind, section):
    """Or has a meaning; never what a user would see as a traceback."""
    told = sleap_folders.config(kind)
    loaded(tmp_path, kind)
    folders = [tmp_path / kind, tmp_path / "centroid"][: 2 if kind in SECOND_STAGES else 1]
    raised = {}
    for place in places({section: told[section]}):
        for value in WRONG:
            sleap_folders.write_config(tmp_path / kind, changed(told, place, value))
            try:
                families.load(folders)
            except EthoposeError:
                continue
            except Exception as error:
                raised[f"{'.'.join(map(str, place))} = {value!r}"] = repr(error)[:90]
    assert raised == {}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("head_configs.bottomup.confmaps.output_stride", 3),
        ("head_configs.bottomup.pafs.output_stride", 1),
        ("head_configs.bottomup.pafs.output_stride", "four"),
        ("backbone_config.unet.max_stride", 12),
        ("backbone_config.unet.max_stride", 0),
        ("backbone_config.unet.output_stride", 16),
        ("backbone_config.unet.filters", "many"),
        ("backbone_config.unet.filters", -3),
        ("backbone_config.unet.filters_rate", None),
        ("backbone_config.unet.kernel_size", -1),
        ("backbone_config.unet.convs_per_block", 1),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_by_one_of_our_errors(tmp_path, place, value):
    told = changed(sleap_folders.config("bottomup"), ("model_config", *place.split(".")), value)
    with pytest.raises(EthoposeError):
        build(loaded(tmp_path, "bottomup", told).spec.stages[0])
