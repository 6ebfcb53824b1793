"""How well models predict after some minutes of training, beside the peers, on one idle machine.

    uv run python benchmarks/training.py --data ../shared/data/labels \\
        --sleap-nn PYTHON --deeplabcut PYTHON

Every run is a process of its own on two cores; its result is stored in `benchmarks/training/` and not made
again, so the command may be stopped and repeated. PYTHON is that of an environment of the peer's; without
one its runs are left out. What is stored is scored by one definition (`training_score.py`) and printed as
the table of `benchmarks/training.md`. Let the machine rest meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from training_score import score
from training_shared import read_labels

HERE = Path(__file__).parent
STORED = HERE / "training"
DATASETS = "openfield-Pranav-2018-10-30", "mirror-mouse-example"
SUBSETS = "5", "10", "20", "40"
COLUMNS = "median", "mean", "rmse", "PCK@2", "PCK@5", "PCK@10"


@dataclass(frozen=True)
class Run:
    """One training."""

    tool: str
    dataset: str
    minutes: float
    seed: int
    subset: str | None = None

    @property
    def path(self) -> Path:
        parts = [self.dataset.split("-")[0], self.tool, f"{self.minutes:g}min", f"seed{self.seed}"]
        return STORED / ("_".join([*parts, *([f"subset{self.subset}"] if self.subset else [])]) + ".json")


def runs(options: argparse.Namespace) -> list[Run]:
    """All that is to be run, the most telling first."""
    seeds = range(1, options.seeds + 1)
    ours = [Run("ethopose", d, options.minutes[0], s) for s in seeds for d in DATASETS]
    theirs = [Run(t, d, m, 1) for m in options.minutes for t in peers(options) for d in DATASETS]
    longer = [Run("ethopose", d, m, 1) for m in options.minutes[1:] for d in DATASETS]
    curves = [Run("ethopose", d, options.minutes[0], 1, n) for n in SUBSETS for d in DATASETS]
    return ours + theirs + longer + curves


def peers(options: argparse.Namespace) -> dict[str, str]:
    """The peers' Pythons by tool."""
    given = {"sleap_nn": options.sleap_nn, "deeplabcut": options.deeplabcut}
    return {tool: python for tool, python in given.items() if python}


def carry_out(run: Run, options: argparse.Namespace) -> None:
    """Make the run and store its result, unless that is there."""
    if run.path.exists():
        return
    ours = run.tool == "ethopose"
    python = sys.executable if ours else peers(options)[run.tool]
    folder = options.data / run.dataset
    command = [python, str(HERE / f"training_{'ours' if ours else run.tool}.py"), "--labels", str(folder)]
    command += ["--split", str(folder / "split.json"), "--minutes", f"{run.minutes:g}"]
    command += ["--seed", str(run.seed), "--out", str(run.path)]
    command += ["--subset", run.subset] if run.subset else []
    sys.stderr.write(f"{run.path.stem}\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}\n")


def scored(run: Run, data: Path) -> dict[str, float]:
    """Figures of a stored run."""
    import cv2

    told = json.loads(run.path.read_text())
    labels = read_labels(data / run.dataset, data / run.dataset / "split.json")
    truth = dict(zip(labels.names[labels.held_out], labels.xy[labels.held_out], strict=True))
    diagonal = float(np.hypot(*cv2.imread(str(labels.images[-1])).shape[:2]))
    return told | score(told["predictions"], truth, diagonal)


def table(stored: list[Run], data: Path) -> str:
    """A row a tool, dataset, length and number of images; medians over seeds."""
    groups: dict[tuple[str, str, float, str], list[dict[str, float]]] = {}
    for run in stored:
        key = run.dataset, run.tool, run.minutes, run.subset or "all"
        groups.setdefault(key, []).append(scored(run, data))
    heads = ["dataset", "tool", "minutes", "images", "seeds", "images/s", "missing", *COLUMNS]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for (dataset, tool, minutes, subset), figures in sorted(groups.items()):
        middle = {
            name: statistics.median(f[name] for f in figures)
            for name in (*COLUMNS, "images_per_s", "missing")
        }
        cells = [dataset, f"{tool} {figures[0]['version']}", f"{minutes:g}", subset, str(len(figures))]
        cells += [f"{middle['images_per_s']:.1f}", f"{middle['missing']:g}"]
        cells += [f"{middle[name]:.2f}" for name in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds both datasets")
    parser.add_argument("--sleap-nn", help="a Python with sleap-nn")
    parser.add_argument("--deeplabcut", help="a Python with DeepLabCut")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 20.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="runs whose file is named like this: mirror_*_5min_seed?")
    parser.add_argument("--table", action="store_true", help="only print what is stored")
    options = parser.parse_args()
    STORED.mkdir(exist_ok=True)
    wanted = [run for run in runs(options) if fnmatch(run.path.stem, options.only or "*")]
    for run in () if options.table else wanted:
        carry_out(run, options)
    sys.stdout.write(table([run for run in wanted if run.path.exists()], options.data) + "\n")


if __name__ == "__main__":
    main()
