"""Models with code of their own: it travels along, counts in the digest, and runs only on somebody's word."""

import numpy as np
import pytest
import torch
import yaml

from ethopose import families
from ethopose.core import ModelError, Skeleton, SpecError, UsageError
from ethopose.families import native
from ethopose.models.backbones import BACKBONES
from ethopose.models.build import build
from ethopose.models.plugins import load_plugin
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage
from ethopose.runtime import Compute, StageSource, compile_stage
from own_parts import forgotten, write_parts

PARTS = "my_parts.py"
SPEC = ModelSpec(
    name="mine",
    family="ethopose",
    kind="single",
    skeleton=Skeleton(("a", "b")),
    stages=(
        Stage(
            preparation=Preparation(pad_to=4),
            network=Network(
                in_channels=1,
                backbone=Part(name="dummy", options={"kernel_size": 4}),
                heads=(Part(name="dummy", options={"keypoints": 2, "stride": 4}),),
            ),
            grouping=Part(name="one_each"),
        ),
    ),
    plugins=(PARTS,),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ETHOPOSE_CACHE", str(tmp_path / "cache"))
    with forgotten():
        yield


@pytest.fixture
def folder(tmp_path):
    """The folder of a model made of the parts of docs/add-a-part.md, which nothing has loaded yet."""
    own = write_parts(tmp_path)
    with forgotten():
        load_plugin(own)
        torch.manual_seed(0)
        weights = {name: 3 * weight for name, weight in build(SPEC.stages[0]).state_dict().items()}
        native.write(tmp_path / "mine", SPEC, [weights], plugins=[own])
    own.unlink()
    assert "dummy" not in BACKBONES
    return tmp_path / "mine"


def network(folder, runtime: str) -> np.ndarray:
    model = families.load(folder, trust_code=True)
    source = StageSource(model.spec.stages[0], lambda: model.weights(0), f"{model.digest}.0")
    pictures = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 1), dtype=np.uint8)
    stage = compile_stage(source, pictures.shape, Compute("cpu", runtime, "fp32", threads=1))
    return stage.decode(stage.network(pictures))["xy"]


def test_code_is_not_run_unless_somebody_says_so(folder, tmp_path):
    (folder / PARTS).write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'broken-in')!r}).touch()")
    with pytest.raises(UsageError, match=r"code of its own \(my_parts.py\).*--trust-code") as told:
        families.load(folder)
    assert told.value.where == folder
    assert families.load(folder, alone=True).spec.plugins == (PARTS,)
    assert not (tmp_path / "broken-in").exists()
    families.load(folder, trust_code=True)
    assert (tmp_path / "broken-in").exists()


def test_a_trusted_model_runs_the_same_in_every_runtime(folder):
    ours, theirs = network(folder, "openvino"), network(folder, "torch")
    assert np.ptp(theirs) > 1
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-3)
    assert sorted(path.name for path in folder.iterdir()) == ["model.yaml", PARTS, "weights.safetensors"]


def test_other_code_is_another_model_with_a_conversion_of_its_own(folder, tmp_path):
    digests, answers = [], []
    for change in ("image,", "1 - image,"):
        text = (folder / PARTS).read_text()
        (folder / PARTS).write_text(text.replace("max_pool2d(image,", f"max_pool2d({change}"))
        with forgotten():
            answers.append(network(folder, "openvino"))
            digests.append(families.load(folder, trust_code=True).digest)
    assert digests[0] != digests[1]
    assert not np.allclose(*answers)
    assert len(list((tmp_path / "cache/networks").iterdir())) == 4  # two graphs each


def test_a_model_without_its_code_is_named(folder):
    (folder / PARTS).unlink()
    with pytest.raises(ModelError, match="cannot be read") as told:
        families.load(folder, trust_code=True)
    assert told.value.where == folder / PARTS


@pytest.mark.parametrize("name", ["../my_parts.py", "/tmp/my_parts.py", "a/b.py", "parts.txt", ".."])
def test_code_outside_of_the_folder_is_refused(folder, name):
    told = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump({**told, "plugins": [name]}))
    with pytest.raises(ModelError, match="plugins"):
        families.load(folder, trust_code=True)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    (folder / PARTS).rename(tmp_path / "elsewhere.py")
    (folder / PARTS).symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(ModelError, match="leads out"):
        families.load(folder, trust_code=True)


def test_code_that_fails_is_told_with_its_line(folder):
    (folder / PARTS).write_text("\n1 / 0\n")
    with pytest.raises(SpecError, match="ZeroDivisionError") as told:
        families.load(folder, trust_code=True)
    assert told.value.where == f"{folder / PARTS}:2"


def test_a_spec_and_the_files_given_with_it_must_agree(folder, tmp_path):
    for files in ([], [write_parts(tmp_path, "other.py")], [folder / PARTS, folder / PARTS]):
        with pytest.raises(UsageError, match="names the plugins"):
            native.write(tmp_path / "more", SPEC, [{}], plugins=files)
    assert not (tmp_path / "more").exists()


def test_a_model_can_be_written_over_itself(folder):
    before = (folder / PARTS).read_bytes()
    native.write(folder, SPEC, [families.load(folder, alone=True).weights(0)], plugins=[folder / PARTS])
    assert (folder / PARTS).read_bytes() == before


def test_predict_runs_such_a_model_if_told_to(folder, tmp_path, ethopose_says):
    from clips import write_clip

    clip = write_clip(tmp_path / "clip.mp4", 4)
    line = ["predict", clip, "-m", folder, "-o", tmp_path / "r", "--format", "none", "--runtime", "torch"]
    refused = ethopose_says(*line)
    assert refused.code == 2
    assert "look at it, then --trust-code" in refused.err
    assert not (tmp_path / "r").exists()
    assert ethopose_says(*line, "--trust-code").code == 0
    assert (tmp_path / "r/manifest.json").exists()
