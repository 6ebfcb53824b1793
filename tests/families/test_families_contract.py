"""What every family promises of its model folders."""

import shutil
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import WRITERS

import ethopose
from ethopose import families
from ethopose.core import EthoposeError, ModelError, UsageError
from ethopose.families import FAMILIES, Model, family_of
from ethopose.models.build import build
from ethopose.runtime import Compute, StageSource, compile_stage


def compiled(model: Model, index: int = 0, runtime: str = "torch"):
    stage = model.spec.stages[index]
    source = StageSource(stage, lambda: model.weights(index), f"{model.digest}.{index}")
    shape = (1, 32, 48, stage.network.in_channels)
    return compile_stage(source, shape, Compute("cpu", runtime, "fp32", threads=1))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_family_is_tested():
    assert {family.name for family in FAMILIES} == set(WRITERS)


def test_a_folder_is_recognised_by_its_own_family_only(family, folder):
    assert [other.name for other in FAMILIES if other.recognises(folder)] == [family.name]
    assert family_of(folder) is family


def test_a_model_says_what_it_is(family, folder):
    model = families.load(folder)
    assert model.spec.family == family.name
    assert "mice" in model.spec.name
    assert model.paths == (folder,)
    assert len(model.digest) == 64
    assert families.load([str(folder)]).digest == model.digest


def test_weights_fit_the_network_that_the_spec_describes(folder):
    model = families.load(folder)
    for index, stage in enumerate(model.spec.stages):
        weights = model.weights(index)
        build(stage).load_state_dict(weights, strict=True)
        counted = {name for name in weights if name.endswith(".num_batches_tracked")}
        assert {weights[name].dtype for name in weights.keys() - counted} == {torch.float32}
        assert {tensor.device.type for tensor in weights.values()} == {"cpu"}


def test_a_model_runs(folder):
    model = families.load(folder)
    for index, stage in enumerate(model.spec.stages):
        picture = np.zeros((1, 32, 48, stage.network.in_channels), np.uint8)
        runnable = compiled(model, index)
        assert runnable.decode(runnable.network(picture))["xy"].shape[-1] == 2


def test_a_model_converted_to_our_own_computes_the_same_numbers(folder, tmp_path):
    model = families.load(folder)
    written = ethopose.convert(folder, tmp_path / "mine")
    assert sorted(files(written)) == ["model.yaml", "weights.safetensors"]
    converted = families.load(written)
    assert converted.spec.stages == model.spec.stages
    assert converted.spec.skeleton == model.spec.skeleton
    assert (converted.spec.name, converted.spec.family) == ("mine", "ethopose")
    for index, stage in enumerate(model.spec.stages):
        shape = (1, 32, 48, stage.network.in_channels)
        picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        ours, theirs = (compiled(each, index).network(picture) for each in (converted, model))
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    before = files(written)
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"already|over itself"):
            ethopose.convert(written, written, overwrite=overwrite)
    with pytest.raises(UsageError, match="a model is written as a folder"):
        ethopose.convert(folder, tmp_path / "x", format="csv")
    assert files(written) == before
    ethopose.convert(folder, written, overwrite=True)
    assert files(written) == before


def test_reading_changes_nothing_and_reads_no_weights_before_they_are_asked_for(folder, monkeypatch):
    before = files(folder)
    monkeypatch.setattr(torch, "load", None)
    model = families.load(folder)
    monkeypatch.undo()
    model.weights(0)
    assert files(folder) == before


def test_a_file_of_a_folder_stands_for_it(folder):
    for path in folder.iterdir():
        assert families.load(path).digest == families.load(folder).digest


def test_the_digest_follows_the_content_and_not_the_name(family, folder, tmp_path):
    model = families.load(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert families.load(tmp_path / "copy").digest == model.digest
    weights = next(path for path in folder.iterdir() if path.suffix in (".ckpt", ".pt", ".safetensors"))
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    assert families.load(folder).digest != model.digest


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match="no such model folder") as told:
        families.load(tmp_path / "none")
    assert told.value.where == tmp_path / "none"


def test_a_folder_without_a_model_is_refused_with_the_tools_that_are_known(tmp_path):
    with pytest.raises(ModelError, match=r"ethopose, SLEAP-NN"):
        families.load(tmp_path)


@pytest.mark.parametrize("count", [0, 3])
def test_a_model_is_one_folder_or_two(folder, count):
    with pytest.raises(UsageError, match=f"not {count}"):
        families.load([folder] * count)


def test_a_folder_forms_no_pair_with_itself(folder):
    with pytest.raises(UsageError, match="no pair"):
        families.load([folder, folder])


def test_folders_of_two_tools_form_no_pair(tmp_path):
    for name, write in WRITERS.items():
        write(tmp_path / name)
    for pair in permutations(WRITERS, 2):
        with pytest.raises(UsageError, match=" and ".join(pair)):
            families.load([tmp_path / name for name in pair])


def test_a_missing_file_is_named(folder):
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(ModelError) as told:
            families.load(folder)
        assert str(told.value.where).startswith(str(folder))
        path.write_bytes(content)


def test_a_configuration_cannot_run_code(folder, tmp_path):
    target = tmp_path / "broken-in"
    for path in [path for path in folder.iterdir() if path.suffix == ".yaml"]:
        good = path.read_text()
        path.write_text(f"{good}\nmore: !!python/object/apply:os.mkdir [{str(target)!r}]\n")
        with pytest.raises(ModelError, match="YAML"):
            families.load(folder)
        assert not target.exists()
        path.write_text(good)


@pytest.mark.parametrize("keep", [0, 1, 30, 0.5, 0.9, -1])
def test_a_file_cut_short_is_named(folder, keep):
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        if path.suffix == ".yaml" and keep not in (0, 1, 30):
            continue  # half a configuration may be one
        path.write_bytes(content[: int(len(content) * keep) if 0 < keep < 1 else keep])
        with pytest.raises(EthoposeError) as told:
            compiled(families.load(folder))
        assert isinstance(told.value, ModelError)
        assert told.value.where == path
        path.write_bytes(content)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_are_refused_by_name(folder, monkeypatch, tmp_path, runtime, change):
    monkeypatch.setenv("ETHOPOSE_CACHE", str(tmp_path / "cache"))
    model = families.load(folder)

    def changed(stage: int) -> dict[str, torch.Tensor]:
        weights = dict(model.weights(stage))
        bias = next(name for name in weights if name.startswith("heads.0.") and name.endswith(".bias"))
        if change == "missing":
            del weights[bias]
        elif change == "extra":
            weights[bias.replace("0", "7", 1)] = torch.zeros(1)
        else:
            weights[bias] = torch.zeros(99)
        return weights

    with pytest.raises(ModelError, match=r"heads\.\d\.[\w.]+\.bias"):
        compiled(replace(model, weights=changed), runtime=runtime)
    assert not list((tmp_path / "cache").glob("networks/*"))
