"""A training's loss and errors as curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ethopose.draw.figures import open_frame, write_figure


def draw_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss, error and rate over the training, a column a stage."""
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(row["stage"] for row in rows))
    figure = Figure(figsize=(5.5 * max(len(stages), 1), 7), layout="constrained")
    axes = figure.subplots(2, max(len(stages), 1), squeeze=False, sharex="col")
    for column, stage in enumerate(stages):
        mine = [row for row in rows if row["stage"] == stage]
        minutes = [row["seconds"] / 60 for row in mine]
        top, bottom = axes[:, column]
        top.plot(minutes, [row["loss"] for row in mine], color="#0072b2")
        top.set(title=stage, ylabel="loss", yscale="log")
        for name, colour in (("median", "#009e73"), ("mean", "#d55e00"), ("best", "#999999")):
            bottom.plot(minutes, [row[name] for row in mine], color=colour, label=name)
        bottom.set(xlabel="minutes", ylabel="error on validation images, px", yscale="log")
        bottom.legend(frameon=False)
        for axis in (top, bottom):
            open_frame(axis)
            axis.grid(alpha=0.3)
    write_figure(figure, path)
