"""Every network of DeepLabCut 3 that the shared recordings lack says what the peer said of a picture."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import dlc3_rows
import numpy as np
import pytest
import torch
from dlc3_rows import GOLDEN, Row, assert_kept, make_row

import ethopose
from ethopose.families import load
from ethopose.families.files import read_yaml
from ethopose.models.boxes import cut
from ethopose.models.build import DecodeGraph, build_trained
from ethopose.models.conditions import Conditions, condition_crops, rescored
from ethopose.models.grouping import GROUPINGS, Context, Instances
from ethopose.models.preparation import Fitted
from ethopose.models.spec import Stage

README = Path(__file__).parents[2] / "README.md"
WHOLE = ("resnet_18", "resnet_101", "hrnet_w48", "cspnext_m", "cspnext_x", "dekr_w32", "dekr_w48")
CROPS = ("rtmpose_x",)
CONDITIONED = (
    *("ctd_coam_w48", "ctd_coam_w48_human", "ctd_prenet_hrnet_w48"),
    *("ctd_prenet_rtmpose_m", "ctd_prenet_rtmpose_x", "ctd_prenet_rtmpose_x_human"),
)
DETECTORS = ("fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn")
TOGETHER = ("animaltokenpose_base",)
NAMES = {  # of all of the tool's networks
    *("resnet_50", "resnet_101", "hrnet_w18", "hrnet_w32", "hrnet_w48", "cspnext_s", "cspnext_m"),
    *("cspnext_x", "dekr_w18", "dekr_w32", "dekr_w48", "dlcrnet_stride16_ms5", "dlcrnet_stride32_ms5"),
    *("rtmpose_s", "rtmpose_m", "rtmpose_x", "animaltokenpose_base", "ctd_coam_w32", "ctd_coam_w48"),
    *("ctd_coam_w48_human", "ctd_prenet_hrnet_w32", "ctd_prenet_hrnet_w48", "ctd_prenet_rtmpose_s"),
    *("ctd_prenet_rtmpose_m", "ctd_prenet_rtmpose_x", "ctd_prenet_rtmpose_x_human"),
}


@pytest.fixture
def row(shared_data, tmp_path) -> Callable[[str], Row]:
    """A recorded network by its name."""
    return lambda name: make_row(shared_data, name, tmp_path)


def said(row: Row, pictures: np.ndarray, stage: int = 0) -> tuple[Stage, dict[str, np.ndarray]]:
    """A stage of a folder, and what it finds in pictures; its heads' outputs are those that were recorded."""
    model = load(row.folder, alone=True)
    graph = build_trained(model.spec.stages[stage], model.weights(stage))
    decode = DecodeGraph(graph)
    with torch.inference_mode():
        maps = graph(torch.from_numpy(pictures))
        found = decode(*maps)
    recorded = [key.removesuffix("/top") for key in row.outputs if key.endswith("/top")]
    for ours, theirs in zip(maps, recorded, strict=True):
        assert_kept(ours.numpy(), theirs, row.outputs)
    arrays = (array.numpy() for array in found)
    return model.spec.stages[stage], dict(zip(decode.names, arrays, strict=True))


def grouped(stage: Stage, found: dict[str, np.ndarray], pictures: int) -> Instances:
    group = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
    return group(found, Context(stage.peak_threshold, None, np.arange(pictures), np.ones(pictures)))


