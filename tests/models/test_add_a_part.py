"""The page on own parts: its code runs, learns, and finds what it was taught."""

import pytest
import torch
import yaml
from torch import nn

from ethopose.models.backbones import BACKBONES
from ethopose.models.heads import HEADS
from ethopose.models.heads.head import Truth
from ethopose.models.plugins import load_plugin
from own_parts import blocks, forgotten, write_parts

SIZE = (64, 96)


@pytest.fixture(autouse=True)
def _parts(tmp_path, monkeypatch):
    """The page's file in the folder where its reader works."""
    write_parts(tmp_path)
    monkeypatch.chdir(tmp_path)
    with forgotten():
        yield


def test_the_page_tries_its_parts_in_python():
    told: dict = {}
    exec(blocks()[1], told)
    assert told["found"]["xy"].shape == (2, 5, 1, 2)
    assert told["found"]["value"].shape == (2, 5, 1)
    assert set(told["losses"]) == set(told["outputs"]) == {"heatmap", "locref"}
    assert all(weight.grad.abs().sum() > 0 for weight in told["graph"].parameters())


def test_the_page_configures_parts_that_it_has(tmp_path):
    told = yaml.safe_load(blocks("yaml")[0])
    for name in told["plugins"]:
        load_plugin(tmp_path / name)
    for stage in told["stages"].values():
        backbone = BACKBONES.build(stage["backbone"]["name"], **stage["backbone"]["options"])
        for head in stage["heads"]:
            assert isinstance(HEADS.build(head["name"], backbone.channels, **head["options"]), nn.Module)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_the_pages_head_finds_a_keypoint_where_its_targets_put_it(tmp_path, stride):
    load_plugin(tmp_path / "my_parts.py")
    head = HEADS.build("dummy", {stride: 1}, keypoints=3, stride=stride)
    xy = torch.rand(50, 1, 3, 2, generator=torch.manual_seed(0)) * torch.tensor((95.0, 63.0))
    targets = head.targets(Truth(xy, torch.full((50, 1), -1), SIZE))
    assert all(loss == 0 for loss in head.losses(targets, targets).values())
    found = head.decode(targets, {})
    assert (found["xy"][:, :, 0] - xy[:, 0]).abs().max() < 0.01


def test_an_output_can_be_given_another_loss_and_weight(tmp_path):
    load_plugin(tmp_path / "my_parts.py")
    channels, options = {4: 1}, {"keypoints": 1, "stride": 4}
    outputs = {"heatmap": torch.full((1, 1, 2, 2), 3.0), "locref": torch.zeros(1, 2, 2, 2)}
    zero = {name: torch.zeros_like(output) for name, output in outputs.items()}
    own = HEADS.build("dummy", channels, **options)
    told = HEADS.build("dummy", channels, **options, loss={"heatmap": "absolute"}, weight={"heatmap": 0.5})
    assert own.losses(outputs, zero)["heatmap"] == 9
    assert told.losses(outputs, zero)["heatmap"] == 1.5
