"""What a model's folder and the project around it say that decides no number: its own files repeat it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from ethopose.core import ModelError
from ethopose.families.deeplabcut3.networks import Config, given
from ethopose.families.deeplabcut3.places import DEPTH, PROJECT, SHUFFLE, Place
from ethopose.families.files import read_yaml
from ethopose.families.model import Window, window_of

EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?e[+-]?\d+")
ITERATION = re.compile(r"iteration-(\d+)")
ONE = ["individual_1"]  # the animal of projects that name none


def facts(place: Place, config: Config) -> dict[str, Any]:
    """Under the names that `ethopose.formats.dlc_cells` knows; what nothing tells is None.

    Whether a project is of several animals is its own word; of a folder without its project, whether it names
    any, for the files of the one have no names of individuals.
    """
    project, shuffle = _project(place.folder), SHUFFLE.fullmatch(place.folder.parent.name)
    iteration = ITERATION.fullmatch(place.folder.parent.parent.name)
    individuals = [str(name) for name in given(config["metadata"], "individuals", ONE)]
    named = len(individuals) > 1 or individuals != ONE
    return {
        "config": numbers(to_jsonable_python(config)),
        "individuals": individuals,
        "multi_animal": bool(given(project, "multianimalproject", False)) if project else named,
        "iteration": int(iteration[1]) if iteration else project.get("iteration"),
        "training_fraction": _fraction(project, int(shuffle["percent"])) if shuffle else None,
        **_pruned(place.folder.parent / "test" / "pose_cfg.yaml"),
    }


def _project(train: Path) -> Config:
    """The configuration of the project that a `train` folder lies in, if it does."""
    for folder in train.absolute().parents[: 3 + DEPTH]:
        if (folder / PROJECT).is_file():
            try:
                told = read_yaml(folder / PROJECT)
            except ModelError:
                return {}  # the model runs without it
            if {"Task", "bodyparts"} <= told.keys():  # other tools have a file of this name, too
                return told
    return {}


def cropping(train: Path) -> Window | None:
    """The part of frames that a project is analysed in; None for all of them.

    Raises:
        ModelError: it wants a part, and says none.
    """
    project = _project(train)
    if not given(project, "cropping", False):
        return None
    part = window_of(map(project.get, ("x1", "x2", "y1", "y2")))
    if part is None:
        raise ModelError(
            f"cropping is on in the project's {PROJECT}, and x1, x2, y1, y2 are no part of a frame",
            where=train,
            fix=f"mend them, or set cropping: false in the {PROJECT}",
        )
    return part


def _fraction(project: Config, percent: int) -> float:
    fractions = [float(each) for each in project.get("TrainingFraction") or ()]
    return next((each for each in fractions if int(100 * each) == percent), percent / 100)


def _pruned(path: Path) -> Mapping[str, Any]:
    """The edges that an evaluation chose, where one did."""
    try:
        best = read_yaml(path).get("paf_best")
    except ModelError:
        return {}
    return {} if best is None else {"paf_best": to_jsonable_python(best)}


def numbers(value: Any) -> Any:
    """The value with texts such as `1e-05`, which YAML 1.1 does not take for numbers, made numbers."""
    if isinstance(value, dict):
        return {key: numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [numbers(each) for each in value]
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value
