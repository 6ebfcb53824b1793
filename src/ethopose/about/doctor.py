"""How this machine and its packages are, and how to mend what is wrong with them.

Probes ask, each in a process of its own; here each answer becomes words. Nothing of the house and no
package is imported, so that the doctor works where they are broken.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from ethopose.about.probes import PROBES, Answer, ask
from ethopose.about.rows import size_in_words

Answers = Mapping[str, Answer]
GIB = 2**30
LITTLE_MEMORY, LITTLE_DISK = 4 * GIB, GIB

INSTALL = f"uv pip install --python {shlex.quote(sys.executable)} --reinstall"
INSTALL_TORCH = f"{INSTALL} --torch-backend=auto torch torchvision"
RESTART = "restart the machine; `nvidia-smi` then tells whether the driver works"
# what torch says of a GPU that it cannot use, and the way out
WAYS_OUT = {
    "too old": f"update the driver, or install a torch that fits it: {INSTALL_TORCH}",
    "no kernel image": f"install a torch that was built for this GPU as well: {INSTALL_TORCH}",
    "out of memory": "another program fills it: `nvidia-smi` names it",
    "busy or unavailable": "another program holds it: `nvidia-smi` names it",
    "not yet initialized": "start the fabric manager: systemctl start nvidia-fabricmanager",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about this machine. `note`: worth knowing; `problem`: something will fail or lie idle."""

    topic: str
    state: Literal["ok", "note", "problem"]
    text: str
    fix: str | None = None


