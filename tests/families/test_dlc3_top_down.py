"""DeepLabCut 3's top-down models: boxes, crops and poses are those that it recorded."""

import enum
import json
import shutil
import sys
import types
from pathlib import Path

import cv2
import dlc_folders
import dlc_top_down
import numpy as np
import pytest
import torch
import yaml

import ethopose
from ethopose.core import ModelError, UsageError
from ethopose.families import load
from ethopose.families.deeplabcut3 import choose
from ethopose.formats import csv
from ethopose.models.boxes import cut
from ethopose.models.build import DecodeGraph, build_trained
from ethopose.models.grouping import GROUPINGS, Context
from ethopose.models.preparation import Fitted, unscaled
from ethopose.models.spec import Boxed
from ethopose.predict import predictor
from ethopose.runtime import Compute, StageSource, compile_stage

DETECTORS = ("td_resnet_101_ssdlite", "td_hrnet_w32_frcnn_mobilenet", "rtmpose_s_frcnn_resnet50")
NETS = (*DETECTORS, "rtmpose_m")


def found_in(model, image: np.ndarray, runtime: str) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """What the first stage's graphs give of one picture."""
    source = StageSource(model.spec.stages[0], lambda: model.weights(0), f"{model.digest}.0")
    stage = compile_stage(source, (1, *image.shape), Compute("cpu", runtime, "fp32", threads=2))
    maps = stage.network(image[None])
    return [np.asarray(map_) for map_ in maps], stage.decode(maps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        (DETECTORS[0], "torch"),
        (DETECTORS[0], "openvino"),
        (DETECTORS[1], "torch"),
        (DETECTORS[1], "openvino"),
    ],
)
def test_boxes_are_those_that_the_peer_recorded(name, runtime, net, network_cache):
    recorded = net(name)
    model = load(recorded.folder)
    stage = model.spec.stages[0]
    for number in range(len(recorded.images)):
        image, outputs = recorded.image(number), recorded.outputs
        _, found = found_in(model, image, runtime)
        context = Context(stage.peak_threshold, None, np.zeros(1, int), size=image.shape[:2])
        every = GROUPINGS.build("boxes", **{**stage.grouping.options, "animals": None})(found, context)
        wanted = {key: outputs[f"img{number}/detector/{key}"] for key in ("boxes", "scores", "n_total")}
        assert min(len(every.frame), 100 if "frcnn" in name else 300) == wanted["n_total"]
        np.testing.assert_allclose(every.xy[:40].reshape(-1, 4), wanted["boxes"], atol=1e-2)
        np.testing.assert_allclose(every.score[:40], wanted["scores"], atol=1e-4)
        kept = GROUPINGS.build("boxes", **stage.grouping.options)(found, context)
        last = outputs[f"img{number}/detector/final_bboxes"]
        sides = np.concatenate((kept.xy[:, 0], kept.xy[:, 1] - kept.xy[:, 0]), 1)
        np.testing.assert_allclose(sides, last, atol=1e-2)
        np.testing.assert_allclose(kept.score, outputs[f"img{number}/detector/final_bbox_scores"], atol=1e-4)


