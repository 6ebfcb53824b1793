"""What a run holds in memory: over a long video, and over a plan of many, also when half of it is done.

    uv run python benchmarks/run_memory.py

The command line is run with a tiny model on one worker of one core; the memory of the supervisor and of its
worker is read from /proc (Linux) while it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from clips import write_clip
from ethopose.testing.models import tiny_model

EVERY = 0.1  # seconds


def held(pid: int) -> float:
    """MiB that a process holds now; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line[:6] == "VmRSS:"), 0.0)


def workers(pid: int) -> Iterator[int]:
    """The worker processes of a supervisor."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"run.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            yield int(child)


def started(videos: Path, model: Path) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "ethopose", "-q", "run", str(videos), "-m", str(model), "--threads", "1"]
    return subprocess.Popen([*line, "--device", "cpu", "--format", "none", "--run", f"{videos}.run"])


def states(videos: Path, since: float) -> dict[str, int]:
    """How many videos came to each state since a moment."""
    counts: dict[str, int] = {}
    files = Path(f"{videos}.run/events").glob("*.jsonl")  # one a start: reading old ones would take its time
    for path in [file for file in files if file.stat().st_mtime > since]:
        for line in path.read_text().splitlines():
            event = json.loads(line) if line.endswith("}") else {"time": 0.0}
            if event["time"] > since:
                counts[event["state"]] = counts.get(event["state"], 0) + 1
    return counts


def many(place: Path, model: Path, number: int) -> None:
    """A plan of many short videos: when the first is predicted, what is held, and again halfway."""
    videos = place / "many"
    videos.mkdir()
    first = write_clip(place / "clip.mp4", 8)
    for index in range(number):
        os.link(first, videos / f"v{index:05}.mp4")
    for half in ("from the start", "half done"):
        began, now = time.time(), time.monotonic()
        process = started(videos, model)
        until(lambda began=began: states(videos, began).get("wrapping", 0) >= 1, process)
        seconds = time.monotonic() - now
        most = 0.0
        done = states(videos, 0).get("done", 0)
        goal = number // 2 if half == "from the start" else done + number // 10
        while states(videos, 0).get("done", 0) < goal and process.poll() is None:
            most = max(most, held(process.pid))
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.wait()
        say(f"| {number} videos, {half} | first video predicted after {seconds:.1f} s | {most:.0f} MiB |")


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not true():
        if process.poll() is not None:
            raise SystemExit("the run ended by itself")
        time.sleep(EVERY)


def long(place: Path, model: Path, frames: int) -> None:
    """One long video: what both processes hold after each tenth of it."""
    videos = place / "long"
    videos.mkdir()
    write_clip(videos / "long.mp4", frames)
    process = started(videos, model)
    rows, tenth = [], 1
    parts = -(-frames // 1024)
    while process.poll() is None:
        done = len(list(videos.glob("*.ethopose/frames/*.parquet")))
        if done >= tenth * parts / 10:
            rows.append((done, held(process.pid), sum(map(held, workers(process.pid)))))
            tenth += 1
        time.sleep(EVERY)
    for done, supervisor, worker in rows:
        say(f"| {done * 1024} of {frames} frames | {supervisor:.0f} MiB | worker {worker:.0f} MiB |")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder) / "single", "single")
        long(Path(folder), model, options.frames)
        many(Path(folder), model, options.videos)


if __name__ == "__main__":
    main()
