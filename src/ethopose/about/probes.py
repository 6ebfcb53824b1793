"""What the doctor asks, each question in a process of its own.

A broken package may raise, warn, hang or kill the process that imports it; only its own answer is lost
then. Packages are imported by name where a question is about them, so that none is needed to ask.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

Answer = dict[str, Any]

PATIENCE = 300  # seconds; torch takes a minute from a cold network disk
PACKAGES = ("ethopose", "numpy", "torch", "torchvision", "openvino", "av", "numba")
DECODERS = ("h264", "hevc", "vp9", "av1", "mjpeg", "mpeg4")
ENCODERS = ("libx264",)
NVIDIA, DISPLAY = "0x10de", "0x03"  # vendor and class on the PCI bus


def ask(question: str) -> Answer:
    """What the probe of that name finds, or `failure`: in words, why there is no answer."""
    command = [sys.executable, "-P", "-m", "ethopose.about.probes", question]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
        if done.returncode == 0:
            answer: Answer = json.loads(done.stdout.splitlines()[-1])
            return answer
    except subprocess.TimeoutExpired:
        return {"failure": f"no answer within {PATIENCE} s"}
    except (OSError, ValueError, IndexError) as error:
        return {"failure": f"no answer ({error})"}
    if done.returncode < 0:
        return {"failure": f"the process was killed by signal {-done.returncode}"}
    lines = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
    return {"failure": lines[-1]}


def packages() -> Answer:
    """`versions`: of each package as it was installed, None where it was not. `python`: its version."""
    return {"python": platform.python_version(), "versions": {name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine() -> Answer:
    """`processor`, `cores`, `quota` of them (None: no limit), `memory` in bytes (None: not told)."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "quota": _quota(),
        "memory": _memory(),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _quota() -> float | None:
    """Cores' worth of time that the control group allows, which is how containers are limited."""
    words = _read("/sys/fs/cgroup/cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def _memory() -> int | None:
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    return min(total, int(limit)) if limit.isdigit() else total


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def nvidia() -> Answer:
    """What tells of NVIDIA's GPUs without torch.

    `on_bus`: how many there are; `nodes`: device files; `driver`: its version, `cuda`: the newest that it
    runs (None: not told); `complaint` of nvidia-smi; `visible`: CUDA_VISIBLE_DEVICES, None where unset.
    """
    buses = Path("/sys/bus/pci/devices").glob("*")
    mine = [bus for bus in buses if _read(f"{bus}/vendor").strip() == NVIDIA]
    files = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg")]
    return {
        "on_bus": sum(_read(f"{bus}/class").startswith(DISPLAY) for bus in mine),
        "nodes": sorted(map(str, files)),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        **_smi(),
    }


def _smi() -> Answer:
    tool = shutil.which("nvidia-smi")
    none = {"driver": None, "cuda": None, "complaint": None}
    if tool is None:
        return none
    try:
        told = subprocess.run([tool], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {**none, "complaint": str(error)}
    if told.returncode:
        return {**none, "complaint": " ".join((told.stdout + told.stderr).split())}
    driver = re.search(r"Driver Version: (\S+)", told.stdout)
    cuda = re.search(r"CUDA Version: (\S+)", told.stdout)
    return {**none, "driver": driver and driver[1], "cuda": cuda and cuda[1]}


def torch() -> Answer:
    """`version`, `cuda` that it was built for (None: none), `complaints` of CUDA, `gpus`, `mps`."""
    package = import_module("torch")
    complaints = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            package.cuda.init()
        except (RuntimeError, AssertionError) as error:
            complaints.append(_one_line(error))
        gpus = [_gpu(package, index) for index in range(package.cuda.device_count())]
    return {
        "version": str(package.__version__),
        "cuda": package.version.cuda,
        "complaints": complaints + [_one_line(warning.message) for warning in caught],
        "gpus": gpus,
        "mps": package.backends.mps.is_available(),
    }


def _gpu(package: Any, index: int) -> Answer:
    """`name`, `memory` in bytes, `bf16`; `failure`: why it cannot add two numbers, None where it can."""
    try:
        properties = package.cuda.get_device_properties(index)
        package.ones(1, device=f"cuda:{index}").add(1).item()
    except (RuntimeError, AssertionError) as error:
        return {"name": f"cuda:{index}", "memory": 0, "bf16": False, "failure": _one_line(error)}
    bf16 = properties.major >= 8  # Ampere was the first
    return {"name": properties.name, "memory": properties.total_memory, "bf16": bf16, "failure": None}


def _one_line(error: object) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def torchvision() -> Answer:
    """`version`; importing it fails where its operators were built for another torch."""
    return {"version": str(import_module("torchvision").__version__)}


def openvino() -> Answer:
    """`version`, and whether the CPU computes in `bf16`."""
    runtime = import_module("ethopose.runtime.openvino")
    return {"version": runtime.openvino().__version__, "bf16": runtime.has_bf16()}


def video() -> Answer:
    """`version` of PyAV, `ffmpeg`, and whether each of `decoders` and `encoders` is there."""
    av = import_module("av")
    return {
        "version": av.__version__,
        "ffmpeg": str(av.ffmpeg_version_info),
        "decoders": {name: _has(av, name, "r") for name in DECODERS},
        "encoders": {name: _has(av, name, "w") for name in ENCODERS},
    }


def _has(av: Any, codec: str, mode: str) -> bool:
    try:
        av.codec.Codec(codec, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def compiler() -> Answer:
    """`version` of numba, and `cache`: the folder that keeps compiled functions."""
    numba = import_module("numba")
    compiled = numba.njit(cache=True)(_twice)
    compiled(1)
    return {"version": numba.__version__, "cache": compiled.stats.cache_path}


def _twice(number: int) -> int:
    return number * 2


def house() -> Answer:
    """What ethopose itself says.

    `cache`: its folder; `bytes` in it, `free` bytes on its disk; `unwritable`: why nothing can be written
    there, None where it can; `threads` of a run; `looks_for_gpu` unasked.
    """
    options = import_module("ethopose.runtime.device")
    cache = import_module("ethopose.runtime.cache").cache_folder().absolute()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return {
        "cache": str(cache),
        "bytes": sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()),
        "free": shutil.disk_usage(there).free,
        "unwritable": _unwritable(there),
        "threads": options.usable_cores(),
        "looks_for_gpu": options.gpu_driver_present(),
    }


def _unwritable(folder: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        return error.strerror or str(error)
    return None


PROBES: dict[str, Callable[[], Answer]] = {
    "packages": packages,
    "machine": machine,
    "nvidia": nvidia,
    "torch": torch,
    "torchvision": torchvision,
    "openvino": openvino,
    "video": video,
    "compiler": compiler,
    "house": house,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(PROBES[sys.argv[1]]()) + "\n")