@pytest.mark.slow
def test_a_detector_that_finds_nobody_says_so_by_the_numbers_that_the_peer_recorded(net):
    recorded = net("rtmpose_s_frcnn_resnet50")
    model = load(recorded.folder)
    image, wanted = recorded.image(0), recorded.outputs
    (scores, ways, proposals), found = found_in(model, image, "torch")
    enlarged = np.array([1066, 800, 1066, 800])
    there = (proposals[0, :, 2:] > 0).any(-1)
    np.testing.assert_allclose(
        proposals[0][there] * enlarged, wanted["img0/detector/raw_proposals"], atol=1e-2
    )
    for ours, theirs in ((scores, "raw_logits"), (ways, "raw_deltas")):
        told = wanted[f"img0/detector/{theirs}"][:, -ours.shape[-1] :]
        np.testing.assert_allclose(ours[0][there], told, atol=1e-4 * np.abs(told).max())
    graph = build_trained(model.spec.stages[0], model.weights(0))
    with torch.inference_mode():
        features = graph.backbone(torch.from_numpy(image[None]).permute(0, 3, 1, 2) / 255)
    told = wanted["img0/detector/raw_fpn_pool"]
    np.testing.assert_allclose(features[64][0, : len(told)], told, atol=1e-4 * np.abs(told).max())
    context = Context(model.spec.stages[0].peak_threshold, None, np.zeros(1, int), size=image.shape[:2])
    grouping = model.spec.stages[0].grouping
    assert not len(GROUPINGS.build(grouping.name, **grouping.options)(found, context).frame)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_poses_in_boxes_are_those_that_the_peer_recorded(name, net):
    recorded = net(name)
    if name not in DETECTORS:
        shutil.copy(net(DETECTORS[0]).folder / "snapshot-detector-best-030.pt", recorded.folder)
    model = load(recorded.folder)
    stage = model.spec.stages[1]
    graph = build_trained(stage, model.weights(1))
    for number in range(len(recorded.images)):
        told = {
            key.partition("/")[2]: value for key, value in recorded.outputs.items() if key[3] == str(number)
        }
        boxes = told["bboxes"]
        corners = np.stack((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1).astype(np.float32)
        fitted = Fitted(recorded.image(number)[None], np.float32(1))
        crops = cut(fitted, np.zeros(len(boxes), int), corners, stage.preparation)
        np.testing.assert_array_equal(crops.corner, told["offsets"])
        np.testing.assert_allclose(crops.scale, told["scales"])
        with torch.inference_mode():
            maps = graph(torch.from_numpy(crops.images))
            found = dict(zip(("xy", "value"), DecodeGraph(graph)(*maps), strict=True))
        recordings = [key for key in told if key.startswith("heads/")]
        assert len(recordings) == len(maps) == 2
        for ours, key in zip(maps, recordings, strict=True):
            np.testing.assert_allclose(ours, told[key], atol=1e-4 * np.abs(told[key]).max())
        group = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
        arrays = {key: value.numpy() for key, value in found.items()}
        context = Context(stage.peak_threshold, None, np.zeros(len(boxes), int), np.ones(len(boxes)))
        instances = group(arrays, context)
        xy = unscaled(instances.xy, stage.preparation) * crops.scale[:, None] + crops.corner[:, None]
        last = told["final/bodyparts"][: len(boxes)]
        np.testing.assert_allclose(xy, last[..., :2], rtol=1e-4, atol=1e-2)
        exact = 1e-3 if "rtmpose" in name else 1e-4  # SimCC multiplies its logits, and their rounding, by 849
        np.testing.assert_allclose(instances.confidence, last[..., 2], atol=exact)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small top-down model, of at most two animals."""
    path = tmp_path / "mice-trainset95shuffle3" / "train"
    dlc_top_down.write(path)
    return path


def test_a_top_down_model_is_two_stages_of_one_folder(folder):
    model = load(folder)
    first, second = model.spec.stages
    assert model.spec.name == "DLC_RtmposeS_miceshuffle3_detector_best-20_snapshot_7"
    assert model.spec.kind == "top-down rtmpose_s"
    assert first.grouping.options["animals"] == 2
    assert second.preparation.crop == (64, 96)
    assert second.preparation.boxed == Boxed(margin=5, context=False)
    told = ethopose.info(folder)
    assert [stage["network"]["heads"][0]["name"] for stage in told["stages"]] == [
        "anchored_boxes",
        "located_map",
    ]


def test_the_digest_follows_the_detector(folder):
    before = load(folder).digest
    detector = folder / "snapshot-detector-best-020.pt"
    content = bytearray(detector.read_bytes())
    content[-100] ^= 1
    detector.write_bytes(content)
    assert load(folder).digest != before


def test_the_best_detector_counts_where_there_is_one_else_the_last(folder):
    (folder / "snapshot-detector-best-020.pt").rename(folder / "snapshot-detector-090.pt")
    (folder / "snapshot-detector-100.pt").touch()
    assert "_detector_100_" in load(folder).spec.name


def test_a_detectors_snapshot_is_chosen_by_place_or_named(folder):
    shutil.copy(folder / "snapshot-detector-best-020.pt", folder / "snapshot-detector-010.pt")
    snapshot, detector = folder / "snapshot-007.pt", folder / "snapshot-detector-010.pt"
    assert choose(folder, detector_snapshot=0) == [snapshot, detector]
    for pair in ([snapshot, detector], [detector, snapshot], [folder, detector]):
        assert "_detector_10_snapshot_7" in load(pair).spec.name
    assert load(folder, detector_snapshot="best").digest == load(folder).digest
    with pytest.raises(UsageError, match="a detector's snapshot alone is no model"):
        load(detector)


def test_an_exported_model_is_the_model_that_was_exported(folder, tmp_path):
    config = yaml.safe_load((folder / "pytorch_config.yaml").read_text())
    pose, detector = (
        torch.load(folder / name)["model"] for name in ("snapshot-007.pt", "snapshot-detector-best-020.pt")
    )
    place = tmp_path / "DLC_mice_rtmpose_s_iteration-0_shuffle-3"
    place.mkdir()
    file = place / f"{place.name}_snapshot-detectorbest-20_snapshot-7.pt"
    torch.save({"config": config, "pose": pose, "detector": detector}, file)
    known, exported = load(folder), load(file)
    assert exported.spec.name == file.stem
    assert exported.spec.stages == known.spec.stages
    assert exported.digest == load(place).digest
    for stage in (0, 1):
        ours, theirs = exported.weights(stage), known.weights(stage)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    torch.save({"config": config, "pose": pose}, file)
    with pytest.raises(ModelError, match="neither 'model' nor 'detector' in it"):
        load(file).weights(0)
    torch.save({"model": pose}, file)
    with pytest.raises(ModelError, match="no configuration is in it, and none lies beside it"):
        load(file)
    shutil.copy(file, place / f"{place.name}_snapshot-9.pt")
    with pytest.raises(ModelError, match="several exported models"):
        load(place)


def test_a_project_tells_which_detector_counts(folder, tmp_path):
    train = tmp_path / "p/dlc-models-pytorch/iteration-0/miceJan1-trainset95shuffle1/train"
    shutil.copytree(folder, train)
    shutil.copy(folder / "snapshot-detector-best-020.pt", train / "snapshot-detector-010.pt")
    project = tmp_path / "p/config.yaml"
    for index, uid in ((0, "10"), (-1, "best-20"), (None, "best-20"), ("all", "best-20")):
        project.write_text(yaml.safe_dump({"bodyparts": ["nose", "tail"], "detector_snapshotindex": index}))
        assert f"_detector_{uid}_snapshot_7" in load(tmp_path / "p").spec.name


class Word(enum.StrEnum):
    """As DeepLabCut's own, in the module where it has them."""

    TD = "TD"


def test_words_and_paths_of_a_true_export_are_texts(folder, tmp_path, monkeypatch):
    name = "deeplabcut.pose_estimation_pytorch.config.enums"
    for part in ("deeplabcut", "deeplabcut.pose_estimation_pytorch", name.rpartition(".")[0], name):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    monkeypatch.setattr(sys.modules[name], "Word", Word, raising=False)
    monkeypatch.setattr(Word, "__module__", name)
    config = yaml.safe_load((folder / "pytorch_config.yaml").read_text())
    config["method"], config["metadata"]["project_path"] = Word.TD, Path("/gone/mice")
    file = tmp_path / "DLC_mice_snapshot-7.pt"
    torch.save({"config": config, "pose": torch.load(folder / "snapshot-007.pt")["model"]}, file)
    monkeypatch.undo()
    model = load(file)
    assert model.spec.kind == "top-down rtmpose_s"
    assert model.spec.provenance["deeplabcut"]["config"]["metadata"]["project_path"].endswith("/gone/mice")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda c: c["metadata"].update(bodyparts=["nose"]),
            "names 1, and the head bodypart tells of 2",
        ),
        (
            lambda c: c["metadata"].update(unique_bodyparts=["post"]),
            "names 1, .* unique_bodypart tells of 0",
        ),
        (lambda c: c["data"]["inference"].update(hist_eq=True), "hist_eq is not supported"),
        (lambda c: c["data"]["inference"].update(longest_max_size=99), "longest_max_size of crops"),
        (
            lambda c: c["data"]["inference"].update(auto_padding={"min_height": 512}),
            "auto_padding.min_height: 512",
        ),
    ],
)
def test_what_a_configuration_asks_for_is_done_or_refused(folder, change, why):
    path = folder / "pytorch_config.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ModelError, match=why):
        load(folder)


