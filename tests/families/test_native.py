"""Our own folders: what was written is read, weights to half precision, and faults have a place."""

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_folders import spec, write_native

from ethopose import families
from ethopose.core import ModelError, Skeleton, UsageError
from ethopose.families import native
from ethopose.models.build import build
from ethopose.models.spec import ModelSpec, Network, Part

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
words |= st.sampled_from(["yes", "null", "1e3", ": ", "- a", "#", "~", "0x1", " ", "é\u2028", "2020-01-01"])
values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)


@given(
    individual=words,
    keypoints=st.lists(words, min_size=2, max_size=5, unique=True),
    provenance=st.dictionaries(words, values | st.lists(values, max_size=3), max_size=4),
    threshold=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_spec_reads_back_as_it_was_written(tmp_path_factory, individual, keypoints, provenance, threshold):
    stages = tuple(stage.model_copy(update={"peak_threshold": threshold}) for stage in spec().stages)
    skeleton = Skeleton(tuple(keypoints), edges=((1, 0),), individuals=(individual,))
    folder = tmp_path_factory.getbasetemp() / "any spec"
    told = {"name": folder.name, "skeleton": skeleton, "provenance": provenance, "stages": stages}
    written = spec().model_copy(update=told)
    native.write(folder, written, [{}, {}])
    assert native.read([folder]).spec == written


def test_every_field_of_the_example_is_told_from_its_default():
    """So that the round trip has something to lose."""
    bare = ModelSpec(name="a", family="b", kind="c", skeleton=Skeleton(("d",)), stages=spec().stages[:1])
    assert [name for name in ModelSpec.model_fields if getattr(bare, name) == getattr(spec(), name)] == [
        "plugins"  # of which test_own_code tells
    ]


def test_weights_come_back_in_full_precision_rounded_to_half(tmp_path):
    torch.manual_seed(0)
    states = [build(stage).state_dict() for stage in spec().stages]
    native.write(tmp_path, spec(), states)
    model = native.read([tmp_path])
    for index, state in enumerate(states):
        weights = model.weights(index)
        assert set(weights) == set(state)
        for name, tensor in state.items():
            assert torch.equal(weights[name], tensor.half().float())


def test_weights_can_be_kept_in_full_and_counters_are_never_rounded(tmp_path):
    network = Network(
        in_channels=1,
        backbone=Part(name="nano", options={"width": 4, "max_stride": 4}),
        heads=(Part(name="probability_map", options={"keypoints": 2, "stride": 2}),),
    )
    stage = spec().stages[1].model_copy(update={"network": network})
    told = spec().model_copy(update={"stages": (stage,)})
    state = build(stage).state_dict()
    counters = [name for name, tensor in state.items() if not tensor.is_floating_point()]
    assert counters
    for name in counters:
        state[name] += 70_001  # more than half precision can hold
    for half in (True, False):
        native.write(tmp_path, told, [state], half=half)
        weights = native.read([tmp_path]).weights(0)
        assert all(torch.equal(weights[name], state[name]) for name in counters)
        assert all(torch.equal(weights[name], state[name]) for name in state) == (not half)


def test_writing_again_replaces_and_leaves_no_other_file(tmp_path):
    write_native(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_native(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert sorted(before) == ["model.yaml", "weights.safetensors"]


def test_both_stages_of_a_pair_lie_in_one_folder(tmp_path):
    write_native(tmp_path / "one")
    write_native(tmp_path / "two")
    with pytest.raises(UsageError, match="one folder holds both"):
        families.load([tmp_path / "one", tmp_path / "two"])


CHANGES = {
    "an unknown key": (("stages", 0, "threshold"), 0.5, r"stages\.0\.threshold"),
    "a wrong type": (("stages", 1, "preparation", "scale"), "half", r"stages\.1\.preparation\.scale"),
    "no stage": (("stages",), [], "stages"),
    "four channels": (("stages", 0, "network", "in_channels"), 4, "in_channels"),
    "a keypoint twice": (("skeleton", "keypoints"), ["nose", "nose"], "skeleton"),
    "an edge to nowhere": (("skeleton", "edges"), [[0, 5]], "skeleton"),
    "a skeleton of text": (("skeleton",), "nose", "skeleton"),
}


@pytest.mark.parametrize(("place", "value", "why"), CHANGES.values(), ids=CHANGES)
def test_a_wrong_key_is_named_with_its_place(tmp_path, place, value, why):
    write_native(tmp_path)
    told = yaml.safe_load((tmp_path / "model.yaml").read_text())
    inner = told
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(ModelError, match=why) as error:
        families.load(tmp_path)
    assert error.value.where == tmp_path / "model.yaml"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "- 1",
        "\0",
        "a: 1\na: {",
        "!!python/object/apply:os.getcwd []",
        "a: !!python/name:os.system",
    ],
)
def test_yaml_that_is_no_mapping_is_refused(tmp_path, text):
    write_native(tmp_path)
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(ModelError) as error:
        families.load(tmp_path)
    assert error.value.where == tmp_path / "model.yaml"


def test_a_part_that_nobody_knows_is_named(tmp_path):
    write_native(tmp_path)
    text = (tmp_path / "model.yaml").read_text()
    (tmp_path / "model.yaml").write_text(text.replace("name: unet", "name: resnet_1001"))
    with pytest.raises(Exception, match=r"resnet_1001.*choose from .*unet"):
        build(families.load(tmp_path).spec.stages[0])


@pytest.mark.parametrize("damage", ["gone", "noise", "a stage is missing"])
def test_broken_weights_are_named_when_they_are_asked_for(tmp_path, damage):
    write_native(tmp_path)
    model, path = families.load(tmp_path), tmp_path / "weights.safetensors"
    if damage == "gone":
        path.unlink()
    elif damage == "noise":
        path.write_bytes(bytes(range(256)) * 9)
    else:
        native.write(tmp_path, spec(), [build(spec().stages[0]).state_dict()])
    with pytest.raises(ModelError) as error:
        model.weights(1)
    assert error.value.where == path
