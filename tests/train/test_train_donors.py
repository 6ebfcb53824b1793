"""Models of other tools are started from: networks, heads and groupings, for any keypoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_donors import DONORS, NAMES, donor, skeleton_of
from small_trainings import Told, conditions_file, tiny

import ethopose
from ethopose.core import Labels, Poses, Skeleton, SpecError
from ethopose.families.superanimal import offers
from ethopose.families.superanimal.configuration import configuration
from ethopose.models.build import NetworkGraph, build_trained
from ethopose.train import Plan, prepare
from ethopose.train.devices import make_fabric
from ethopose.train.start import starting_network
from ethopose.train.state import State
from ethopose.train.takeover import OF_CONDITIONS
from ethopose.train.wishes import configured
from families.dlc3_nets import make_net, script
from formats.label_files import KEYPOINTS, columns, points, write_h5, write_project

OTHERS = ("tail", "whisker", "nose")
SINGLE = "heat maps"
CONDITIONAL = [name for name in DONORS if "conditions" in name]
ZOO = Path(__file__).parents[1] / "families/golden/superanimal"


@pytest.fixture(autouse=True)
def _cache(network_cache):
    """Converted networks of tests stay out of the user's own."""


@pytest.fixture
def labels(one, two):
    """The labels for a donor, with keypoints of these names."""

    def made(name: str, keypoints: tuple[str, ...] = NAMES) -> Labels:
        given = one if name == SINGLE else two
        return with_skeleton(given, skeleton_of(name, keypoints))

    return made


def with_skeleton(given: Labels, skeleton: Skeleton) -> Labels:
    """Labels in other words; keypoints that belong to no animal are placed in rows of their own."""
    poses, visibility, images = given.poses, given.visibility, np.arange(len(given.images))
    if not skeleton.unique:
        return replace(given, poses=replace(poses, skeleton=skeleton))
    frame = np.r_[poses.frame, images]
    order = np.argsort(frame, kind="stable")
    xy = np.pad(poses.xy, ((0, len(images)), (0, 2), (0, 0)), constant_values=np.nan)
    xy[len(poses) :, 3:] = (5, 5), (90, 60)
    there = np.isfinite(xy).all(-1)
    poses = Poses(
        skeleton,
        frame[order],
        xy[order],
        np.where(there, 1, np.nan).astype(np.float32)[order],
        np.ones(len(xy), np.float32),
    )
    visibility = np.where(there, 2, 0).astype(visibility.dtype)
    return replace(given, poses=poses, visibility=visibility[order])


def planned(labels: Labels, weights: Path, out: Path) -> tuple[Plan, NetworkGraph, Told]:
    """A training from a model, and the network of its last stage as it begins."""
    how = {"weights": weights, "loop": tiny()["loop"]}
    plan = prepare(configured((), how, {}), out, labels)
    told, last = Told(), len(plan.spec.stages) - 1
    graph = starting_network(make_fabric(plan.config.loop), plan, last, State(""), told)
    return plan, graph.eval(), told


def said(graph: NetworkGraph) -> dict[str, torch.Tensor]:
    """What a network makes of a picture, by output."""
    chance = torch.Generator().manual_seed(1)
    shape = 1, 64, 64, 3 + getattr(graph.backbone, "conditions", 0)
    picture = torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)
    with torch.inference_mode():
        return dict(zip(graph.names, graph(picture), strict=True))


@pytest.mark.parametrize("name", DONORS)
def test_a_donor_of_the_same_keypoints_is_taken_over_whole(name, labels, tmp_path):
    folder = donor(tmp_path / "donor", name)
    plan, graph, told = planned(labels(name), folder, tmp_path / "m")
    model = ethopose.load(folder, alone=True)
    given, stage = model.spec.stages[-1], plan.spec.stages[-1]
    assert stage.network == given.network
    assert stage.grouping.name == given.grouping.name
    wanted = said(build_trained(given, model.weights(0)))
    for output, maps in said(graph).items():
        torch.testing.assert_close(maps, wanted[output], rtol=0, atol=0)
    assert told.lines[-1].endswith(f"which knows {', '.join(plan.spec.skeleton.keypoints)}")


# by donor its outputs, of which each keypoint or individual has its own, and how many these are
ITSELF = {
    "heat maps": {"0.maps": 3, "0.offsets": 3},
    "fields": {"0.maps": 3, "0.offsets": 3},
    "centres": {"0.offsets": 3},
    "identity": {"1.individuals": 2},
    "unique": {"0.offsets": 3, "1.maps": 2},
    "boxed heat maps": {"0.maps": 3, "0.offsets": 3},
}
SAME = {2: ([0, 1], [0, 1]), 3: ([0, 2], [2, 0])}  # where names of both are, by how many there are


