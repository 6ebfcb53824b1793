"""What the doctor says of machines that are well, and of machines that are not."""

import pytest

from ethopose.about import doctor, examine
from ethopose.about.doctor import JUDGES, judge_no_gpu
from ethopose.about.probes import PROBES

GIB = 2**30
NO_GPU = {"on_bus": 0, "nodes": [], "driver": None, "cuda": None, "complaint": None, "visible": None}
WITH_GPU = {**NO_GPU, "on_bus": 1, "nodes": ["/dev/nvidia0"], "driver": "535.1", "cuda": "12.2"}
CUDA_TORCH = {"version": "2.11.0+cu130", "cuda": "13.0", "complaints": [], "gpus": [], "mps": False}
CPU_TORCH = {**CUDA_TORCH, "version": "2.11.0+cpu", "cuda": None}
H200 = {"name": "NVIDIA H200", "memory": 139 * GIB, "bf16": True, "failure": None}


def answers(**changed: dict[str, object]) -> dict[str, dict[str, object]]:
    """Those of a machine without a GPU that is well, save for what is `changed`."""
    names = ("ethopose", "numpy", "torch", "torchvision", "openvino", "av", "numba")
    well = {
        "packages": {"python": "3.12.1", "versions": dict.fromkeys(names, "1.0")},
        "machine": {"processor": "Ryzen", "cores": 8, "quota": None, "memory": 16 * GIB},
        "nvidia": NO_GPU,
        "torch": CPU_TORCH,
        "torchvision": {"version": "0.26.0+cpu"},
        "openvino": {"version": "2026.1", "bf16": False},
        "video": {
            "version": "18.1",
            "ffmpeg": "8.1",
            "decoders": {"h264": True},
            "encoders": {"libx264": True},
        },
        "compiler": {"version": "0.65", "cache": "/cache"},
        "house": {
            "cache": "/c",
            "bytes": 0,
            "free": 9 * GIB,
            "unwritable": None,
            "threads": 8,
            "looks_for_gpu": True,
        },
    }
    return {name: {**answer, **changed.get(name, {})} for name, answer in well.items()}


def only(topic: str, **changed: dict[str, object]) -> doctor.Finding:
    """The one finding of a topic."""
    (finding,) = JUDGES[topic](answers(**changed))
    return finding


def unwell(**changed: dict[str, object]) -> dict[str, doctor.Finding]:
    found = [finding for judge in JUDGES.values() for finding in judge(answers(**changed))]
    return {finding.topic: finding for finding in found if finding.state != "ok"}


def test_a_machine_that_is_well_has_no_problem_and_is_told_that_it_has_no_gpu():
    assert unwell().keys() == {"GPU"}
    assert only("GPU").state == "note"
    assert "none of NVIDIA's in this machine" in only("GPU").text


@pytest.mark.parametrize("name", ["numpy", "torch", "torchvision", "openvino", "av", "numba"])
def test_a_package_that_is_missing_is_a_problem_with_the_command_that_installs_it(name):
    versions = {**answers()["packages"]["versions"], name: None}
    finding = unwell(packages={"versions": versions})[name]
    assert (finding.state, finding.text) == ("problem", "is not installed")
    assert finding.fix.startswith("uv pip install")
    assert name in finding.fix


@pytest.mark.parametrize(
    ("probe", "topic"),
    [
        ("house", "ethopose"),
        ("torch", "torch"),
        ("torchvision", "torchvision"),
        ("openvino", "openvino"),
        ("video", "av"),
        ("compiler", "numba"),
    ],
)
def test_a_package_that_cannot_be_imported_is_a_problem_in_its_own_words(probe, topic):
    finding = unwell(**{probe: {"failure": "ImportError: libGL.so.1"}})[topic]
    assert finding.state == "problem"
    assert "ImportError: libGL.so.1" in finding.text
    assert finding.fix


@pytest.mark.parametrize("version", ["0.26.0+cu130", "0.26.0+cpu"])
def test_torch_and_torchvision_for_different_devices_are_a_problem(version):
    other = CPU_TORCH if version.endswith("cu130") else CUDA_TORCH
    finding = only("torchvision", torch=other, torchvision={"version": version})
    assert finding.state == "problem"
    assert "--torch-backend=auto torch torchvision" in finding.fix


def test_packages_without_a_device_in_their_version_are_not_suspected():
    assert only("torchvision", torchvision={"version": "0.26.0"}).state == "ok"


def test_a_hidden_gpu_is_a_note_that_names_the_variable():
    for visible in ("", "-1"):
        finding = judge_no_gpu({**WITH_GPU, "visible": visible}, CUDA_TORCH)
        assert (finding.state, finding.fix) == ("note", "unset CUDA_VISIBLE_DEVICES")
    said = {**CUDA_TORCH, "complaints": ["No CUDA GPUs are available"]}
    assert "'7'" in judge_no_gpu({**WITH_GPU, "visible": "7"}, said).text
    assert judge_no_gpu({**WITH_GPU, "visible": "0"}, CUDA_TORCH).state == "problem"


