"""How time and memory of tracking grow with the length of a video: 10,000 to 1,000,000 frames.

    python benchmarks/tracking_scale.py shared/data/tracking FOLDER [--out benchmarks]

The world `long` of 100,000 frames (5 animals of 6 keypoints), cut short or several times one after the other,
is written as a result; `ethopose track --animals 5` of it, in a process of its own, is timed, and its peak
memory read. Writes `tracking_scale.md` and `tracking_scale.png`. Let the machine rest meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ethopose.core import Poses, Skeleton
from ethopose.store import FrameTable, Manifest, ModelRecord, is_result, start
from tracking import simulator

LENGTHS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
WORLD, PART, FPS = 100_000, 1024, 30


def write(path: Path, world: dict[str, np.ndarray], frames: int) -> None:
    """A result of so many frames."""
    skeleton = Skeleton(tuple(f"k{k}" for k in range(world["det_xy"].shape[1])))
    manifest = Manifest(
        skeleton=skeleton,
        video={"path": "long.mp4", "frames": frames, "height": 900, "width": 1200, "fps": FPS},
        model=ModelRecord(name="long", digest="long"),
        frames=((0, frames - 1),),
    )
    with start(path, manifest) as writer:
        for first in range(0, frames, PART):
            frame = np.arange(first, min(first + PART, frames))
            rows = rows_of(world, frame)
            there = world["det_frame"][rows]
            shift = np.repeat(
                frame - frame % WORLD, np.bincount(there % WORLD, minlength=WORLD)[frame % WORLD]
            )
            columns = (world[f"det_{name}"][rows].astype(np.float32) for name in ("xy", "conf", "score"))
            poses = Poses(skeleton, there.astype(np.int64) + shift, *columns)
            animals = np.bincount(poses.frame - first, minlength=len(frame)).astype(np.int32)
            status = np.zeros(len(frame), np.uint8)
            writer.write_part(FrameTable(frame, frame / FPS, status, animals), poses)
        writer.finish()


def make(data: Path, missing: dict[int, Path]) -> None:
    """The results that are not there."""
    simulate = simulator(data)
    world = simulate.simulate(**{**simulate.SCENARIOS["long"], "frames": WORLD})
    for frames, place in missing.items():
        write(place, world, frames)


def rows_of(world: dict[str, np.ndarray], frame: np.ndarray) -> np.ndarray:
    """Rows of the world that stand in these frames, in order."""
    ends = np.searchsorted(world["det_frame"], [frame % WORLD, frame % WORLD + 1])
    return np.concatenate([np.arange(*both) for both in ends.T])


def tracked(path: Path) -> tuple[float, float]:
    """Seconds and MiB of the command. Processes inherit the peak of their parent, which must be less."""
    command = [sys.executable, "-m", "ethopose", "track", str(path), "--animals", "5", "--overwrite", "-q"]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds, peak = time.perf_counter() - began, usage.ru_maxrss / 1024
    if status:
        sys.exit(f"{' '.join(command)} failed")
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >= usage.ru_maxrss:
        sys.exit("the peak memory that was read is this script's own")
    return seconds, peak


def draw(frames: list[int], seconds: list[float], memory: list[float], path: Path) -> None:
    """Both, over the frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.loglog(frames, seconds, "o-")
    left.loglog(
        frames, np.array(frames) * seconds[-1] / frames[-1], color="0.7", label="in proportion to frames"
    )
    left.set(xlabel="frames", ylabel="seconds")
    left.legend()
    right.semilogx(frames, memory, "o-")
    right.set(xlabel="frames", ylabel="peak memory, MiB", ylim=(0, 1.2 * max(memory)))
    figure.savefig(path, dpi=110)


def main() -> None:
    """All lengths, shortest first; the first call, which compiles, is not counted."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("data", type=Path)
    ask.add_argument("folder", type=Path, help="for the results; what is there already is not made again")
    ask.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = ask.parse_args()
    places = {frames: given.folder / f"long{frames}.ethopose" for frames in LENGTHS}
    if missing := {frames: place for frames, place in places.items() if not is_result(place)}:
        maker = get_context("spawn").Process(target=make, args=(given.data, missing))
        maker.start()
        maker.join()
        if maker.exitcode:
            sys.exit(1)
    tracked(places[LENGTHS[0]])
    told = {frames: tracked(place) for frames, place in places.items()}
    seconds, memory = map(list, zip(*told.values(), strict=True))
    slope = np.polyfit(np.log(LENGTHS[2:]), np.log(seconds[2:]), 1)[0]
    lines = [
        "# How tracking grows with the length of a video",
        "",
        __doc__.split("\n\n", 2)[2].strip(),
        "",
        "| frames | s | frames/s | peak memory, MiB |",
        "| --- | --- | --- | --- |",
        *(f"| {n:,} | {s:.1f} | {n / s:,.0f} | {m:.0f} |" for n, (s, m) in told.items()),
        "",
        f"From {LENGTHS[2]:,} frames on time grows as the {slope:.2f}th power of the length.",
        "",
        "![Seconds and memory over frames](tracking_scale.png)",
        "",
    ]
    (given.out / "tracking_scale.md").write_text("\n".join(lines))
    draw(list(LENGTHS), seconds, memory, given.out / "tracking_scale.png")


if __name__ == "__main__":
    main()