@pytest.mark.parametrize("name", DONORS)
def test_a_donor_of_other_keypoints_tells_the_same_of_those_that_it_knows(name, labels, tmp_path):
    folder = donor(tmp_path / "donor", name)
    plan, graph, told = planned(labels(name, OTHERS), folder, tmp_path / "m")
    model = ethopose.load(folder, alone=True)
    wanted, given = said(build_trained(model.spec.stages[0], model.weights(0))), said(graph)
    for output, count in ITSELF.get(name, {}).items():
        new, old = SAME[count]
        ours, theirs = (maps[output].unflatten(1, (count, -1)) for maps in (given, wanted))
        torch.testing.assert_close(ours[:, new], theirs[:, old], rtol=0, atol=1e-6)
    known = ["tail", "nose", *plan.spec.skeleton.unique]
    assert f"which knows {', '.join(known)}" in told.lines[-1]


# heads of which keypoints look at each other: tensors that hold them, and the axis
HELD = {
    "conditions": ("backbone.of_conditions.0.weight", 1),
    "attended conditions": ("backbone.looks.2.1.cells.query.weight", 1),
    "staged fields": ("heads.0.refine.0.maps.bias", 0),
    "bins": ("heads.0.layer.weight", 0),
    "tokens": ("heads.0.token", 1),
}


@pytest.mark.parametrize("name", HELD)
def test_what_a_keypoint_has_is_taken_over_by_its_name(name, labels, tmp_path):
    folder = donor(tmp_path / "donor", name)
    _, graph, _ = planned(labels(name, OTHERS), folder, tmp_path / "m")
    tensor, axis = HELD[name]
    ours, theirs = graph.state_dict()[tensor], ethopose.load(folder, alone=True).weights(0)[tensor]
    new, old = (torch.tensor(numbers) for numbers in SAME[3])
    torch.testing.assert_close(ours.index_select(axis, new), theirs.index_select(axis, old))


def test_edges_between_known_keypoints_stay_and_others_join_the_rest(labels, tmp_path):
    folder = donor(tmp_path / "donor", "staged fields")
    plan, graph, _ = planned(labels("staged fields", ("ear", "whisker", "nose")), folder, tmp_path / "m")
    stage = plan.spec.stages[0]
    edges = stage.network.heads[0].options["edges"]
    assert edges[0] == [2, 0]
    assert len(edges) == 2
    assert stage.grouping.options["edges"] == edges
    new, old = graph.state_dict(), ethopose.load(folder).weights(0)
    torch.testing.assert_close(new["heads.0.begin.fields.bias"][:2], old["heads.0.begin.fields.bias"][:2])
    layer = "heads.0.refine.1.maps.weight"  # which reads maps, then fields, then features
    ours, theirs = (torch.tensor(numbers)[:, None] for numbers in ([0, 2], [1, 0]))
    read = (torch.tensor(numbers) for numbers in ([0, 2, 3, 4, *range(7, 11)], [1, 0, 3, 4, *range(9, 13)]))
    torch.testing.assert_close(new[layer][ours, next(read)], old[layer][theirs, next(read)])


def test_what_the_labels_lack_is_left_out(labels, tmp_path):
    folder = donor(tmp_path / "donor", "unique")
    plan, _, told = planned(labels("centres"), folder, tmp_path / "m")
    stage = plan.spec.stages[0]
    assert told.lines[-1].endswith("which knows nose, ear, tail; left out: unique_map")
    assert [head.name for head in stage.network.heads] == ["centre_offsets"]
    assert stage.grouping.name == "by_centre"


def test_keypoints_of_no_animal_want_a_head_of_their_own(labels, tmp_path):
    for kind in ("bottom-up", "top-down"):
        with pytest.raises(
            SpecError, match="no head is for keypoints that belong to no animal: left corner, "
        ):
            prepare(configured((), tiny(kind=kind), {}), tmp_path / "m", labels("unique"))


