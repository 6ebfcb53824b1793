"""How time and memory of tracking grow with the length of a video: 10,000 to 1,000,000 frames.

    python benchmarks/tracking_scale.py shared/data/tracking FOLDER [--out benchmarks]

The world `long` of 100,000 frames (5 animals of 6 keypoints), cut short or several times one after the other,
is written as a result, and once more as that of a model that tells individuals apart and is wrong about one
in five; `ethopose track --animals 5` of it, in a process of its own, is timed, and its peak memory read.
Writes `tracking_scale.md` and `tracking_scale.png`. Let the machine rest meanwhile.
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
ANIMALS, WRONG = 5, 0.25  # of individuals' names, a fifth of them by chance right
KINDS = {"long": "poses alone", "named": "a model of individuals"}


def write(path: Path, world: dict[str, np.ndarray], frames: int, *, named: bool) -> None:
    """A result of so many frames."""
    individuals = tuple(f"animal_{number}" for number in range(ANIMALS)) if named else ()
    skeleton = Skeleton(tuple(f"k{k}" for k in range(world["det_xy"].shape[1])), individuals=individuals)
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
            said = {"individual": world["said"][rows], "identity_score": world["sure"][rows]} if named else {}
            poses = Poses(skeleton, there.astype(np.int64) + shift, *columns, **said)
            animals = np.bincount(poses.frame - first, minlength=len(frame)).astype(np.int32)
            status = np.zeros(len(frame), np.uint8)
            writer.write_part(FrameTable(frame, frame / FPS, status, animals), poses)
        writer.finish()


def make(data: Path, missing: list[tuple[Path, int, bool]]) -> None:
    """The results that are not there."""
    simulate = simulator(data)
    world = simulate.simulate(**{**simulate.SCENARIOS["long"], "frames": WORLD})
    chance = np.random.default_rng(0)
    true, guess = world["det_true"], chance.integers(0, ANIMALS, len(world["det_true"]))
    wrong = (true < 0) | (chance.random(len(true)) < WRONG)
    world |= {
        "said": np.where(wrong, guess, true).astype(np.int16),
        "sure": chance.uniform(0.5, 1, len(true)).astype(np.float32),
    }
    for place, frames, named in missing:
        write(place, world, frames, named=named)


def rows_of(world: dict[str, np.ndarray], frame: np.ndarray) -> np.ndarray:
    """Rows of the world that stand in these frames, in order."""
    ends = np.searchsorted(world["det_frame"], [frame % WORLD, frame % WORLD + 1])
    return np.concatenate([np.arange(*both) for both in ends.T])


def tracked(path: Path) -> tuple[float, float]:
    """Seconds and MiB of the command. Processes inherit the peak of their parent, which must be less."""
    command = [
        sys.executable,
        "-m",
        "ethopose",
        "track",
        str(path),
        "--animals",
        str(ANIMALS),
        "--overwrite",
        "-q",
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds, peak = time.perf_counter() - began, usage.ru_maxrss / 1024
    if status:
        sys.exit(f"{' '.join(command)} failed")
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >= usage.ru_maxrss:
        sys.exit("the peak memory that was read is this script's own")
    return seconds, peak


def draw(told: dict[str, np.ndarray], path: Path) -> None:
    """Both, over the frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for kind, (seconds, memory) in told.items():
        left.loglog(LENGTHS, seconds, "o-", label=KINDS[kind])
        right.semilogx(LENGTHS, memory, "o-", label=KINDS[kind])
    slowest = max(seconds[-1] for seconds, _ in told.values())
    proportion = np.array(LENGTHS) * slowest / LENGTHS[-1]
    left.loglog(LENGTHS, proportion, color="0.7", label="in proportion to frames")
    left.set(xlabel="frames", ylabel="seconds")
    left.legend()
    right.set(xlabel="frames", ylabel="peak memory, MiB", ylim=(0, None))
    figure.savefig(path, dpi=110)


def report(told: dict[str, np.ndarray]) -> str:
    """The page."""
    power = {kind: np.polyfit(np.log(LENGTHS[2:]), np.log(both[0, 2:]), 1)[0] for kind, both in told.items()}
    lines = ["# How tracking grows with the length of a video", "", __doc__.split("\n\n", 2)[2].strip(), ""]
    lines += ["| frames |", "| --- |"]
    lines[-2] += "".join(f" {KINDS[kind]}: s | frames/s | peak memory, MiB |" for kind in told)
    lines[-1] += " --- |" * 3 * len(told)
    for number, frames in enumerate(LENGTHS):
        each = (
            f" {s:.1f} | {frames / s:,.0f} | {m:.0f} |"
            for s, m in (both[:, number] for both in told.values())
        )
        lines.append(f"| {frames:,} |{''.join(each)}")
    said = " and ".join(f"{each:.2f}th ({KINDS[kind]})" for kind, each in power.items())
    lines += ["", f"From {LENGTHS[2]:,} frames on time grows as the {said} power of the length.", ""]
    return "\n".join([*lines, "![Seconds and memory over frames](tracking_scale.png)", ""])


def main() -> None:
    """All lengths, shortest first; the first call, which compiles, is not counted."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("data", type=Path)
    ask.add_argument("folder", type=Path, help="for the results; what is there already is not made again")
    ask.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = ask.parse_args()
    places = {kind: [given.folder / f"{kind}{frames}.ethopose" for frames in LENGTHS] for kind in KINDS}
    wanted = [
        (place, n, kind == "named") for kind in KINDS for place, n in zip(places[kind], LENGTHS, strict=True)
    ]
    if missing := [each for each in wanted if not is_result(each[0])]:
        maker = get_context("spawn").Process(target=make, args=(given.data, missing))
        maker.start()
        maker.join()
        if maker.exitcode:
            sys.exit(1)
    for kind in KINDS:
        tracked(places[kind][0])
    told = {kind: np.array([tracked(place) for place in places[kind]]).T for kind in KINDS}
    (given.out / "tracking_scale.md").write_text(report(told))
    draw(told, given.out / "tracking_scale.png")


if __name__ == "__main__":
    main()
