"""A top-down model without its detector looks where the peer looks, and finds what the peer found."""

import json
from pathlib import Path
from types import SimpleNamespace

import dlc3_pairs
import dlc_top_down
import numpy as np
import pytest
import torch
from torchvision.transforms import functional

import ethopose
from ethopose.core import UsageError
from ethopose.families import load
from ethopose.models.windows import OUTSIDE, cut_floats, patches
from ethopose.predict.by_patches import ByPatches, Searching

GOLDEN = Path(__file__).parent / "golden/dlc3_patches.npz"
PATCHED = {  # as tools/record_dlc3_following.py recorded them
    "found": {"threshold": 0.3},
    "lost": "min_hq_keypoints=6,patch_counts=2x2,patch_overlap=20",
}


def on_paper() -> list[dict]:
    with np.load(GOLDEN) as stored:
        return json.loads(str(stored["boxes"]))


def searching(told: dict) -> Searching:
    """One that reads crops of the size of a case."""
    preparation = SimpleNamespace(crop=(told["crop"][1], told["crop"][0]))
    runner = SimpleNamespace(stage=SimpleNamespace(preparation=preparation))
    settings = {name: tuple(v) if isinstance(v, list) else v for name, v in told["settings"].items()}
    return ByPatches(**settings).begin(SimpleNamespace(stages=[runner]))


def test_patches_are_those_that_the_peer_cut():
    for told in on_paper():
        assert searching(told)._boxes(tuple(told["size"])) == [tuple(patch) for patch in told["patches"]]


def test_the_next_box_is_the_peer_s():
    for told in on_paper():
        followed, pose = searching(told), np.array(told["pose"], np.float32)
        box, size = np.array(told["patches"][0], np.float32), np.array(told["size"], np.float32)
        xy = np.clip(pose[:, :2] * (box[2:] / np.array(told["crop"], np.float32)) + box[:2], 0, size)
        followed._follow(xy, pose[:, 2], tuple(told["size"]))
        known = followed.state.get("box")
        assert (None if known is None else known.tolist()) == told["box"]


@pytest.mark.parametrize("box", [(10, 5, 40, 30), (-8, -6, 40, 60), (50, 30, 90, 20), (0, 0, 16, 12)])
def test_a_crop_is_torchvision_s_of_the_normalised_picture(box):
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    left, top, wide, tall = box
    plain = torch.from_numpy(image - OUTSIDE).permute(2, 0, 1)
    wanted = functional.resized_crop(plain, top, left, tall, wide, [24, 32], antialias=True)
    made = cut_floats(image, box, (32, 24)) - OUTSIDE
    np.testing.assert_allclose(made, wanted.permute(1, 2, 0), atol=1e-3)


def test_one_patch_is_the_whole_frame():
    assert patches((64, 48), (1, 1), 10, 0, ((4, 3), (1, 1))) == [(0, 0, 64, 48)]


@pytest.mark.slow
@pytest.mark.parametrize("case", PATCHED)
def test_a_network_without_its_detector_finds_what_the_peer_found(case, shared_data, net, tmp_path):
    with np.load(GOLDEN) as stored:
        wanted = stored[case]
    video = next((shared_data / "dlc3" / dlc3_pairs.PROJECT).glob("videos/*.mp4"))
    result = ethopose.predict(
        video,
        net("rtmpose_m").folder,  # in which no detector lies
        frames=f"0-{len(wanted) - 1}",
        out=tmp_path / "r.ethopose",
        top_down_dynamic=PATCHED[case],
        format="none",
    )
    assert result.frame.tolist() == list(range(len(wanted)))
    distance = np.linalg.norm(result.xy - wanted[..., :2], axis=-1)
    assert (distance < 0.1).mean() >= 0.99
    assert np.abs(result.confidence - wanted[..., 2]).max() < 1e-2
    assert "box.x" not in result.manifest.columns


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "mice-trainset95shuffle3" / "train"
    dlc_top_down.write(path)
    return path


def test_the_detector_is_neither_named_nor_needed(folder):
    both, alone = load(folder), load(folder, crops_only=True)
    assert alone.spec.name == "DLC_RtmposeS_miceshuffle3_snapshot_7"
    assert alone.spec.stages == both.spec.stages[1:]
    assert both.alone().spec == alone.spec
    assert both.alone().digest == alone.digest != both.digest
    for detector in folder.glob("snapshot-detector*"):
        detector.unlink()
    assert load(folder, crops_only=True).digest == alone.digest
    weights = alone.weights(0)
    assert weights.keys() == both.weights(1).keys()


def test_models_of_whole_frames_have_no_such_part(tiny, folder, tmp_path):
    video = tmp_path / "clip.mp4"
    video.touch()
    with pytest.raises(UsageError, match="no part that reads crops alone"):
        load(tiny(), crops_only=True)
    with pytest.raises(UsageError, match="top-down-dynamic is for top-down models"):
        ethopose.predict(video, load(tiny()), top_down_dynamic="default")