def test_unique_bodyparts_of_a_project_are_learned_where_a_head_tells_of_them(tmp_path, caplog):
    project = write_project(tmp_path / "p", {"a": 6}, ("one", "two"), uniquebodyparts=["left corner"])
    where = project / "labeled-data/a"
    rows = [("labeled-data", "a", f"img{number:03d}.png") for number in range(6)]
    header = [*columns(("one", "two"), KEYPOINTS), *(("ann", "single", "left corner", axis) for axis in "xy")]
    values = np.column_stack((points(6, 2).reshape(6, -1), np.full((6, 2), 9.0)))
    write_h5(where / "CollectedData_ann.h5", rows, header, values)

    def planned_from(name: str) -> Plan:
        how = {"weights": donor(tmp_path / name, name), "loop": tiny()["loop"]}
        return prepare(configured((project,), how, {}), tmp_path / "m")

    plan = planned_from("unique")
    assert plan.spec.skeleton.keypoints == (*KEYPOINTS, "left corner")
    assert [head.options["keypoints"] for head in plan.spec.stages[0].network.heads] == [len(KEYPOINTS), 1]
    assert plan.facts.animals == 2
    assert "put aside" not in caplog.text
    assert planned_from("centres").spec.skeleton.keypoints == tuple(KEYPOINTS)
    assert "6 points on unique keypoints (left corner) are put aside" in caplog.text


def test_layers_that_begin_anew_are_named(labels, two, tmp_path):
    folder = donor(tmp_path / "donor", "identity")
    strangers = replace(skeleton_of("identity"), individuals=("red", "blue"))
    _, _, told = planned(with_skeleton(two, strangers), folder, tmp_path / "m")
    assert told.lines[-1].endswith("which knows nose, ear, tail; anew: heads.1.maps.grow.0")


@pytest.mark.slow
@pytest.mark.parametrize("name", DONORS)
def test_a_donor_of_every_kind_learns_and_predicts(name, labels, tmp_path):
    folder, given = donor(tmp_path / "donor", name), labels(name, OTHERS)
    how = {"weights": folder, "loop": {**tiny()["loop"], "patience": None}}
    how |= {"every_stage": {"batch": 4, "steps": 80 if "staged" in name or name == "identity" else 30}}
    trained = ethopose.train(given, tmp_path / "m", config=how)
    again = prepare(configured((), tmp_path / "m/training/config.yaml", {}), tmp_path / "m", given)
    assert again.spec == ethopose.load(tmp_path / "m", alone=True).spec
    rows = [row.loss for row in trained.rows if row.stage == trained.rows[-1].stage]
    assert rows[-1] < 0.98 * rows[0]
    clip, out = given.images[0].path, tmp_path / "r"
    where = {"out": out, "format": "none", "runtime": "torch", "threads": 1, "peak_threshold": 0.0}
    if name in CONDITIONAL:
        where["conditions"] = conditions_file(given, tmp_path / "told.json")
    ethopose.predict(clip, tmp_path / "m", **where)
    poses = ethopose.read(out).poses
    assert poses.skeleton.keypoints == given.poses.skeleton.keypoints
    assert len(poses)
    if name == "unique":
        assert np.isfinite(poses.xy[:, 3:]).all((1, 2)).sum() == 16