def assert_placed(xy: np.ndarray, confidence: np.ndarray, wanted: np.ndarray) -> None:
    assert len(xy) == len(wanted)
    np.testing.assert_allclose(xy, wanted[..., :2], rtol=0, atol=0.05)
    np.testing.assert_allclose(confidence, wanted[..., 2], rtol=0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_a_network_of_whole_frames_says_what_the_peer_said(name, row):
    recorded = row(name)
    stage, found = said(recorded, dlc3_rows.picture()[None])
    made = grouped(stage, found, 1)
    wanted = recorded.outputs["poses"]
    wanted = wanted[(wanted[..., :2] != -1).any((1, 2))]
    assert len(wanted)
    assert_placed(made.xy, made.confidence, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", CROPS)
def test_a_network_of_boxes_says_what_the_peer_said(name, row):
    recorded = row(name)
    outputs, stage = recorded.outputs, load(recorded.folder).spec.stages[1]
    corners = np.stack((outputs["bboxes"][:, :2], outputs["bboxes"].reshape(-1, 2, 2).sum(1)), 1)
    fitted = Fitted(dlc3_rows.picture()[None], np.float32(1))
    crops = cut(fitted, np.zeros(len(corners), int), corners.astype(np.float32), stage.preparation)
    np.testing.assert_array_equal(crops.corner, outputs["offsets"])
    np.testing.assert_allclose(crops.scale, outputs["scales"])
    stage, found = said(recorded, crops.images, stage=1)
    made = grouped(stage, found, len(corners))
    xy = made.xy * crops.scale[:, None] + crops.corner[:, None]
    assert_placed(xy, made.confidence, outputs["poses"])


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONED)
def test_a_network_in_the_light_of_conditions_says_what_the_peer_said(name, row):
    recorded = row(name)
    outputs, prepared = recorded.outputs, load(recorded.folder, alone=True).spec.stages[0].preparation
    told = outputs["cond_kpts"]
    conditions = Conditions(np.zeros(len(told), np.int64), told[..., :2], told[..., 2])
    conditions, crops, pictures = condition_crops(
        dlc3_rows.picture()[None], conditions, prepared.crop, prepared.conditions
    )
    np.testing.assert_array_equal(crops.corner, outputs["offsets"])
    np.testing.assert_allclose(crops.scale, outputs["scales"])
    stage, found = said(recorded, pictures)
    made = grouped(stage, found, len(told))
    xy = made.xy * crops.scale[:, None] + crops.corner[:, None]
    assert_placed(xy, rescored(made.confidence, conditions), outputs["poses"])


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_the_boxes_that_the_peer_found(name, row):
    recorded, image = row(name), dlc3_rows.picture()
    outputs, model = recorded.outputs, load(recorded.folder)
    stage = model.spec.stages[0]
    graph = build_trained(stage, model.weights(0))
    decode = DecodeGraph(graph)
    with torch.inference_mode():
        features = graph.backbone(torch.from_numpy(image[None]).permute(0, 3, 1, 2) / 255)
        found = decode(*graph(torch.from_numpy(image[None])))
    assert_kept(features[max(features)][0, :256].numpy(), "features", outputs)
    context = Context(stage.peak_threshold, None, np.zeros(1, int), size=image.shape[:2])
    arrays = {name: array.numpy() for name, array in zip(decode.names, found, strict=True)}
    made = GROUPINGS.build("boxes", **{**stage.grouping.options, "animals": 100})(arrays, context)
    assert len(made.xy) == len(outputs["boxes"]) > 40
    np.testing.assert_allclose(made.score, outputs["sure"], rtol=0, atol=1e-4)
    # of boxes that are equally sure either may come first
    apart = np.abs(made.xy.reshape(-1, 1, 4) - outputs["boxes"]).max(-1)
    assert apart.min(0).max() < 1e-2
    assert len(set(apart.argmin(0))) == len(made.xy)


@pytest.mark.slow
@pytest.mark.parametrize("name", TOGETHER)
def test_a_copied_folder_finds_in_frames_what_the_peer_found(name, row, network_cache, tmp_path):
    recorded = row(name)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(dlc3_rows.frames()):
        cv2.imwrite(str(tmp_path / f"clip/{number}.png"), frame[..., ::-1])
    where = {
        "out": tmp_path / "x.ethopose",
        "device": "cpu",
        "runtime": "torch",
        "format": "none",
        "batch_size": 1,
    }
    result = ethopose.predict(tmp_path / "clip", recorded.folder, **where)
    (part,) = result
    boxes = np.stack(list(part.extra.values()), -1)
    outputs = recorded.outputs
    assert_placed(
        part.poses.xy, part.poses.confidence, outputs["poses"].reshape(-1, *outputs["poses"].shape[2:])
    )
    np.testing.assert_allclose(boxes[:, :4], outputs["boxes"].reshape(-1, 4), atol=1e-2)
    np.testing.assert_allclose(boxes[:, 4], outputs["sure"].ravel(), atol=1e-4)


def test_every_network_of_the_tool_is_recorded_and_compared(shared_data):
    recorded = [file.parent for file in (shared_data / "dlc3/nets").glob("*/outputs.npz")]
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert not [folder.name for folder in recorded if f'"{folder.name}"' not in tests]
    known = {read_yaml(folder / "pytorch_config.yaml")["net_type"] for folder in recorded}
    assert known.union(WHOLE, CROPS, CONDITIONED, TOGETHER) >= NAMES
    assert set(re.findall(r"`(\w+)`", README.read_text())) >= NAMES.union(DETECTORS)
    assert {file.stem for file in GOLDEN.glob("*.npz")} == {
        *WHOLE,
        *CROPS,
        *CONDITIONED,
        *DETECTORS,
        *TOGETHER,
    }
