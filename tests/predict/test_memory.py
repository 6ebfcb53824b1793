"""Memory does not grow with a video's length."""

import subprocess
import sys
from pathlib import Path

import pytest

from clips import BATCH, SIZE, write_clip

LONG = 20_000
PEAK = """
import sys, ethopose
clip, model, out = sys.argv[1:]
result = ethopose.predict(clip, model, out=out, batch_size=8, format=["csv", "slp"])
status = open("/proc/self/status").read()
print(len(result.manifest.parts), int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def peak(frames: int, model: Path, folder: Path, size: tuple[int, int] = SIZE) -> tuple[int, float]:
    """Parts written and the highest memory of a process that predicts so many frames, MiB."""
    clip = write_clip(folder / f"{frames}.mp4", frames, size=size)
    line = [sys.executable, "-W", "ignore", "-c", PEAK, clip, model, folder / f"{frames}.ethopose"]
    parts, megabytes = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    return int(parts), float(megabytes)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak")
def test_ten_times_the_frames_take_no_more_memory(tiny, tmp_path):
    model = tiny("centroid")
    peak(BATCH, model, tmp_path)  # converts the network
    short, long = peak(LONG // 10, model, tmp_path), peak(LONG, model, tmp_path)
    assert (short[0], long[0]) == (2, 20)
    assert short[1] > 50
    assert long[1] < 1.05 * short[1] + 10


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak")
def test_a_part_that_fills_up_holds_no_pictures(tiny, tmp_path):
    model, size = tiny("centroid"), (240, 320)
    peak(BATCH, model, tmp_path, size)
    few, many = peak(64, model, tmp_path, size)[1], peak(960, model, tmp_path, size)[1]
    assert many < few + 60  # its pictures would be 200 MiB; what is freed late came to 33 once
