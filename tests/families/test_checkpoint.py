"""Checkpoints are read without trust: nothing in them is run, and each fault is one clear error."""

import contextlib
import pickle
import sys
import types
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ethopose.core import ModelError
from ethopose.families.checkpoint import read_checkpoint

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
FORMATS = {"zip": {}, "before 1.6": {"_use_new_zipfile_serialization": False}}


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(target: Path) -> dict[str, Attack]:
    import os
    import subprocess

    return {
        "system": Attack(os.system, f"touch {target}"),
        "eval": Attack(eval, f"open({str(target)!r}, 'w')"),
        "exec": Attack(exec, f"open({str(target)!r}, 'w')"),
        "open": Attack(open, str(target), "w"),
        "popen": Attack(subprocess.check_call, ["touch", str(target)]),
        "getattr": Attack(getattr, Attack(open, str(target), "w"), "close"),
        "jit": Attack(torch.load, str(target)),
    }


def same_weights(content: dict) -> bool:
    return all(torch.equal(content["state_dict"][name], tensor) for name, tensor in WEIGHTS.items())


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", attacks(Path()))
def test_a_checkpoint_cannot_run_code(tmp_path, form, name):
    target, path = tmp_path / "broken-in", tmp_path / "best.ckpt"
    torch.save({"hooks": attacks(target)[name], "state_dict": WEIGHTS}, path, **FORMATS[form])
    content = read_checkpoint(path)
    assert not target.exists()
    assert same_weights(content)


@pytest.mark.parametrize("form", FORMATS)
def test_a_method_fetched_in_a_checkpoint_is_not_called(tmp_path, form):
    target, path = tmp_path / "broken-in", tmp_path / "best.ckpt"
    torch.save({"hooks": Attack(Path.touch, target), "state_dict": WEIGHTS}, path, **FORMATS[form])
    with contextlib.suppress(ModelError):
        read_checkpoint(path)
    assert not target.exists()


@pytest.mark.parametrize("name", attacks(Path()))
def test_a_plain_pickle_cannot_run_code(tmp_path, name):
    target, path = tmp_path / "broken-in", tmp_path / "best.ckpt"
    path.write_bytes(pickle.dumps(attacks(target)[name]))
    with pytest.raises(ModelError):
        read_checkpoint(path)
    assert not target.exists()


def test_the_attack_would_work_on_a_trusting_reader(tmp_path):
    target = tmp_path / "broken-in"
    pickle.loads(pickle.dumps(attacks(target)["open"])).close()
    assert target.exists()


@pytest.mark.parametrize("form", FORMATS)
def test_objects_of_other_packages_are_inert(tmp_path, form, monkeypatch):
    """As OmegaConf's are, which a configuration in a checkpoint is made of."""
    made = []
    module = types.ModuleType("omegaconf_like")

    class Node(dict):
        def __init__(self, *values: object) -> None:
            made.append(values)
            super().__init__(*values)

        def __reduce__(self):
            return Node, (), {"parent": None}, iter([1, 2]), iter({"a": 1}.items())

        def append(self, item: object) -> None: ...

        def __setstate__(self, state: object) -> None:
            made.append(state)

    Node.__module__, Node.__qualname__, module.Node = "omegaconf_like", "Node", Node
    monkeypatch.setitem(sys.modules, "omegaconf_like", module)
    path = tmp_path / "best.ckpt"
    torch.save({"config": Node(), "all": [Node(), {1: Node()}], "state_dict": WEIGHTS}, path, **FORMATS[form])
    made.clear()
    content = read_checkpoint(path)
    assert made == []
    assert not isinstance(content["config"], Node)
    assert same_weights(content)
    monkeypatch.delitem(sys.modules, "omegaconf_like")
    assert same_weights(read_checkpoint(path))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_and_parameters_of_every_kind_come_out(tmp_path, form, dtype):
    base = torch.arange(12).to(dtype)
    tensors = {"whole": base, "view": base[2:8].reshape(2, 3).T, "scalar": base[3]}
    trained = torch.nn.Linear(2, 3).state_dict(keep_vars=True)
    torch.save({"tensors": tensors, "trained": trained}, tmp_path / "best.ckpt", **FORMATS[form])
    content = read_checkpoint(tmp_path / "best.ckpt")
    assert all(torch.equal(content["tensors"][name], tensor) for name, tensor in tensors.items())
    assert all(torch.equal(content["trained"][name], tensor) for name, tensor in trained.items())


@pytest.mark.parametrize(
    "content", [[1, 2], torch.ones(2), "text", None, 3], ids=["list", "tensor", "text", "none", "number"]
)
def test_a_checkpoint_without_a_mapping_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(ModelError, match="no mapping"):
        read_checkpoint(tmp_path / "best.ckpt")


def test_a_file_or_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        read_checkpoint(tmp_path / "best.ckpt")
    with pytest.raises(ModelError):
        read_checkpoint(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("saved") / "best.ckpt"
    content = {"state_dict": WEIGHTS, "epoch": 1, "config": {"a": [1, "b", None, 2.5]}}
    forms = {}
    for form, options in FORMATS.items():
        torch.save(content, path, **options)
        forms[form] = path.read_bytes()
    return forms | {"pickle": pickle.dumps({"state_dict": None, "list": [1, "two", {3: 4.0}]})}


@pytest.mark.parametrize("form", [*FORMATS, "pickle"])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_in_a_checkpoint_is_a_clear_error_or_does_no_harm(saved, tmp_path_factory, form, data):
    content = bytearray(saved[form])
    length = len(content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"noise {form}.ckpt"
    path.write_bytes(content[: data.draw(st.integers(0, length))] if data.draw(st.booleans()) else content)
    with contextlib.suppress(ModelError):  # any other error fails the test
        read_checkpoint(path)