def test_an_exported_model_has_its_detector_also_beside_a_configuration(folder):
    wanted = [load(folder).weights(stage) for stage in (0, 1)]
    pose, detector = (
        torch.load(next(folder.glob(f"snapshot-{kind}.pt"))) for kind in ("[0-9b]*", "detector-*")
    )
    config = yaml.safe_load((folder / "pytorch_config.yaml").read_text())
    for path in folder.glob("snapshot-*.pt"):
        path.unlink()
    exported = folder / "DLC_mice_snapshot-detector-best-20_snapshot-7.pt"
    for told in ({"config": config}, {}):
        torch.save({**told, "pose": pose["model"], "detector": detector["model"]}, exported)
        model = load(exported)
        for stage, theirs in enumerate(wanted):
            ours = model.weights(stage)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_missing_detector_is_one_clear_line(folder):
    (folder / "snapshot-detector-best-020.pt").unlink()
    with pytest.raises(ModelError, match="the detector, which finds the animals, is missing") as told:
        load(folder)
    assert told.value.where == folder
    assert "\n" not in str(told.value)
    assert "the detector, which finds the animals, is missing" in ethopose.info(folder)["needs"]
    with pytest.raises(ModelError, match="the detector, which finds the animals, is missing"):
        ethopose.convert(folder, folder.parent / "out")
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"detector": None}, "no detector, which a top-down model needs"),
        ({"detector": {"model": {"type": "YOLO"}, "data": {}}}, "the detector YOLO is not supported"),
    ],
)
def test_a_configuration_without_a_known_detector_is_refused(folder, change, why):
    dlc_top_down.write_config(folder, dlc_top_down.TOP_DOWN | change)
    with pytest.raises(ModelError, match=why):
        load(folder)


