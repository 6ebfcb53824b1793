"""How well models predict worlds of which 40 frames were labelled, after some minutes of training.

    uv run python benchmarks/training_worlds.py --minutes 5

Each case is trained by `ethopose.train` on frames spread over a video of 240, with nothing told but the kind,
and measured on the 200 others and on a video of another world that it has not seen. What is stored in
`benchmarks/training/` is not made again. Let the machine rest meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ethopose
from ethopose.core import Poses
from ethopose.testing import World, compare

STORED = Path(__file__).parent / "training"
FRAMES, LABELLED, SEEN, UNSEEN = 240, 40, 100, 200  # the seeds of the worlds count from these


@dataclass(frozen=True)
class Case:
    """A kind of model on a kind of world."""

    kind: str
    animals: int = 2
    identity: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}{'_identity' if self.identity else ''}"

    def world(self, seed: int) -> World:
        return World(seed=seed, animals=self.animals, alike=not self.identity, frames=FRAMES)


CASES = (
    Case("single", animals=1),
    Case("top-down"),
    Case("bottom-up"),
    Case("top-down", identity=True),
    Case("bottom-up", identity=True),
)


def run(case: Case, seed: int, minutes: float, threads: int) -> dict[str, float]:
    """Train and measure one case."""
    labelled = np.linspace(0, FRAMES - 1, LABELLED).astype(int)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        world, other = case.world(SEEN + seed), case.world(UNSEEN + seed)
        video, unseen = world.write(folder / "seen.mp4"), other.write(folder / "unseen.mp4")
        settings = {"kind": case.kind, "identity": case.identity, "minutes": minutes, "seed": seed}
        began = time.perf_counter()
        ethopose.train(world.labels(list(labelled), video), folder / "m", threads=threads, **settings)
        took = time.perf_counter() - began
        held_out = np.setdiff1d(np.arange(FRAMES), labelled)
        here = measured(ethopose.predict(video, folder / "m").poses, world.truth, held_out)
        there = measured(ethopose.predict(unseen, folder / "m").poses, other.truth, np.arange(FRAMES))
    return {"train_s": round(took, 1), **here, **{f"unseen_{name}": value for name, value in there.items()}}


def measured(poses: Poses, truth: Poses, frames: np.ndarray) -> dict[str, float]:
    """Figures of some frames; identity is the share of the animals found that bear their own name."""
    poses, truth = poses[np.isin(poses.frame, frames)], truth[np.isin(truth.frame, frames)]
    found = compare(poses, truth)
    right = poses.individual[found.rows] == truth.individual[found.truth_rows]
    figures = {
        "found": found.found,
        "extra": found.extra,
        "median": found.median,
        "p95": found.p95,
        "missing": found.missing,
        "identity": float(right.mean()) if len(right) else 0.0,
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def table(minutes: float) -> str:
    """A row a case and video, medians over seeds."""
    columns = "found", "extra", "missing", "median", "p95"
    lines = [f"| model | video | seeds | {' | '.join(columns)} | identity |", "| --- " * 9 + "|"]
    for case in CASES:
        stored = sorted(STORED.glob(f"worlds_{case.name}_{minutes:g}min_seed*.json"))
        runs = [json.loads(path.read_text()) for path in stored]
        for video, prefix in (("the same, other frames", ""), ("another world", "unseen_")):
            middle = {
                n: statistics.median(r[prefix + n] for r in runs) for n in (*columns, "identity") if runs
            }
            if runs:
                cells = [f"{middle[name]:.2f}" for name in columns]
                identity = f"{middle['identity']:.1%}" if case.identity else ""
                lines.append(f"| {case.name} | {video} | {len(runs)} | {' | '.join(cells)} | {identity} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="the case of this name")
    parser.add_argument("--table", action="store_true", help="only print what is stored")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    for seed in range(1, options.seeds + 1):
        for case in CASES:
            path = STORED / f"worlds_{case.name}_{options.minutes:g}min_seed{seed}.json"
            if options.table or path.exists() or options.only not in (None, case.name):
                continue
            sys.stderr.write(f"{path.stem}\n")
            path.write_text(json.dumps(run(case, seed, options.minutes, options.threads)) + "\n")
    sys.stdout.write(table(options.minutes) + "\n")


if __name__ == "__main__":
    main()
