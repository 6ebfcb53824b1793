"""The probes answer on this very machine, and a probe that fails gives its reason."""

import subprocess
import sys
import types

import pytest

from ethopose.about import probes
from ethopose.about.probes import ask


def test_questions_that_need_no_package_are_answered():
    told, machine, nvidia = ask("packages"), ask("machine"), ask("nvidia")
    assert told["versions"]["ethopose"]
    assert machine["cores"] >= 1
    assert {"on_bus", "nodes", "visible", "driver", "cuda", "complaint"} == nvidia.keys()


def test_the_codecs_of_pyav_are_told():
    video = ask("video")
    assert video["decoders"]["h264"] is True
    assert video["decoders"].keys() == set(probes.DECODERS)


def test_a_codec_that_does_not_exist_is_not_there():
    import av

    assert not probes._has(av, "no_such_codec", "r")


def test_numba_tells_where_it_keeps_what_it_compiled():
    assert ask("compiler")["cache"]


def test_the_cache_folder_is_told_with_what_is_in_it(tmp_path, monkeypatch):
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "one.bin").write_bytes(bytes(100))
    monkeypatch.setenv("ETHOPOSE_CACHE", str(tmp_path))
    house = ask("house")
    assert (house["cache"], house["bytes"], house["unwritable"]) == (str(tmp_path), 100, None)
    assert house["free"] > 0
    assert house["threads"] >= 1


def test_a_cache_that_lies_under_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert probes._unwritable(tmp_path) is None
    assert probes._unwritable(tmp_path / "file")


def test_a_probe_that_raises_gives_the_last_line_of_what_it_said():
    assert ask("no such question") == {"failure": "KeyError: 'no such question'"}


def test_what_a_package_prints_does_not_hide_the_answer(monkeypatch):
    done = subprocess.CompletedProcess([], 0, 'hello from a package\n{"version": "1"}\n', "a warning")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert ask("torch") == {"version": "1"}


@pytest.mark.parametrize(
    ("done", "failure"),
    [
        ((-11, "", ""), "the process was killed by signal 11"),
        ((1, "", ""), "the process ended with 1"),
        ((0, "noise\nno json", ""), "no answer"),
        ((0, "", ""), "no answer"),
    ],
)
def test_a_probe_that_dies_or_babbles_gives_its_reason(monkeypatch, done, failure):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], *done))
    assert ask("torch")["failure"].startswith(failure)


def test_a_probe_that_hangs_is_given_up(monkeypatch):
    def hang(*_, **__):
        raise subprocess.TimeoutExpired("python", 300)

    monkeypatch.setattr(subprocess, "run", hang)
    assert ask("torch") == {"failure": "no answer within 300 s"}


@pytest.mark.parametrize("text", ["max 100000", ""])
def test_without_a_limit_there_is_no_quota(monkeypatch, text):
    monkeypatch.setattr(probes, "_read", lambda path: text)
    assert probes._quota() is None


def test_a_limit_of_the_control_group_is_the_quota(monkeypatch):
    monkeypatch.setattr(probes, "_read", lambda path: "150000 100000\n")
    assert probes._quota() == 1.5


SMI = "| NVIDIA-SMI 535.1    Driver Version: 535.104.05    CUDA Version: 12.2  |"


def test_the_driver_is_read_from_nvidia_smi_and_so_is_its_complaint(monkeypatch):
    monkeypatch.setattr(probes.shutil, "which", lambda name: name)
    told = iter([(0, SMI, ""), (9, "Failed to initialize\nNVML", "")])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], *next(told)))
    assert probes._smi() == {"driver": "535.104.05", "cuda": "12.2", "complaint": None}
    assert probes._smi() == {"driver": None, "cuda": None, "complaint": "Failed to initialize NVML"}


def fake_torch(compute) -> types.SimpleNamespace:
    """A torch whose driver is too old, though it shows a GPU."""

    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old.\nPlease update it")

    properties = types.SimpleNamespace(name="A100", total_memory=80, major=8)
    cuda = types.SimpleNamespace(
        init=init, device_count=lambda: 1, get_device_properties=lambda index: properties
    )
    mps = types.SimpleNamespace(is_available=lambda: False)
    return types.SimpleNamespace(
        __version__="2.11.0+cu130",
        version=types.SimpleNamespace(cuda="13.0"),
        cuda=cuda,
        backends=types.SimpleNamespace(mps=mps),
        ones=compute,
    )


def test_torch_is_asked_for_its_complaint_and_a_gpu_for_a_sum(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("CUDA error: out of memory\nmore")

    monkeypatch.setitem(sys.modules, "torch", fake_torch(refuse))
    told = probes.torch()
    assert told["complaints"] == ["The NVIDIA driver on your system is too old."]
    assert told["gpus"][0]["failure"] == "CUDA error: out of memory"


def test_a_gpu_that_adds_is_told_with_name_and_memory(monkeypatch):
    number = types.SimpleNamespace(item=lambda: 2)
    ones = types.SimpleNamespace(add=lambda other: number)
    monkeypatch.setitem(sys.modules, "torch", fake_torch(lambda *_, **__: ones))
    assert probes.torch()["gpus"] == [{"name": "A100", "memory": 80, "bf16": True, "failure": None}]
