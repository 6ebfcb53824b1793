"""How errors fall with the number of labelled images, of the runs on subsets that `training.py` stored.

uv run python benchmarks/training_curves.py --data ../shared/data/labels --minutes 1.5
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from training import DATASETS, HERE, SUBSETS, Run, scored
from training_shared import read_labels

COLOURS = {"median": "#009e73", "mean": "#d55e00"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds both datasets")
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--out", type=Path, default=HERE / "training_curves.png")
    options = parser.parse_args()
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, dataset in zip(figure.subplots(1, len(DATASETS)), DATASETS, strict=True):
        trained = read_labels(options.data / dataset, options.data / dataset / "split.json").trained
        runs = {int(n): Run("ethopose", dataset, options.minutes, 1, n) for n in SUBSETS}
        runs[trained] = Run("ethopose", dataset, options.minutes, 1)
        figures = {n: scored(run, options.data) for n, run in runs.items() if run.path.exists()}
        for name, colour in COLOURS.items():
            axes.plot(
                list(figures), [told[name] for told in figures.values()], "o-", color=colour, label=name
            )
        axes.set(title=dataset.split("-")[0], xlabel="labelled images", xscale="log")
        axes.set_ylim(bottom=0)
        axes.set_xticks(list(figures), [str(n) for n in figures])
        axes.minorticks_off()
        axes.set_ylabel("error on held-out images, px")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False)
    figure.savefig(options.out, dpi=120)


if __name__ == "__main__":
    main()
