"""What each fault costs a run: every fault is made to happen some times, and every frame is counted.

    uv run python benchmarks/run_faults.py --times 10

Three videos of 64 frames in parts of 16, one worker on one core. A frame is lost if it is not in the result,
or marked as unreadable; it is done twice if its packet went to the decoder again. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path += [str(TESTS), str(TESTS / "run")]

import bad_videos  # noqa: E402  (openers that the tests use; workers import them by name)

from clips import write_clip  # noqa: E402
from ethopose.run import RunReport, run  # noqa: E402
from ethopose.testing.models import tiny_model  # noqa: E402

FRAMES = 64
AGAIN = "--again"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and how to make it happen."""

    name: str
    opener: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)
    kill: str = ""  # worker or run: SIGKILL at any moment
    starts: int = 1


FAULTS = (
    Fault("nothing", bad_videos.slow),
    Fault("the decoder ends the process once", bad_videos.crashing_once),
    Fault("a packet always ends the process", bad_videos.crashing),
    Fault("opening a video always ends the process", bad_videos.poisonous),
    Fault("a worker hangs", bad_videos.hanging_once, {"hang_after": 3.0}),
    Fault("a worker is killed", bad_videos.slow, kill="worker"),
    Fault("the run is killed", bad_videos.slow, kill="run"),
    Fault("the disk is full", bad_videos.filling, starts=2),
)


def once(fault: Fault, folder: Path, model: Path) -> tuple[RunReport, int]:
    """A run in which it happens, started again where it stopped; and how many frames were decoded twice."""
    videos = folder / "videos"
    videos.mkdir()
    for name in ("a.mp4", "b_bad.mp4", "c.mp4"):
        write_clip(videos / name, FRAMES)
    if fault.kill == "run":
        killed_run(fault, folder)
    report = go(fault, folder, model)
    for _ in range(fault.starts - 1):
        report = go(fault, folder, model, opener=bad_videos.plain)
    packets = Counter(
        (log.name, line) for log in videos.glob("*.decoded") for line in log.read_text().splitlines()
    )
    return report, sum(count - 1 for count in packets.values())


def go(fault: Fault, folder: Path, model: Path, opener: Callable[..., Any] | None = None) -> RunReport:
    moments: list[float] = []  # when it is to happen, and nothing more once it has

    def kill(works: object, hands: Any) -> None:
        busy = [hand for hand in hands if hand.ready and hand.heavy]
        if busy and not moments:
            moments.append(time.monotonic() + random.uniform(0.0, 2.0))
        elif busy and time.monotonic() > moments[0]:
            moments[0] = float("inf")
            busy[0].process.kill()

    return run(
        folder / "videos",
        model,
        folder=folder / "x.run",
        opener=partial(bad_videos.counted, opener=opener or fault.opener),
        watch=kill if fault.kill == "worker" else None,
        device="cpu",
        threads=1,
        batch_size=4,
        format="none",
        **fault.settings,
    )


def killed_run(fault: Fault, folder: Path) -> None:
    """The same in a process of its own, killed once a worker is at it."""
    line = [sys.executable, __file__, AGAIN, str(folder), str(FAULTS.index(fault))]
    process = subprocess.Popen(line, start_new_session=True)
    while not list((folder / "videos").glob("*.decoded")):
        time.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit("the run ended by itself")
    time.sleep(random.uniform(0.0, 2.0))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # its worker notices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--only", default="", help="faults whose names hold this")
    options = parser.parse_args()
    out = sys.stdout
    out.write("| fault | times | videos not done | frames lost | frames done twice, mean | s |\n")
    out.write("| --- | --- | --- | --- | --- | --- |\n")
    for fault in (fault for fault in FAULTS if options.only in fault.name):
        undone = lost = twice = 0
        began = time.monotonic()
        for _ in range(options.times):
            with tempfile.TemporaryDirectory() as folder:
                model = tiny_model(Path(folder) / "single", "single")
                report, again = once(fault, Path(folder), model)
            twice += again
            for video in report.videos.values():
                undone += video.state != "done"
                lost += video.lost + (video.total - video.frames)
        seconds = (time.monotonic() - began) / options.times
        out.write(
            f"| {fault.name} | {options.times} | {undone} | {lost} | {twice / options.times:.1f} "
            f"| {seconds:.1f} |\n"
        )
        out.flush()


if __name__ == "__main__":
    if AGAIN in sys.argv:
        place, number = Path(sys.argv[2]), int(sys.argv[3])
        go(FAULTS[number], place, place / "single")
    else:
        main()
