"""SuperAnimal models: fetched from a stand-in of the hub, they compute what DeepLabCut computes."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from dlc3_nets import script
from stand_in_hub import COMMIT, Hub, serve
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

import ethopose
from commands import run
from ethopose.core import ModelError, UsageError
from ethopose.families import load
from ethopose.families.superanimal import get, offers
from ethopose.families.superanimal.configuration import configuration
from ethopose.formats.dlc import predict_output_path
from ethopose.models.boxes import cut
from ethopose.models.build import DecodeGraph, build, build_trained
from ethopose.models.grouping import GROUPINGS, Context
from ethopose.models.preparation import Fitted

GOLDEN = Path(__file__).parent / "golden/superanimal"
NAME, DETECTOR = "superanimal_quadruped_rtmpose_s", "ssdlite"
REPOSITORY = offers()[NAME].repository
WEIGHTS, BOXES = f"{NAME}.pt", f"superanimal_quadruped_{DETECTOR}.pt"
CARD = """---
tags:
- pose_estimation
---
# MODEL CARD:
## Details
Of many animals.
## License:
For mice and men only.

Not for cats.
## References
1. Nobody et al.
"""


def manifest(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of weights, as DeepLabCut's own network has them."""
    with gzip.open(GOLDEN / name / "manifest.json.gz") as file:
        content = json.load(file)
    return {key: tuple(shape) for key, (shape, _) in content["keys"].items()}


def weights(data: Path, name: str) -> bytes:
    """A snapshot, as it lies in the repository."""
    synth = script(data / "synth_weights.py")
    told = synth.read_manifest(GOLDEN / name / "manifest.json.gz")
    file = io.BytesIO()
    torch.save({"model": synth.to_torch(synth.synth_state(told)), "metadata": {"epoch": 3}}, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def snapshots(shared_data) -> dict[str, bytes]:
    return {WEIGHTS: weights(shared_data, NAME), BOXES: weights(shared_data, DETECTOR)}


@pytest.fixture
def hub(snapshots, monkeypatch, tmp_path):
    """The hub that the client asks, and an empty cache of its."""
    from huggingface_hub import constants

    hub = Hub({(REPOSITORY, name): content for name, content in snapshots.items()})
    hub.files[REPOSITORY, "README.md"] = CARD.encode()
    server = serve(hub)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "xet"))
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "animals"


def fetched(out: Path, **options):
    return get(NAME, out, **{"agree": lambda licence: True, "detector": DETECTOR} | options)


def test_a_fetched_model_runs_and_says_what_it_is(hub, out, tmp_path):
    folder = fetched(out, animals=3)
    assert folder == out
    model = load(folder)
    assert model.spec.name == f"{NAME}_{DETECTOR}"
    assert model.spec.skeleton.keypoints == offers()[NAME].keypoints
    assert model.spec.stages[0].grouping.options["animals"] == 3
    told = yaml.safe_load((folder / "pytorch_config.yaml").read_text())["superanimal"]
    assert (told["revision"], told["licence"]) == (COMMIT, "told in the card")
    assert told["files"]["snapshot-000.pt"]["name"] == WEIGHTS
    assert (folder / "MODEL_CARD.md").read_text() == CARD
    clip = tmp_path / "clip"
    clip.mkdir()
    for number in range(2):
        picture = np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(clip / f"{number}.png"), picture)
    result = ethopose.predict(clip, folder, device="cpu", runtime="torch", format="dlc-h5")
    assert len(result) == 6
    assert result.manifest.provenance["deeplabcut"]["config"]["superanimal"]["revision"] == COMMIT
    assert predict_output_path(clip, model) == tmp_path / f"clip_{NAME}_{DETECTOR}.h5"
    assert predict_output_path(clip, model).is_file()


def test_own_weights_in_the_folder_go_by_their_own_name(hub, out):
    folder = fetched(out)
    (folder / "snapshot-000.pt").rename(folder / "snapshot-best-020.pt")
    assert load(folder).spec.name.endswith("_detector_0_snapshot_best-20")