def examine() -> list[Finding]:
    """Versions, devices, codecs and caches, in words. Takes seconds; raises nothing: what fails is told."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = dict(zip(PROBES, pool.map(ask, PROBES), strict=True))
    return [finding for topic, judge in JUDGES.items() for finding in _judged(topic, judge, answers)]


def _judged(topic: str, judge: Callable[[Answers], Iterator[Finding]], answers: Answers) -> list[Finding]:
    try:
        return list(judge(answers))
    except Exception as error:  # a doctor who faints helps nobody
        return [Finding(topic, "problem", f"cannot be judged ({type(error).__name__}: {error})")]


def judge_python(answers: Answers) -> Iterator[Finding]:
    """Which Python runs."""
    yield Finding("python", "ok", f"{answers['packages'].get('python', '')} at {sys.executable}")


def judge_ethopose(answers: Answers) -> Iterator[Finding]:
    """Whether ethopose can be imported."""
    yield _package("ethopose", "house", answers, f"{INSTALL} ethopose")


def judge_numpy(answers: Answers) -> Iterator[Finding]:
    """Whether NumPy is there."""
    yield _package("numpy", "packages", answers, f"{INSTALL} numpy")


def judge_torch(answers: Answers) -> Iterator[Finding]:
    """Whether torch can be imported, and what it was built for."""
    cuda = answers["torch"].get("cuda")
    built = f"built for CUDA {cuda}" if cuda else "built without CUDA"
    yield _package("torch", "torch", answers, INSTALL_TORCH, built)


def judge_torchvision(answers: Answers) -> Iterator[Finding]:
    """Whether torchvision fits torch."""
    finding = _package("torchvision", "torchvision", answers, INSTALL_TORCH)
    versions = [answers[name].get("version", "") for name in ("torchvision", "torch")]
    builds = [version.partition("+")[2] for version in versions]
    if finding.state == "ok" and all(builds) and builds[0] != builds[1]:
        text = f"{versions[0]} does not fit torch {versions[1]}: they were built for different devices"
        finding = Finding("torchvision", "problem", text, INSTALL_TORCH)
    yield finding


def judge_openvino(answers: Answers) -> Iterator[Finding]:
    """Whether OpenVINO can be imported."""
    yield _package("openvino", "openvino", answers, f"{INSTALL} openvino")


def judge_video(answers: Answers) -> Iterator[Finding]:
    """Which codecs the FFmpeg in PyAV has."""
    video, mend = answers["video"], f"{INSTALL} --only-binary av av"
    yield _package("av", "video", answers, mend, f"FFmpeg {video.get('ffmpeg')}")
    if "failure" in video:
        return
    missing = [name for name, there in video["decoders"].items() if not there]
    if missing:
        text = f"no decoder for {', '.join(missing)}: such videos cannot be read"
        yield Finding("codecs", "problem", text, mend)
    else:
        yield Finding("codecs", "ok", f"reads {', '.join(video['decoders'])}")
    if not all(video["encoders"].values()):
        yield Finding("codecs", "note", "no libx264: labelled videos are written as larger MPEG-4", mend)


def judge_compiler(answers: Answers) -> Iterator[Finding]:
    """Whether numba compiles, and keeps what it compiled."""
    failure = answers["compiler"].get("failure", "")
    where = "export NUMBA_CACHE_DIR=FOLDER, one that you may write to"
    fix = where if "cannot cache" in failure else f"{INSTALL} numba"
    cache = answers["compiler"].get("cache")
    yield _package("numba", "compiler", answers, fix, f"compiled code is kept in {cache}")


def judge_processor(answers: Answers) -> Iterator[Finding]:
    """What computes where no GPU does."""
    machine, threads = answers["machine"], answers["house"].get("threads")
    words = [f"{machine['processor']}, {machine['cores']} cores"]
    words += [f"a run uses {threads}"] if threads else []
    bf16 = answers["openvino"].get("bf16")
    if bf16 is not None:
        words.append("bf16: --precision auto uses it" if bf16 else "no bf16: networks run in fp32")
    quota = machine["quota"]
    if quota is None or not threads or quota >= threads:
        yield Finding("processor", "ok", "; ".join(words))
    else:
        words.append(f"this container gets the time of {quota:g}: more threads only wait for each other")
        yield Finding("processor", "note", "; ".join(words), f"--threads {math.ceil(quota)}")


def judge_memory(answers: Answers) -> Iterator[Finding]:
    """How much memory there is."""
    memory = answers["machine"]["memory"]
    if memory is None:
        yield Finding("memory", "note", "this system does not tell how much there is")
    elif memory < LITTLE_MEMORY:
        yield Finding(
            "memory", "note", f"{size_in_words(memory)} is little", "--batch-size 1, one run at a time"
        )
    else:
        yield Finding("memory", "ok", size_in_words(memory))


def judge_gpu(answers: Answers) -> Iterator[Finding]:
    """Each GPU that torch can use, or why there is none."""
    torch = answers["torch"]
    if "failure" in torch:
        yield Finding("GPU", "note", "unknown: only torch can tell", "mend torch first")
    elif torch["gpus"]:
        for index, gpu in enumerate(torch["gpus"]):
            yield _gpu(index, gpu)
        if not answers["house"].get("looks_for_gpu", True):
            yield Finding("GPU", "note", "not used unless asked for", "--device cuda")
    elif torch["mps"]:
        yield Finding("GPU", "ok", "Apple's, as mps")
    else:
        yield judge_no_gpu(answers["nvidia"], torch)


def _gpu(index: int, gpu: Answer) -> Finding:
    if gpu["failure"]:
        return Finding(
            "GPU", "problem", f"cuda:{index} cannot compute: {gpu['failure']}", _way_out(gpu["failure"])
        )
    bf16 = "bf16: --precision auto uses it" if gpu["bf16"] else "no bf16"
    return Finding("GPU", "ok", f"cuda:{index} {gpu['name']}, {size_in_words(gpu['memory'])}; {bf16}")


def judge_no_gpu(nvidia: Answer, torch: Answer) -> Finding:
    """Why torch sees no GPU."""
    if "failure" in nvidia:
        return Finding("GPU", "note", f"none that torch sees; nothing else can be told ({nvidia['failure']})")
    complaint = nvidia["complaint"]
    aside = f" (nvidia-smi: {complaint})" if complaint else ""
    if not (nvidia["nodes"] or nvidia["driver"]):
        return _no_driver(nvidia["on_bus"], aside)
    said = " ".join(torch["complaints"])
    visible = nvidia["visible"]
    if visible is not None and (visible.strip() in ("", "-1") or "No CUDA GPUs" in said):
        text = f"hidden: CUDA_VISIBLE_DEVICES is {visible!r}, which names none that is there"
        return Finding("GPU", "note", text, "unset CUDA_VISIBLE_DEVICES")
    driver = f"driver {nvidia['driver'] or 'of unknown version'}"
    if torch["cuda"] is None:
        text = f"idle: there is one with {driver}, and torch {torch['version']} was built without CUDA"
        return Finding("GPU", "problem", text, INSTALL_TORCH)
    runs = f", which runs CUDA up to {nvidia['cuda']}" if nvidia["cuda"] else ""
    text = f"idle: torch, built for CUDA {torch['cuda']}, cannot use it with {driver}{runs}"
    return Finding("GPU", "problem", f"{text}: {said or 'it gives no reason'}{aside}", _way_out(said))


def _no_driver(on_bus: int, aside: str) -> Finding:
    if not on_bus:
        return Finding("GPU", "note", f"none of NVIDIA's in this machine: the processor computes{aside}")
    text = f"idle: {on_bus} of NVIDIA's in this machine, and no driver that can be reached{aside}"
    fix = "install NVIDIA's driver and restart; a container must be started with --gpus all"
    return Finding("GPU", "problem", text, fix)


def _way_out(said: str) -> str:
    return next((way for words, way in WAYS_OUT.items() if words in said), RESTART)


def judge_cache(answers: Answers) -> Iterator[Finding]:
    """Whether converted networks can be kept."""
    house, fix = (
        answers["house"],
        "export ETHOPOSE_CACHE=FOLDER, one on a disk with room that you may write to",
    )
    if "failure" in house:
        yield Finding("cache", "note", "unknown: only ethopose can tell", "mend ethopose first")
    elif house["unwritable"]:
        text = (
            f"{house['cache']} cannot be written to ({house['unwritable']}): converted networks are not kept"
        )
        yield Finding("cache", "problem", text, fix)
    else:
        text = (
            f"{house['cache']} holds {size_in_words(house['bytes'])}, {size_in_words(house['free'])} are free"
        )
        little = house["free"] < LITTLE_DISK
        yield Finding("cache", "note" if little else "ok", text, fix if little else None)


def _package(name: str, probe: str, answers: Answers, fix: str, more: str = "") -> Finding:
    """A package's version, or why it cannot be used."""
    answer, versions = answers[probe], answers["packages"].get("versions", {})
    if name in versions and versions[name] is None:
        return Finding(name, "problem", "is not installed", fix)
    if "failure" in answer:
        return Finding(
            name, "problem", f"{versions.get(name, '')} cannot be used: {answer['failure']}".strip(), fix
        )
    version = str(answer.get("version") or versions[name])
    return Finding(name, "ok", f"{version}, {more}" if more else version)


JUDGES: dict[str, Callable[[Answers], Iterator[Finding]]] = {
    "python": judge_python,
    "ethopose": judge_ethopose,
    "numpy": judge_numpy,
    "torch": judge_torch,
    "torchvision": judge_torchvision,
    "openvino": judge_openvino,
    "av": judge_video,
    "numba": judge_compiler,
    "processor": judge_processor,
    "memory": judge_memory,
    "GPU": judge_gpu,
    "cache": judge_cache,
}
