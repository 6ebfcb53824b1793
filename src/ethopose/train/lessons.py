"""What each stage is taught: its examples, made from the plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from lightning_fabric import Fabric

from ethopose.models.preparation import scaled
from ethopose.train.batches import Batches
from ethopose.train.conditioned import ConditionedBatches
from ethopose.train.config import DEEPEST, Augmentation
from ethopose.train.examples import Examples, centroids, load_pictures, scaled_size
from ethopose.train.journal import Watch
from ethopose.train.loop import Lesson
from ethopose.train.plan import Plan
from ethopose.train.start import starting_network
from ethopose.train.state import State
from ethopose.train.validation import Validation


def make_lesson(
    fabric: Fabric,
    plan: Plan,
    index: int,
    folder: Path,
    state: State,
    keep: Callable[[State], None],
    watch: Watch,
) -> Lesson:
    """The lesson of a stage; its pictures lie in `folder` until the training is done.

    What the network begins with is noted in `state`, and not asked for again.
    """
    name = list(plan.config.stages)[index]
    chosen, stage = plan.config.stages[name], plan.spec.stages[index]
    window = chosen.window or (0, 0)
    examples = _examples(fabric, plan, index, folder / f"{name}.npy", watch)
    train = np.flatnonzero(np.isin(examples.picture, plan.train))
    val = np.flatnonzero(np.isin(examples.picture, plan.val))
    how = plan.config.augmentation or Augmentation()
    skeleton, seed = plan.spec.skeleton, plan.config.loop.seed
    shown = whole_window(examples.size) if stage.preparation.crop is None else window
    make = Batches if examples.conditions is None else ConditionedBatches
    batches, checks = (
        make(examples[rows], seen, how, skeleton, batch=chosen.batch or 8, seed=seed, device=fabric.device)
        for rows, seen in ((train, window), (val, shown))
    )
    graph = starting_network(fabric, plan, index, state, watch)
    validation = Validation(checks, stage, skeleton, plan.facts.length)
    return Lesson(
        name=name,
        graph=graph,
        batches=batches,
        validation=validation,
        config=plan.config,
        steps=chosen.steps or 1,
        state_path=folder / "state.pt",
        keep=keep,
    )


def whole_window(size: Int64[np.ndarray, "picture 2"]) -> tuple[int, int]:
    """Height and width that hold every picture, as large as a network needs them."""
    height, width = (math.ceil(int(side) / DEEPEST) * DEEPEST for side in size.max(0))
    return height, width


def _examples(fabric: Fabric, plan: Plan, index: int, path: Path, watch: Watch) -> Examples:
    """Examples of a stage; the first process decodes the pictures, all map the same file."""
    preparation = plan.spec.stages[index].preparation
    if fabric.is_global_zero:
        load_pictures(plan.labels, plan.sizes, preparation, path, watch.bar)
    fabric.barrier()
    picture, xy, individual, centre = _placed(plan, index)
    return Examples(
        pictures=np.load(path, mmap_mode="r+"),
        size=scaled_size(plan.sizes, preparation),
        picture=picture,
        xy=scaled(xy, preparation),
        individual=individual,
        centre=scaled(centre, preparation),
        scale=preparation.scale,
        centroid=list(plan.config.stages)[index] == "centroid",
        conditions=preparation.conditions,
    )


def _placed(
    plan: Plan, index: int
) -> tuple[Int64[np.ndarray, "example"], np.ndarray, np.ndarray, np.ndarray]:
    """picture, xy, individual and centre of every example, in pixels of the frames."""
    name = list(plan.config.stages)[index]
    xy, individual = plan.placed.xy, plan.placed.individual
    middle = centroids(xy)
    if plan.spec.stages[index].preparation.crop is not None:
        picture, animal = np.nonzero(np.isfinite(middle).all(-1))
        beside = xy.shape[1] if name == "conditional" else 1  # that conditions are taken for
        mine = picture[:, None], (animal[:, None] + np.arange(beside)) % xy.shape[1]
        return picture, xy[mine], individual[mine], middle[picture, animal]
    picture = np.arange(len(xy))
    nowhere = np.full((len(picture), 2), np.nan, np.float32)
    if name == "single" and plan.spec.stages[index].grouping.name != "together":
        rows = picture, np.isfinite(middle).all(-1).argmax(1)
        return picture, xy[rows][:, None], individual[rows][:, None], nowhere
    return picture, xy, individual, nowhere