def test_the_licence_is_shown_before_weights_are_fetched(hub, out):
    seen = []
    with pytest.raises(UsageError, match="not agreed to: nothing was fetched"):
        fetched(out, agree=seen.append)
    assert seen[0].text == "## License:\nFor mice and men only.\n\nNot for cats."
    assert {name for _, name, _ in hub.asked} == {"README.md"}
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize(
    ("card", "name", "text"),
    [
        ("---\nlicense: apache-2.0\n---\n# Humans\n", "apache-2.0", ""),
        ("---\ntags: [x]\n---\n# Birds\n", "not told", ""),
        ("# Birds\n**Licence:** none at all\n", "told in the card", "**Licence:** none at all"),
    ],
)
def test_a_licence_is_what_the_card_tells(hub, out, card, name, text):
    hub.files[REPOSITORY, "README.md"] = card.encode()
    seen = []
    with pytest.raises(UsageError):
        fetched(out, agree=seen.append)
    assert (seen[0].name, seen[0].text) == (name, text)


def test_what_lies_in_the_cache_is_not_fetched_again_nor_is_the_hub_needed(hub, out, monkeypatch):
    fetched(out)
    hub.asked.clear()
    fetched(out.with_name("again"))
    assert {method for method, _, _ in hub.asked} == {"HEAD"}
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    fetched(out.with_name("alone"))
    assert load(out.with_name("alone")).digest == load(out).digest


def test_a_broken_line_is_taken_up_where_it_broke(hub, out, snapshots):
    hub.cut[WEIGHTS] = 1_000_000
    told = []
    folder = fetched(out, progress=lambda *numbers: told.append(numbers))
    assert (folder / "snapshot-000.pt").read_bytes() == snapshots[WEIGHTS]
    ranges = [asked for method, name, asked in hub.asked if (method, name) == ("GET", WEIGHTS)]
    assert len(ranges) == 2
    assert ranges[0] is None
    assert (WEIGHTS, len(snapshots[WEIGHTS]), len(snapshots[WEIGHTS])) in told


def test_a_file_that_is_not_the_one_told_of_is_refused_and_removed(hub, out):
    hub.told[WEIGHTS] = "f" * 64
    with pytest.raises(ModelError, match="not the file that the hub tells of") as error:
        fetched(out)
    assert error.value.where == f"{REPOSITORY}/{WEIGHTS}"
    hub.told.clear()
    assert fetched(out).is_dir()


def test_a_file_that_is_cut_short_is_one_clear_line(hub, out):
    hub.short.add(BOXES)
    with pytest.raises(ModelError, match="cannot be fetched") as error:
        fetched(out)
    assert "\n" not in str(error.value)
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize(
    ("content", "why"), [(BOXES, "the weights are not those of the network"), (None, "no checkpoint")]
)
def test_weights_of_another_network_are_refused(hub, out, snapshots, content, why):
    hub.files[REPOSITORY, WEIGHTS] = snapshots.get(content, b"<html>moved</html>")
    with pytest.raises(ModelError, match=f"what was fetched does not run: {why}"):
        fetched(out)
    assert not list(out.parent.iterdir())


def test_a_revision_is_taken_or_refused(hub, out):
    with pytest.raises(UsageError, match="no revision 'v9'"):
        fetched(out, revision="v9")
    assert fetched(out, revision=COMMIT).is_dir()


def test_without_the_hub_there_is_one_clear_line(hub, out, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="the hub cannot be reached") as error:
        fetched(out)
    assert "\n" not in str(error.value)
    assert not hub.asked


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("superanimal_quadruped_hrnet", {}, "choose superanimal_quadruped_hrnet_w32"),
        ("mice", {}, "choose superanimal_quadruped_hrnet_w32, .*superanimal_bird_resnet_50"),
        (NAME, {"detector": "yolo"}, "no detector named 'yolo'; fix: choose fasterrcnn_resnet50_fpn_v2, "),
        (NAME, {"animals": 0}, "0 animals at most"),
    ],
)
def test_what_there_is_not_is_refused_and_what_there_is_told(hub, out, name, options, why):
    with pytest.raises(UsageError, match=why):
        get(name, out, agree=lambda licence: True, **options)
    assert not hub.asked


