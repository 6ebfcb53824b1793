"""The page of plots: errors over all, by keypoint, by recording, and what confidence is worth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ethopose.draw.figures import open_frame, write_figure
from ethopose.evaluate.sample import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ethopose.evaluate.evaluation import Evaluation

# Okabe and Ito, "Color Universal Design" (2008), darkest first: the page is white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GRID = "#dddddd"
KEYPOINT_HEIGHT, LINE_HEIGHT = 0.26, 0.16  # inches
LEAST = 0.1  # px; the axis of errors begins there, and so do smaller ones


def draw_report(evaluation: Evaluation, path: Path) -> None:
    """Write the page as a PNG. Raises `ResultError` where it cannot be written."""
    from matplotlib.figure import Figure

    table = _table(evaluation)
    heights = [
        0.5 + LINE_HEIGHT * len(table.splitlines()),
        4.2,
        1.2 + KEYPOINT_HEIGHT * len(evaluation.sample.truth.skeleton.keypoints),
    ]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained", facecolor="white")
    head, upper, lower = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    text = head.subplots()
    text.set_axis_off()
    text.set_title(Path(evaluation.target).name, loc="left", weight="bold")
    text.text(0, 1, table, family="monospace", size=8.5, va="top", transform=text.transAxes)
    cumulative, reliable = upper.subplots(1, 2)
    _draw_cumulative(cumulative, evaluation)
    _draw_reliability(reliable, evaluation)
    _draw_keypoints(lower.subplots(), evaluation)
    write_figure(figure, path, dpi=110)


def _table(evaluation: Evaluation) -> str:
    """The lines that the command prints, of whole splits only."""
    splits = {row.split for row in evaluation.summary}
    lines = [f"{name:<12}{text}" for name, text in evaluation.lines() if not name or name in splits]
    tools = [
        f"{name:<12}{text}" for name, text in evaluation.lines() if name in ("coco", "deeplabcut", "sleap")
    ]
    return "\n".join([*lines, *tools])


def _draw_cumulative(axes: Axes, evaluation: Evaluation) -> None:
    """A line a split: the share of labelled points within so many px; what was missed keeps it below 1."""
    points = evaluation.sample.points
    for colour, (split, members) in zip(COLOURS, evaluation.sample.by_split(), strict=False):
        of_split = points[np.isin(points.image, members) & points.labelled]
        error = np.sort(of_split.error[~np.isnan(of_split.error)])
        share = np.arange(1, len(error) + 1) / max(len(of_split), 1)
        axes.step(
            np.maximum(error, LEAST), share, where="post", color=colour, label=f"{split}, n = {len(of_split)}"
        )
    for limit in (2, 5, 10):
        axes.axvline(limit, color=GRID, zorder=0)
    _draw_px_axis(axes, evaluation)
    axes.set(ylabel="share of labelled points", ylim=(0, 1.02), title="Points within so many px")
    axes.legend(loc="lower right", frameon=False)


def _draw_reliability(axes: Axes, evaluation: Evaluation) -> None:
    told = evaluation.reliability
    axes.plot((0, 1), (0, 1), color=GRID, zorder=0)
    axes.plot(told.confidence, told.right, "o-", color=COLOURS[0], markersize=4)
    axes.set(
        xlabel="mean confidence of a tenth of the points",
        ylabel=f"share within {told.within:g} px",
        xlim=(0, max(1.02, told.confidence.max(initial=0) * 1.02)),
        ylim=(-0.02, 1.02),
        title=f"Reliability: ECE {told.ece:.3f}, Brier {told.brier:.3f}, AUROC {told.auroc:.3f}",
    )


def _draw_keypoints(axes: Axes, evaluation: Evaluation) -> None:
    """A box a keypoint: quartiles, whiskers over 5 to 95 %, the rest as dots."""
    points = evaluation.sample.points
    names = evaluation.sample.truth.skeleton.keypoints
    by_keypoint = [points[(points.keypoint == place) & points.labelled] for place in range(len(names))]
    errors = [np.maximum(some.error[~np.isnan(some.error)], LEAST) for some in by_keypoint]
    axes.boxplot(
        errors,
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": "#cfe3f1", "edgecolor": COLOURS[0]},
        medianprops={"color": COLOURS[1], "linewidth": 2},
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": "#888888"},
    )
    labels = []
    for name, some in zip(names, by_keypoint, strict=True):
        missed = int((~some.seen).sum())
        labels.append(f"{name} (n = {len(some)}{f', {missed} missed' if missed else ''})")
    axes.set_yticks(range(1, len(names) + 1), labels)
    axes.invert_yaxis()
    _draw_px_axis(axes, evaluation)
    axes.set_title("Error by keypoint" + (", all splits" if evaluation.row().split == ALL else ""))
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)


def _draw_px_axis(axes: Axes, evaluation: Evaluation) -> None:
    """Logarithmic, up to a whole power of ten."""
    largest = np.nanmax(evaluation.sample.points.error, initial=99)
    ticks = [0.1, 1, 2, 5, *(10.0**power for power in range(1, math.ceil(math.log10(largest)) + 1))]
    axes.set(xscale="log", xlim=(LEAST, ticks[-1]), xlabel="error, px")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    open_frame(axes)
