"""A network of looks on disk: `looks.yaml`, `weights.safetensors`, and the curves of its training."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from ethopose.core import ModelError
from ethopose.draw.figures import open_frame, write_figure
from ethopose.reid.spec import Spec
from ethopose.store import make_folder, replacing

if TYPE_CHECKING:
    from ethopose.reid.learning import Learned
    from ethopose.reid.networks import LooksNet

SPEC, WEIGHTS, CURVES, METRICS = "looks.yaml", "weights.safetensors", "curves.png", "metrics.csv"
FILES = (SPEC, WEIGHTS, CURVES, METRICS)


def write_network(folder: Path, spec: Spec, learned: Learned) -> None:
    """The network into a folder; `looks.yaml` comes last. Raises `ResultError`."""
    from safetensors.torch import save

    make_folder(folder)
    weights = {name: each.contiguous().cpu() for name, each in learned.network.state_dict().items()}
    with replacing(folder / WEIGHTS) as file:
        file.write(save(weights))
    text = io.StringIO()
    table = csv.DictWriter(text, ["step", "seconds", "loss", "triplets", "auc"], lineterminator="\n")
    table.writeheader()
    table.writerows(learned.rows)
    with replacing(folder / METRICS) as file:
        file.write(text.getvalue().encode())
    if learned.rows:
        draw_curves(learned.rows, folder / CURVES)
    with replacing(folder / SPEC) as file:
        file.write(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False).encode())


def read_spec(folder: Path) -> Spec:
    """What a network needs. Raises `ModelError`."""
    try:
        return Spec.model_validate(yaml.safe_load((folder / SPEC).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        fix = "name a folder that ethopose reid train wrote"
        raise ModelError(f"not a network of looks: there is no {SPEC}", where=folder, fix=fix) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ModelError(f"not a network of looks: {told}", where=folder / SPEC) from None


def read_network(folder: Path, spec: Spec) -> LooksNet:
    """The network, ready to be applied. Raises `ModelError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from ethopose.reid.learning import settle
    from ethopose.reid.networks import LooksNet

    network = LooksNet(spec)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError) as error:
        what = f"weights that do not fit or cannot be read ({str(error).splitlines()[0]})"
        raise ModelError(what, where=folder / WEIGHTS) from None
    return network.to(settle()).eval()


def draw_curves(rows: tuple[dict[str, float], ...], path: Path) -> None:
    """Loss, and what is told apart of pieces that were held out, over the training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    steps = [row["step"] for row in rows]
    top.plot(steps, [row["loss"] for row in rows], color="#0072b2")
    top.set(ylabel="loss", yscale="log")
    for name, colour, label in (
        ("triplets", "#009e73", "triplets right"),
        ("auc", "#d55e00", "area under the curve"),
    ):
        bottom.plot(steps, [row[name] for row in rows], color=colour, label=label)
    bottom.axhline(0.65, color="#999999", linestyle=":", label="of no use below")
    bottom.set(xlabel="step", ylabel="on pieces held out", ylim=(0.4, 1.01))
    bottom.legend(frameon=False)
    for axis in (top, bottom):
        open_frame(axis)
        axis.grid(alpha=0.3)
    write_figure(figure, path)
