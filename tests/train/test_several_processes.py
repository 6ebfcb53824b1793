"""Two processes learn what one learns, and say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_trainings import ONE, coco_project, journal, tiny, weights

import ethopose
from ethopose.core import UsageError
from ethopose.models.backbones.timm import Timm
from ethopose.train.learner import shared_statistics

SCRIPT = """
import sys
import ethopose
from ethopose.train.journal import Nobody

class Told(Nobody):
    def row(self, row):
        print("row", row.step)

if __name__ == "__main__":
    project, out, config, bad = sys.argv[1:]
    ethopose.train(project, out, config=config, devices=2, watch=Told())
    try:
        ethopose.train(project, f"{out}-bad", config=bad, devices=2)
    except ethopose.EthoposeError as error:
        print(type(error).__name__, error)
"""


def norm(name: str) -> dict:
    return {
        "backbone": {"name": "nano", "options": {"width": 8, "norm": name}},
        "neck": {"name": "fpn", "options": {"width": 8, "stride": 4, "norm": name}},
    }


def configs(folder: Path) -> list[Path]:
    """Twenty steps, a row of the journal for each: group norm, frozen statistics, and one that must fail."""
    long = {"batch": 4, "steps": 20}
    loop = {"validations": 20, "patience": None}
    told = [
        tiny(every_stage={**norm("group"), **long}, loop=loop),
        tiny(every_stage={**norm("batch"), **long}, loop={**loop, "freeze_norm": True}),
        tiny(optimiser={"rate": 1e30, "warm_up": 0}),
    ]
    paths = [folder / "group.yaml", folder / "frozen.yaml", folder / "bad.yaml"]
    for path, content in zip(paths, told, strict=True):
        path.write_text(yaml.safe_dump(content))
    return paths


def losses(model: Path) -> np.ndarray:
    return np.array([float(row["loss"]) for row in journal(model)])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return coco_project(tmp_path_factory.mktemp("several") / "project", ONE)


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_and_tell_what_goes_wrong(project, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    how, _, bad = configs(tmp_path)
    line = [sys.executable, tmp_path / "script.py", project, tmp_path / "two", how, bad]
    ended = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("row") == 20  # told from the spawned process to who looks on here
    ethopose.train(project, tmp_path / "one", config=how)
    assert len(losses(tmp_path / "one")) == 20
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), atol=1e-5, rtol=0)
    assert "ModelError single: the loss is no number any more" in ended.stdout


@pytest.mark.slow
def test_torchrun_with_frozen_statistics_gives_the_losses_of_one_process(project, tmp_path):
    how = configs(tmp_path)[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    line = [*torchrun, "-m", "ethopose", "train", project, "-o", tmp_path / "two", "--config", how]
    ended = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stderr
    ethopose.train(project, tmp_path / "one", config=how)
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), atol=1e-5, rtol=0)
    for name, tensor in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], tensor, atol=1e-3, rtol=1e-3)


def test_shared_statistics_leave_the_network_as_it_is():
    """torch's own conversion would drop what timm's normalisation does besides: the activation."""
    network, picture = Timm(model="mobilenetv3_small_050").eval(), torch.rand(1, 3, 64, 64)
    before = network(picture)
    after = shared_statistics(network).eval()(picture)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in network.modules())
    for stride, features in before.items():
        torch.testing.assert_close(after[stride], features)


def test_a_batch_that_cannot_be_shared_is_refused(one, tmp_path):
    with pytest.raises(UsageError, match="a batch of 5 cannot be shared by 2 devices"):
        ethopose.train(one, tmp_path / "m", config=tiny(), batch_size=5, devices=2)
    assert not (tmp_path / "m").exists()
