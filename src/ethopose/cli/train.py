"""ethopose train: labels in, a model out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen

if TYPE_CHECKING:
    from ethopose.train.journal import Row


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("train")(train_command)


def train_command(
    context: typer.Context,
    out: Annotated[Path, Option("-o", "--out", help="The model's folder.", show_default=False)],
    labels: Annotated[
        list[Path] | None,
        Argument(
            help="DeepLabCut projects, .slp, Lightning Pose or COCO folders; several of one skeleton.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None, Option(help="single, top-down, bottom-up or conditional; chosen if left out.")
    ] = None,
    identity: Annotated[
        bool | None, Option("--identity/--no-identity", help="Tell individuals apart by their looks.")
    ] = None,
    preset: Annotated[str | None, Option(help="fast, balanced or accurate.")] = None,
    minutes: Annotated[float | None, Option(help="Be done in this time.")] = None,
    backbone: Annotated[
        str | None, Option(help="nano, unet, or any encoder of timm, such as resnet50.")
    ] = None,
    weights: Annotated[Path | None, Option(help="Start from this model.")] = None,
    config: Annotated[Path | None, Option(help="All settings in a YAML file.")] = None,
    show_config: Annotated[
        bool, Option("--show-config", help="Print all settings, as chosen, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Take the first steps, tell memory and speed, and stop.")
    ] = False,
    resume: Annotated[bool, Option("--resume", help="Go on with a training that was stopped.")] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
    split: Annotated[Path | None, Option(help="A JSON file: image names under train, val, test.")] = None,
    split_by: Annotated[str | None, Option(help="Keep blocks, videos or single images to check on.")] = None,
    validation: Annotated[float | None, Option(help="Share of the images to check on.")] = None,
    exclude: Annotated[
        list[str] | None, Option(help="An image or folder to leave out; repeat for several.")
    ] = None,
    shuffle: Annotated[
        int | None, Option(min=0, help="A DeepLabCut project's stored split; 0: none.")
    ] = None,
    batch_size: Annotated[int | None, Option("-b", "--batch-size", help="Images in a step.")] = None,
    steps: Annotated[int | None, Option(help="Length of the training.")] = None,
    scale: Annotated[float | None, Option(help="Of the frames, as the network sees them.")] = None,
    device: Annotated[str | None, Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    devices: Annotated[int | None, Option(help="How many GPUs, or processes on a CPU.")] = None,
    nodes: Annotated[int | None, Option(help="How many machines, under torchrun or SLURM.")] = None,
    threads: Annotated[int | None, Option(help="CPU threads; one a core if left out.")] = None,
    precision: Annotated[str | None, Option(help="auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, Option(help="Of all chance.")] = None,
    tracker: Annotated[list[str] | None, Option(help="tensorboard or wandb; repeat for both.")] = None,
    plugin: Annotated[
        list[Path] | None, Option(help="A file with parts of your own; repeat for several.")
    ] = None,
) -> int:
    """A model from labelled images. What you leave out is chosen from the labels.

    Example: ethopose train my-project -o mice --minutes 10
    """
    from ethopose.train import prepare, train, try_out
    from ethopose.train.devices import is_first
    from ethopose.train.training import wished

    screen: Screen = context.obj
    settings = {
        "kind": kind,
        "identity": identity,
        "preset": preset,
        "minutes": minutes,
        "backbone": backbone,
        "weights": weights,
        "split": split,
        "split_by": split_by,
        "validation": validation,
        "exclude": exclude,
        "shuffle": shuffle,
        "batch_size": batch_size,
        "steps": steps,
        "scale": scale,
        "device": device,
        "devices": devices,
        "nodes": nodes,
        "threads": threads,
        "precision": precision,
        "seed": seed,
        "trackers": tracker,
        "plugins": plugin,
    }
    if show_config or dry_run:
        with screen.progress(unit="") as bars:
            asked = wished(tuple(labels or ()), out, config, settings, resume=resume)
            plan = prepare(asked, out, progress=bars)
        _tell_choices(screen, plan)
        if show_config:
            settings_chosen = plan.config.model_dump(mode="json")
            typer.echo(json.dumps(settings_chosen, indent=2) if screen.as_json else plan.as_yaml())
        if dry_run:
            _tell_trial(screen, try_out(plan))
        return 0
    with _Table(screen) as table:
        trained = train(
            labels or (), out, config=config, resume=resume, overwrite=overwrite, watch=table, **settings
        )
    if is_first():
        _tell(screen, trained)
    return 0


def _tell_choices(screen: Screen, plan: Any) -> None:
    if screen.as_json or screen.quiet:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for style, name in (("bold", "name"), ("", "value")):
        table.add_column(style=style, min_width=min(max(len(getattr(c, name)) for c in plan.choices), 30))
    table.add_column(style="dim", overflow="fold")
    for choice in plan.choices:
        table.add_row(choice.name, choice.value, choice.why)
    Console(stderr=True, markup=False, highlight=False).print(table)


def _tell_trial(screen: Screen, trials: Any) -> None:
    rows = [
        (
            trial.stage,
            f"{trial.images_per_s:.1f} images/s, {trial.memory / 2**30:.2f} GiB, "
            f"loss {trial.loss:.3f}, {trial.minutes:.1f} min in all",
        )
        for trial in trials
    ]
    screen.report([trial.as_data() for trial in trials], rows)


def _tell(screen: Screen, trained: Any) -> None:
    rows = [("model", str(trained.path))]
    for stage in dict.fromkeys(row.stage for row in trained.rows):
        kept = [row for row in trained.rows if row.stage == stage and row.kept][-1]
        told = f"{kept.median:.2f} px median, {kept.mean:.2f} px mean error on validation images"
        rows.append((stage, f"{told} (step {kept.step})"))
    rows.append(("look at", str(trained.path / "training")))
    screen.report(trained.as_data(), rows)


class _Table:
    """Rows of the journal as they come, over a bar."""

    HEAD = (
        "stage",
        "epoch",
        "loss",
        "median px",
        "mean px",
        "missing",
        "extra",
        "images/s",
        "left",
        "best",
    )

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._bars: Any = None
        self._context: Any = None

    def __enter__(self) -> _Table:
        self._context = self._screen.progress(unit="")
        self._bars = self._context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def plan(self, plan: Any) -> None:
        """What was chosen."""
        _tell_choices(self._screen, plan)
        self._line(self.HEAD)

    def bar(self, what: str, done: int, total: int) -> None:
        """A bar for it."""
        self._bars(what, done, total)

    def row(self, row: Row) -> None:
        """A line of the table."""
        left = round(row.seconds * (1 / max(row.progress, 1e-3) - 1))
        self._line(
            (
                row.stage,
                f"{row.epoch:.1f}",
                f"{row.loss:.3f}",
                f"{row.median:.2f}",
                f"{row.mean:.2f}",
                f"{row.missing:.0%}",
                f"{row.extra:.1f}",
                f"{row.images_per_s:.0f}",
                f"{left // 60}:{left % 60:02d}",
                f"{row.best:.2f}{'*' if row.kept else ' '}",
            )
        )

    def say(self, text: str) -> None:
        """A line of its own."""
        self._line((text,))

    def _line(self, words: tuple[str, ...]) -> None:
        if self._screen.as_json or self._screen.quiet:
            return
        line = "".join(word.ljust(11) if place == 0 else word.rjust(10) for place, word in enumerate(words))
        self._bars.line(line.rstrip())