@pytest.fixture
def clip(tmp_path) -> Path:
    """Five pictures of noise."""
    (tmp_path / "clip").mkdir()
    chance = np.random.default_rng(0)
    for number in range(5):
        picture = chance.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "clip" / f"{number}.png"), picture)
    return tmp_path / "clip"


def predicted(clip: Path, folder: Path, out: Path, **options):
    return ethopose.predict(clip, folder, out=out, device="cpu", runtime="torch", format="none", **options)


def test_the_boxes_that_animals_were_read_in_stand_beside_them(folder, clip, tmp_path):
    result = predicted(clip, folder, tmp_path / "x.ethopose", batch_size=2)
    columns = result.manifest.columns
    assert [columns[f"box.{name}"] for name in ("x", "y", "width", "height", "score")] == ["px"] * 4 + ["1"]
    (part,) = result
    assert np.bincount(part.poses.frame, minlength=5).tolist() == [2] * 5
    left, top, width, height, score = part.extra.values()
    assert min(left.min(), top.min()) >= 0
    assert (left + width).max() <= 80.001
    assert (top + height).max() <= 60.001
    np.testing.assert_array_equal(score, part.poses.score)
    assert all(np.diff(score[part.poses.frame == frame]) <= 0 for frame in range(5))


def test_batches_change_no_number(folder, clip, tmp_path):
    one, other = (predicted(clip, folder, tmp_path / f"{n}.ethopose", batch_size=n) for n in (1, 4))
    np.testing.assert_allclose(one.xy, other.xy, rtol=0, atol=1e-3)
    assert one.frame.tolist() == other.frame.tolist()


def test_the_detector_sees_as_many_frames_as_are_told(folder, clip, tmp_path, monkeypatch):
    seen, compiling = [], predictor.compile_stage
    monkeypatch.setattr(predictor, "compile_stage", lambda *told: seen.append(told[1][0]) or compiling(*told))
    one = predicted(clip, folder, tmp_path / "one.ethopose")
    assert seen.pop(0) == one.manifest.batch
    seen.clear()
    two = predicted(clip, folder, tmp_path / "two.ethopose", detector_batch_size=2, batch_size=1)
    assert seen[0] == two.manifest.batch == two.manifest.settings["detector_batch_size"] == 2
    np.testing.assert_allclose(one.xy, two.xy, rtol=0, atol=1e-3)
    dlc_folders.write(tmp_path / "single")
    with pytest.raises(UsageError, match="has no detector"):
        predicted(clip, tmp_path / "single", tmp_path / "x", detector_batch_size=2)
    with pytest.raises(UsageError, match="detector_batch_size is 0"):
        predicted(clip, folder, tmp_path / "x", detector_batch_size=0)


def test_frames_without_a_box_are_frames_without_animals(folder, clip, tmp_path):
    result = predicted(clip, folder, tmp_path / "x.ethopose", peak_threshold=0.99999)
    assert len(result) == 0
    assert result.frames.frame.tolist() == list(range(5))
    assert result.frames.animals.tolist() == [0] * 5


def test_a_table_of_a_top_down_result_reads_back_as_it_was(folder, clip, tmp_path):
    result = predicted(clip, folder, tmp_path / "x.ethopose")
    ethopose.convert(result.path, tmp_path / "x.csv")
    back = csv.read(tmp_path / "x.csv").poses
    assert back.skeleton.keypoints == result.manifest.skeleton.keypoints
    np.testing.assert_allclose(back.xy, result.xy, rtol=1e-6)


def test_the_recorded_cases_are_all_compared(shared_data):
    named = {
        folder.name
        for folder in (shared_data / "dlc3/nets").iterdir()
        if (folder / "info.json").is_file()
        and json.loads((folder / "info.json").read_text()).get("top_down")
        and (folder / "outputs.npz").is_file()
        and "ctd" not in folder.name
    }
    assert named - set(NETS) <= {"animaltokenpose_base"}
