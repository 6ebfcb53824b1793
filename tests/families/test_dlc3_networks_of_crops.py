"""DeepLabCut 3's networks of crops with conditions, and AnimalTokenPose, say what the peer said."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from dlc3_nets import Recorded
from dlc3_pairs import FRAMES, make_pair, write_weights

import ethopose
from ethopose.families.deeplabcut3 import networks
from ethopose.families.deeplabcut3.weights import stage_weights
from ethopose.families.files import read_yaml
from ethopose.models.boxes import BoxCrop, crop_boxes
from ethopose.models.build import DecodeGraph, build_trained
from ethopose.models.conditions import Conditions, condition_crops, rescored
from ethopose.models.spec import Conditioning, Network, Part, Preparation, Stage

GOLDEN = Path(__file__).parent / "golden"
CONDITIONED = ("ctd_prenet_rtmpose_s", "ctd_prenet_hrnet_w32", "ctd_coam_w32")


def answers(recorded: Recorded, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """What the network of a folder makes of pictures: its heads' outputs in order, xy and value."""
    model = read_yaml(recorded.folder / "pytorch_config.yaml")["model"]
    part, stride = networks.backbone(model["backbone"])
    head = networks.head("bodypart", model["heads"]["bodypart"], stride, model["neck"])
    network = Network(in_channels=3, backbone=part, heads=(head,))
    stage = Stage(preparation=Preparation(), network=network, grouping=Part(name="one_each"))
    snapshot = recorded.folder / "snapshot-001.pt"
    graph = build_trained(stage, stage_weights(snapshot, part, ["bodypart"]))
    with torch.inference_mode():
        maps = graph(torch.from_numpy(pictures))
        xy, value = DecodeGraph(graph)(*maps)
    return {"maps": maps, "xy": xy[:, :, 0].numpy(), "value": value[..., 0].numpy()}


def assert_as_recorded(given: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
    heads = [name for name in outputs if name.startswith("img0/heads/")]
    for ours, name in zip(given["maps"], heads, strict=True):
        np.testing.assert_allclose(ours, outputs[name], atol=1e-4 * np.abs(outputs[name]).max())
    wanted = outputs["img0/predictor/bodypart/poses"][:, 0]
    np.testing.assert_allclose(given["xy"], wanted[..., :2], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(given["value"], wanted[..., 2], atol=1e-4)


def image_of(recorded: Recorded) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(recorded.images[0])), cv2.COLOR_BGR2RGB)[None]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONED)
def test_a_network_in_the_light_of_conditions_says_what_the_peer_said(name, net):
    recorded = net(name)
    outputs = recorded.outputs
    told = outputs["img0/model_cond_kpts"][:, 0]
    xy = told[..., :2] * outputs["img0/scales"][:, None] + outputs["img0/offsets"][:, None]
    conditions = Conditions(np.zeros(len(told), np.int64), xy, told[..., 2])
    how = Conditioning(margin=20, bounds=(256, 256))
    conditions, crops, pictures = condition_crops(image_of(recorded), conditions, (256, 256), how)
    np.testing.assert_array_equal(crops.corner, outputs["img0/offsets"])
    given = answers(recorded, pictures)
    assert_as_recorded(given, outputs)
    final = outputs["img0/final/bodyparts"][: len(told)]
    in_frame = given["xy"] * crops.scale[:, None] + crops.corner[:, None]
    np.testing.assert_allclose(in_frame, final[..., :2], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(rescored(given["value"], conditions), final[..., 2], atol=1e-5)


@pytest.mark.slow
def test_tokens_say_of_crops_what_the_peer_said(net):
    recorded = net("animaltokenpose_base")
    boxes = recorded.outputs["img0/bboxes"]
    crops = crop_boxes(image_of(recorded), np.zeros(len(boxes), np.int64), boxes, BoxCrop((256, 256)))
    assert_as_recorded(answers(recorded, crops.images), recorded.outputs)


@pytest.mark.slow
def test_two_networks_find_in_a_video_what_the_peer_found(shared_data, network_cache, tmp_path):
    with np.load(GOLDEN / "dlc3_conditional.npz") as stored:
        wanted, manifest = stored["poses"][:, 0], json.loads(str(stored["manifest"]))
    _, train = make_pair(shared_data, tmp_path / "project")
    write_weights(shared_data, train, manifest)
    video = next((tmp_path / "project").glob("videos/*.mp4"))
    where = {"out": tmp_path / "x.ethopose", "device": "cpu", "format": "none"}
    result = ethopose.predict(video, train, frames=f"0-{FRAMES - 1}", **where)
    np.testing.assert_array_equal(result.frame, np.arange(FRAMES))
    distance = np.linalg.norm(result.xy - wanted[..., :2], axis=-1)
    assert (distance < 0.1).mean() >= 0.99
    assert (np.abs(result.confidence - wanted[..., 2]) < 1e-2).mean() >= 0.99


@pytest.mark.slow
def test_a_network_follows_an_animal_as_the_peer_s_did(shared_data, network_cache, tmp_path):
    with np.load(GOLDEN / "dlc3_conditional.npz") as stored:
        manifest, boxes = json.loads(str(stored["manifest"])), stored["boxes"][0, 0]
    with np.load(GOLDEN / "dlc3_conditional_tracks.npz") as stored:
        wanted = stored["poses"]
    _, train = make_pair(shared_data, tmp_path / "project")
    write_weights(shared_data, train, manifest)
    video = next((tmp_path / "project").glob("videos/*.mp4"))
    told = {"bu_min_frequency": 12}
    out = tmp_path / "x.ethopose"
    result = ethopose.predict(video, train, frames=f"0-{FRAMES - 1}", out=out, track_conditions=told)
    distance = np.linalg.norm(result.xy - wanted[result.frame, 0, :, :2], axis=-1)
    assert (distance < 0.1).mean() >= 0.99
    assert (np.abs(result.confidence - wanted[result.frame, 0, :, 2]) < 1e-2).mean() >= 0.99
    np.testing.assert_array_equal(np.flatnonzero((wanted[:, 0, :, 2] >= 0).any(1)), result.frame)
    (table,), (pickled,) = tmp_path.glob("*.h5"), tmp_path.glob("*_full.pickle")
    np.testing.assert_allclose(pd.read_hdf(table).to_numpy().reshape(FRAMES, -1, 3), wanted[:, 0], atol=0.1)
    full = pickle.loads(pickled.read_bytes())
    np.testing.assert_allclose(full["frame00"]["bboxes"][0], boxes, atol=0.01)
    assert "bbox_scores" not in full["frame00"]
