"""A run opens no socket, writes nothing where it was not asked to, and needs torch only to convert."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ethopose.testing import World
from ethopose.testing.models import tiny_model

# Runs before anything of ethopose is imported; tells what happened on its last line.
SCRIPT = """
import json, os, socket, sys
sockets, written, imported = [], [], []

def watch(event, args):
    if event == "socket.__new__" and args[1] != getattr(socket, "AF_UNIX", None):
        sockets.append(str(args[1:]))
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        sockets.append(event)
    if event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(os.path.abspath(args[0]))
    if event in ("os.mkdir", "os.rename") and isinstance(args[0], (str, os.PathLike)):
        written.append(os.path.abspath(args[event == "os.rename"]))

sys.addaudithook(watch)
import ethopose
light = [name for name in ("torch", "openvino") if name in sys.modules]
result = ethopose.predict(sys.argv[1], sys.argv[2], out=sys.argv[3], device="cpu")
poses = result.poses
print(json.dumps({
    "animals": len(poses), "x": float(poses.xy[0, 0, 0]), "torch": "torch" in sys.modules,
    "light": light, "sockets": sockets, "written": sorted(set(written)),
}))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Predict in a process of its own with an empty home folder; gives what it told and its home."""
    folder = tmp_path_factory.mktemp("isolated")
    video = World(seed=1, frames=4).write(folder / "world.mp4")
    model = tiny_model(folder / "model", "bottom-up")
    (folder / "home").mkdir()

    def predict(name: str, **environment: str) -> tuple[dict, Path]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ETHOPOSE_"))}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, video, model, folder / name],
            env={**kept, "HOME": str(folder / "home"), **environment},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), folder

    return predict


@pytest.fixture(scope="module")
def cold(run):
    return run("cold.ethopose")


@pytest.fixture(scope="module")
def warm(run, cold):
    return run("warm.ethopose")


def test_a_run_that_converts_needs_torch_and_the_next_one_does_not(cold, warm):
    assert cold[0]["torch"]
    assert not warm[0]["torch"]
    assert cold[0]["light"] == warm[0]["light"] == [], "importing ethopose must stay light"


def test_a_warm_cache_gives_the_same_answer(cold, warm):
    assert warm[0]["animals"] == cold[0]["animals"] > 0
    np.testing.assert_allclose(warm[0]["x"], cold[0]["x"], rtol=0)


@pytest.mark.parametrize("which", ["cold", "warm"])
def test_no_socket_is_opened(which, request):
    assert request.getfixturevalue(which)[0]["sockets"] == []


@pytest.mark.parametrize("which", ["cold", "warm"])
def test_nothing_but_the_cache_is_written_into_the_home_folder(which, request):
    told, folder = request.getfixturevalue(which)
    home = folder / "home"
    touched = [Path(path) for path in told["written"] if Path(path).is_relative_to(home)]
    there = [path for path in home.rglob("*") if path.is_file()]
    assert there, "the conversion lies there"
    elsewhere = [path for path in (*there, *touched) if "ethopose" not in path.parts and not path.is_dir()]
    assert elsewhere == []


@pytest.mark.parametrize("which", ["cold", "warm"])
def test_nothing_is_written_beside_what_was_read(which, request):
    _, folder = request.getfixturevalue(which)
    allowed = {"world.mp4", "model", "home", "cold.ethopose", "warm.ethopose"}
    assert {path.name for path in folder.iterdir()} - allowed <= {
        "cold.predictions.slp",
        "warm.predictions.slp",
    }
    assert sorted(path.name for path in (folder / "model").iterdir()) == ["model.yaml", "weights.safetensors"]
