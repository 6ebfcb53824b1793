"""Plots: what they have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ethopose.store import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def open_frame(axes: Axes) -> None:
    """No lines at the top and on the right."""
    axes.spines[["top", "right"]].set_visible(False)


def write_figure(figure: Figure, path: Path, dpi: int = 120) -> None:
    """As a PNG that is whole or not there. Raises `ResultError` where it cannot be written."""
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=dpi)