def test_a_folder_that_is_there_is_left_alone(hub, out):
    out.mkdir()
    with pytest.raises(UsageError, match="something of this name already"):
        fetched(out)
    assert not hub.asked


HUMAN = "superanimal_humanbody_rtmpose_x"


@pytest.fixture
def people(hub, monkeypatch, tmp_path) -> str:
    """The human model in the hub, with a detector that lies elsewhere; its name and its address."""
    detector = FasterRCNN(
        mobilenet_backbone(
            backbone_name="mobilenet_v3_large", fpn=True, weights=None, norm_layer=FrozenBatchNorm2d
        ),
        91,
        rpn_anchor_generator=AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3),
    )
    file = io.BytesIO()
    torch.save(detector.state_dict(), file)
    name = f"/models/fasterrcnn-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
    hub.plain[name] = file.getvalue()
    offer = offers()[HUMAN]
    elsewhere = {offer.detectors[0]: hub.url + name}
    monkeypatch.setitem(offers(), HUMAN, replace(offer, elsewhere={**offer.elsewhere, **elsewhere}))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "torch"))
    state = {key: torch.zeros(()).expand(shape) for key, shape in manifest(HUMAN).items()}
    weights = io.BytesIO()
    torch.save({"model": state}, weights)
    hub.files[offer.repository, "rtmpose-x_simcc-body7.pt"] = weights.getvalue()
    hub.files[offer.repository, "README.md"] = b"---\nlicense: apache-2.0\n---\n# Bodies\n"
    return name


def test_people_are_found_by_a_detector_of_torchvision(hub, people, out):
    seen = []
    get(HUMAN, out, agree=lambda licence: seen.append(licence) or True)
    assert seen[0].name == "apache-2.0"
    assert "trained on the pictures of COCO" in seen[0].text
    model = load(out)
    first, second = model.spec.stages
    assert model.spec.name == f"{HUMAN}_fasterrcnn_mobilenet_v3_large_fpn"
    assert first.network.backbone.options["times"] == 1
    assert first.network.heads[0].options["classes"] == 91
    assert first.peak_threshold == 0.6
    assert second.preparation.crop == (384, 288)
    assert ("nose", "left_eye") in {
        tuple(model.spec.skeleton.keypoints[end] for end in edge) for edge in model.spec.skeleton.edges
    }
    hub.asked.clear()
    get(HUMAN, out.with_name("again"), agree=lambda licence: True)
    assert Path(people).name not in {name for _, name, _ in hub.asked}


def test_a_detector_from_elsewhere_that_is_cut_short_or_another_is_refused(hub, people, out):
    hub.cut[people] = 1000
    with pytest.raises(ModelError, match=r"the line broke after 1000 of|cannot be fetched"):
        get(HUMAN, out, agree=lambda licence: True)
    hub.plain[people] = b"other"
    with pytest.raises(ModelError, match="not the file that its name tells of"):
        get(HUMAN, out, agree=lambda licence: True)
    assert not list(out.parent.iterdir())


PAIRS = [*((name, offer.detectors[0]) for name, offer in offers().items() if not offer.elsewhere)]
PAIRS.append((NAME, DETECTOR))
PAIRS.append((NAME, "fasterrcnn_mobilenet_v3_large_fpn"))


@pytest.mark.parametrize(("name", "detector"), PAIRS)
def test_every_network_and_detector_is_the_one_that_the_peer_builds(name, detector, tmp_path):
    offer = offers()[name]
    config = configuration(offer, detector, 10)
    (tmp_path / "pytorch_config.yaml").write_text(yaml.safe_dump(config))
    for place, network in (("snapshot-000.pt", name), ("snapshot-detector-000.pt", detector)):
        state = {key: torch.zeros(()).expand(shape) for key, shape in manifest(network).items()}
        torch.save({"model": state}, tmp_path / place)
    model = load(tmp_path)
    for number, stage in enumerate(model.spec.stages):
        wanted = {key: tensor.shape for key, tensor in build(stage).state_dict().items()}
        assert wanted == {key: tensor.shape for key, tensor in model.weights(number).items()}
    assert model.spec.stages[0].peak_threshold == (0.001 if detector == "ssdlite" else 0.6)
    assert model.spec.stages[0].grouping.options["animals"] == 10


