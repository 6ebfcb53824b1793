"""Which devices a run takes; the GPUs are made up."""

import pytest

from ethopose.core import UsageError
from ethopose.run import devices
from ethopose.run.devices import choose_devices

GPUS = {"cuda:0": 2000, "cuda:1": 24000, "cuda:2": 8000}


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setattr(devices, "gpu_driver_present", lambda: True)
    monkeypatch.setattr(devices, "free_gpu_memory", lambda: GPUS)


@pytest.mark.parametrize(
    ("asked", "workers", "chosen"),
    [
        ("auto", None, ["cuda:1", "cuda:2"]),
        ("auto", 4, ["cuda:1", "cuda:2", "cuda:1", "cuda:2"]),
        ("cuda", 1, ["cuda:1"]),
        ("0,2", None, ["cuda:0", "cuda:2"]),
        ("1", None, ["cuda:1"]),
        ("cpu", None, ["cpu"]),
        ("-1", 2, ["cpu", "cpu"]),
    ],
)
def test_the_most_free_come_first_and_those_named_are_taken(asked, workers, chosen, gpus):
    assert choose_devices(asked, workers, None, 3000) == chosen


def test_a_gpu_that_is_not_there_is_answered_with_those_that_are(gpus):
    with pytest.raises(UsageError, match=r"no device cuda:7; fix:.*cuda:1 \(24000 MB free\)"):
        choose_devices("0,7", None, None, 3000)
    with pytest.raises(UsageError, match=r"no GPU has 50000 MB free.*--min-gpu-memory"):
        choose_devices("cuda", None, None, 50000)


def test_without_enough_free_memory_the_cpu_does_it_and_it_is_said(gpus, caplog):
    assert choose_devices("auto", None, None, 50000) == ["cpu"]
    assert "no GPU is used (less than 50000 MB free)" in caplog.text


def test_openvino_is_for_the_cpu(gpus):
    assert choose_devices("auto", None, "openvino", 3000) == ["cpu"]