BY_NAME = {
    "centres": "centres",
    "fields": "fields",
    "together": "identity",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_heads_and_groupings_are_named_in_a_configuration_and_learn_from_nothing(name, labels, tmp_path):
    _, heads, grouping = DONORS[BY_NAME[name]]
    stage = {"heads": heads, "grouping": grouping}
    how = tiny(kind="bottom-up", identity=name == "together", stages={"bottom-up": stage})
    given = labels(BY_NAME[name])
    trained = ethopose.train(
        given, tmp_path / "m", config={**how, "every_stage": {**how["every_stage"], "steps": 40}}
    )
    assert trained.rows[-1].loss < 0.97 * trained.rows[0].loss
    assert ethopose.load(tmp_path / "m").spec.stages[0].grouping.name == grouping["name"]
    ethopose.predict(given.images[0].path, tmp_path / "m", out=tmp_path / "r", format="none", runtime="torch")
    full = tmp_path / "m/training/config.yaml"
    again = prepare(configured((), full, {}), tmp_path / "m", given)
    assert again.spec == ethopose.load(tmp_path / "m").spec


def test_a_head_of_one_size_chooses_the_window(labels, tmp_path):
    for name in ("bins", "boxed heat maps"):  # of boxes the window is that which they filled
        folder = donor(tmp_path / name, name)
        plan, _, _ = planned(labels(name), folder, tmp_path / "m")
        stage, longest = plan.config.stages["instance"], plan.facts.longest
        assert stage.window == (64, 64)
        assert stage.scale == pytest.approx(min(64 / (1.25 * longest), 2), abs=1e-3)
    stage = {"heads": DONORS["bins"][1], "window": (96, 96)}
    how = tiny(kind="top-down", stages={"instance": stage})
    with pytest.raises(SpecError, match=r"instance: a window of 96 x 96 px, and heads that read 64 x 64 px"):
        prepare(configured((), how, {}), tmp_path / "n", labels("bins"))


def test_a_grouping_that_reads_what_no_head_finds_is_refused(labels, tmp_path):
    how = tiny(kind="bottom-up", stages={"bottom-up": {"grouping": {"name": "by_centre"}}})
    with pytest.raises(SpecError, match="no head finds the centre that a model with the grouping by_centre"):
        prepare(configured((), how, {}), tmp_path / "m", labels("centres"))
    stage = {"grouping": {"name": "by_centre"}, "min_keypoints": 2}
    with pytest.raises(SpecError, match="min_keypoints is for animals that are joined from keypoints"):
        prepare(
            configured((), tiny(kind="bottom-up", stages={"bottom-up": stage}), {}),
            tmp_path / "m",
            labels("centres"),
        )


ROWS = {  # networks that the peer made, and their groupings here
    "paf_resnet_50": "assembly",
    "dlcrnet_stride16_unique_identity": "together",
    "dekr_w18": "by_centre",
    "single_hrnet_w18": "one_each",
    "td_resnet_101_ssdlite": "one_each",
    "rtmpose_m": "one_each",
    "animaltokenpose_base": "one_each",
    "ctd_coam_w32": "one_each",
    "ctd_prenet_rtmpose_s": "one_each",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_network_of_deeplabcut_is_started_from(name, one, two, shared_data, tmp_path):
    folder = make_net(shared_data, name, tmp_path).folder
    model = ethopose.load(folder, alone=True)
    first, _, last = model.spec.skeleton.keypoints[:3]
    given = one if name.startswith("single") else two
    individuals = ("mouse2", "mouse1") if "identity" in name else ()
    skeleton = Skeleton((last, "whisker", first), individuals=individuals)
    plan, graph, told = planned(with_skeleton(given, skeleton), folder, tmp_path / "m")
    stage = plan.spec.stages[-1]
    assert stage.grouping.name == ROWS[name]
    assert f"which knows {last}, {first}" in told.lines[-1]
    state = graph.state_dict()
    for layer, tensor in model.weights(len(model.spec.stages) - 1).items():
        of_names = layer.startswith("heads.") or layer.endswith(tuple(OF_CONDITIONS))
        assert of_names or torch.equal(state[layer], tensor)


@pytest.mark.slow
def test_a_superanimal_is_started_from_for_other_keypoints(two, shared_data, tmp_path):
    name = "superanimal_quadruped_rtmpose_s"
    folder, offer, synth = tmp_path / "zoo", offers()[name], script(shared_data / "synth_weights.py")
    folder.mkdir()
    config = configuration(offer, "ssdlite", 10)
    (folder / "pytorch_config.yaml").write_text(yaml.safe_dump(config))
    told = synth.read_manifest(ZOO / name / "manifest.json.gz")
    torch.save({"model": synth.to_torch(synth.synth_state(told)), "metadata": {}}, folder / "snapshot-001.pt")
    given = with_skeleton(two, Skeleton((offer.keypoints[7], "whisker", offer.keypoints[2])))
    how = {"weights": folder, "loop": {**tiny()["loop"], "patience": None}, "every_stage": {"batch": 2}}
    how |= {"stages": {"centroid": {"steps": 2}, "instance": {"steps": 6}}}
    watch = Told()
    trained = ethopose.train(given, tmp_path / "m", config=how, watch=watch)
    assert f"which knows {offer.keypoints[7]}, {offer.keypoints[2]}" in " ".join(watch.lines)
    losses = [row.loss for row in trained.rows if row.stage == "instance"]
    assert losses[-1] < losses[0]
    assert ethopose.load(tmp_path / "m").spec.stages[1].preparation.crop == (128, 128)  # twice as large: 256


def test_a_head_of_keypoints_of_no_animal_wants_them_last(labels, tmp_path):
    given = labels("unique")
    order = [3, 4, 0, 1, 2]
    names = tuple(given.poses.skeleton.keypoints[number] for number in order)
    poses = given.poses
    turned = replace(
        poses,
        skeleton=replace(poses.skeleton, keypoints=names),
        xy=poses.xy[:, order],
        confidence=poses.confidence[:, order],
    )
    folder = donor(tmp_path / "donor", "unique")
    with pytest.raises(SpecError, match="keypoints that belong to no animal come last: left corner, right"):
        planned(replace(given, poses=turned, visibility=given.visibility[:, order]), folder, tmp_path / "m")