def test_every_detector_is_one_of_those():
    own = [offer for offer in offers().values() if not offer.elsewhere]
    assert {detector for offer in own for detector in offer.detectors} == {each for _, each in PAIRS}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in offers() if (GOLDEN / name / "outputs.npz").is_file()])
def test_poses_are_those_that_the_peer_recorded(name, shared_data, tmp_path):
    offer = offers()[name]
    config = configuration(offer, offer.detectors[0], 10)
    (tmp_path / "pytorch_config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "snapshot-000.pt").write_bytes(weights(shared_data, name))
    torch.save({"model": {}}, tmp_path / "snapshot-detector-000.pt")
    model = load(tmp_path)
    stage = model.spec.stages[1]
    recorded = np.load(GOLDEN / name / "outputs.npz")
    boxes, wanted = recorded["img0/bboxes"], recorded["img0/final/bodyparts"]
    image = cv2.imread(str(shared_data / "dlc3/images/small_128x96.png"))[..., ::-1]
    corners = np.stack((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1).astype(np.float32)
    crops = cut(Fitted(image[None], np.float32(1)), np.zeros(len(boxes), int), corners, stage.preparation)
    graph = build_trained(stage, model.weights(1))
    with torch.inference_mode():
        found = [each.numpy() for each in DecodeGraph(graph)(*graph(torch.from_numpy(crops.images)))]
    group = GROUPINGS.build(stage.grouping.name, **stage.grouping.options)
    context = Context(stage.peak_threshold, None, np.zeros(len(boxes), int), np.ones(len(boxes)))
    instances = group(dict(zip(("xy", "value"), found, strict=True)), context)
    xy = instances.xy * crops.scale[:, None] + crops.corner[:, None]
    assert np.ptp(wanted[..., 2]) > 0.001
    np.testing.assert_allclose(xy, wanted[: len(boxes), :, :2], atol=0.05)
    np.testing.assert_allclose(instances.confidence, wanted[: len(boxes), :, 2], atol=1e-3)


@pytest.mark.slow
def test_the_command_line_asks_for_the_licence_and_fetches(hub, out, tmp_path):
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    line = ("models", "get", NAME, "--detector", DETECTOR, "-o", out)
    refused = run(*line, env=environment, stdin=subprocess.DEVNULL)
    assert refused.code == 2
    assert "For mice and men only." in refused.err
    assert refused.err.splitlines()[-1].endswith("fix: read it, then --accept-license")
    assert not out.exists()
    done = run(*line, "--accept-license", "--json", env=environment)
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"model": str(out)}
    assert load(out).spec.name == f"{NAME}_{DETECTOR}"
    assert "%" not in done.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no terminal to make there")
def test_a_person_is_asked(hub, out, tmp_path):
    import pty

    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    said = run("models", "get", NAME, "-o", out, env=environment, **ends)
    assert said.code == 2
    assert b"Do you agree" in os.read(ours, 100_000)
    for end in (ours, theirs):
        os.close(end)
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("list", "mice"), "NAME is of no use to a list"),
        (("list", "--detector", "ssdlite"), "--detector is of no use to a list"),
        (("list", "--accept-license"), "--accept-license is of no use to a list"),
        (("get",), "no model is named"),
        (("get", NAME, "--local"), "models cannot 'get' --local"),
        (("fetch", NAME), "models cannot 'fetch'"),
    ],
)
def test_words_that_mean_nothing_are_refused(ethopose_says, words, why):
    said = ethopose_says("models", *words)
    assert said.code == 2
    assert why in said.err


def test_what_can_be_fetched_is_listed(ethopose_says):
    said = ethopose_says("models", "--json")
    listed = {each["name"]: each for each in json.loads(said.out)["get"]}
    assert listed.keys() == offers().keys()
    assert DETECTOR in listed[NAME]["detectors"]
    assert all(name in ethopose_says("models").out for name in offers())
    assert "get" not in json.loads(ethopose_says("models", "list", "--local", "--json").out)