def test_a_gpu_with_a_torch_for_the_processor_is_a_problem():
    finding = judge_no_gpu(WITH_GPU, CPU_TORCH)
    assert (finding.state, finding.fix) == ("problem", doctor.INSTALL_TORCH)
    assert "driver 535.1" in finding.text
    assert "2.11.0+cpu was built without CUDA" in finding.text


def test_a_driver_alone_tells_of_a_gpu_where_no_device_files_are():
    assert judge_no_gpu({**NO_GPU, "driver": "560.1"}, CPU_TORCH).state == "problem"


def test_a_driver_that_is_too_old_is_told_in_the_words_of_torch():
    said = "The NVIDIA driver on your system is too old (found version 12020)."
    finding = judge_no_gpu(WITH_GPU, {**CUDA_TORCH, "complaints": [said]})
    assert finding.state == "problem"
    assert all(words in finding.text for words in (said, "CUDA 13.0", "up to 12.2"))
    assert finding.fix.startswith("update the driver")


def test_a_gpu_on_the_bus_without_a_driver_is_a_problem():
    finding = judge_no_gpu({**NO_GPU, "on_bus": 2}, CUDA_TORCH)
    assert finding.state == "problem"
    assert "2 of NVIDIA's" in finding.text
    assert "--gpus all" in finding.fix


def test_a_gpu_that_nobody_can_explain_is_told_with_all_that_was_said():
    nvidia = {**WITH_GPU, "complaint": "Driver/library version mismatch"}
    finding = judge_no_gpu(nvidia, {**CUDA_TORCH, "complaints": ["CUDA unknown error"]})
    assert "CUDA unknown error" in finding.text
    assert "Driver/library version mismatch" in finding.text
    assert "restart" in finding.fix


def test_each_gpu_that_computes_is_told_with_its_memory():
    findings = list(JUDGES["GPU"](answers(torch={**CUDA_TORCH, "gpus": [H200, H200]})))
    assert [finding.state for finding in findings] == ["ok", "ok"]
    assert findings[1].text.startswith("cuda:1 NVIDIA H200, 139 GiB")


def test_a_gpu_that_cannot_compute_is_a_problem_with_a_way_out():
    said = "CUDA error: no kernel image is available for execution on the device"
    finding = only("GPU", torch={**CUDA_TORCH, "gpus": [{**H200, "failure": said}]})
    assert finding.state == "problem"
    assert said in finding.text
    assert doctor.INSTALL_TORCH in finding.fix


def test_a_gpu_that_is_not_looked_for_is_told_with_the_option():
    torch = {**CUDA_TORCH, "gpus": [H200]}
    findings = list(JUDGES["GPU"](answers(torch=torch, house={"looks_for_gpu": False})))
    assert [(finding.state, finding.fix) for finding in findings] == [("ok", None), ("note", "--device cuda")]


def test_apples_gpu_is_well():
    assert only("GPU", torch={**CPU_TORCH, "mps": True}).state == "ok"


def test_missing_decoders_are_a_problem_and_a_missing_encoder_a_note():
    codecs = {"decoders": {"h264": True, "vp9": False}, "encoders": {"libx264": False}}
    _, decoders, encoders = JUDGES["av"](answers(video=codecs))
    assert (decoders.state, encoders.state) == ("problem", "note")
    assert "vp9" in decoders.text
    assert "h264" not in decoders.text


def test_code_that_cannot_be_kept_is_mended_by_a_folder_and_not_by_an_install():
    failure = "RuntimeError: cannot cache function '_twice': no locator available for file 'probes.py'"
    assert "NUMBA_CACHE_DIR" in only("numba", compiler={"failure": failure}).fix


def test_a_container_with_less_time_than_threads_is_told_how_many_to_use():
    finding = only("processor", machine={"quota": 1.5})
    assert (finding.state, finding.fix) == ("note", "--threads 2")
    assert only("processor", machine={"quota": 8.0}).state == "ok"


def test_little_memory_is_a_note():
    assert only("memory", machine={"memory": 2 * GIB}).state == "note"
    assert only("memory", machine={"memory": None}).state == "note"


def test_a_cache_that_cannot_be_written_is_a_problem_and_a_full_disk_a_note():
    denied = only("cache", house={"unwritable": "Permission denied"})
    full = only("cache", house={"free": 2**20})
    assert (denied.state, full.state) == ("problem", "note")
    assert "Permission denied" in denied.text
    assert "ETHOPOSE_CACHE" in denied.fix
    assert "1 MiB are free" in full.text


@pytest.mark.parametrize("answer", [{}, {"failure": "killed"}], ids=["nothing", "failure"])
def test_the_doctor_says_something_of_every_topic_when_no_probe_answers(monkeypatch, answer):
    monkeypatch.setattr(doctor, "ask", lambda question: answer)
    findings = examine()
    assert {finding.topic for finding in findings} >= JUDGES.keys()
    assert "problem" in {finding.state for finding in findings}


def test_examine_asks_every_probe_once_and_gives_every_judgement(monkeypatch):
    asked = []

    def ask(question):
        asked.append(question)
        return answers()[question]

    monkeypatch.setattr(doctor, "ask", ask)
    findings = examine()
    assert sorted(asked) == sorted(PROBES)
    assert [finding.topic for finding in findings if finding.topic != "codecs"] == list(JUDGES)
