"""From a model or a result, and labels, to an evaluation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError, Labels, Skeleton, UsageError
from ethopose.evaluate.doubts import doubts
from ethopose.evaluate.evaluation import Evaluation
from ethopose.evaluate.folder import evaluation_path, room, write
from ethopose.evaluate.found import Found
from ethopose.evaluate.naming import short_name
from ethopose.evaluate.predicted import found_by_model
from ethopose.evaluate.sample import make_sample
from ethopose.evaluate.skeletons import names_in_common
from ethopose.evaluate.splits import chosen, splits_of
from ethopose.evaluate.stored import found_in_result
from ethopose.evaluate.summary import summarise
from ethopose.families import Model, load
from ethopose.formats import read_labels
from ethopose.formats.dlc_shuffles import shuffle_of
from ethopose.metrics import reliability
from ethopose.predict import Options
from ethopose.predict.options import options_from
from ethopose.predict.ways import WAYS
from ethopose.store import Result, is_result, read

log = logging.getLogger(__name__)

Target = Model | Result | str | Path | Sequence[str | Path]
Progress = Callable[[int, int], None]  # (images done, images in all)
# options of a prediction that mean nothing here
USELESS = ("frames", "format", "strict", "cropping", "conditions", "detections", "detector_batch_size", *WAYS)


def evaluate(
    target: Target,
    labels: Labels | str | Path,
    *,
    split: str | None = None,
    out: str | Path | None = None,
    pcutoff: float = 0.6,
    overwrite: bool = False,
    progress: Progress | None = None,
    **predicting: Any,
) -> Evaluation:
    """Errors of a model or a result against labels: numbers, tables, plots and the worst images drawn.

    Args:
        target: a model folder, the two folders of a top-down pair, what `load` gave: every labelled image
            is predicted. Or a result: its rows of the labelled frames are taken.
        labels: what people placed, or where it lies, in any format that ethopose reads.
        split: `train`, `val`, `test`: only its images; else all, told apart.
        out: the folder to write; beside the result or in the model's folder if left out.
        pcutoff: numbers named so leave out points of less confidence, 0 to 1.
        predicting: how a model predicts, the fields of `ethopose.Options`: device, peak_threshold ...

    Raises:
        UsageError: nothing is labelled in that split; an option that means nothing here.
        DataError: labels and poses share no keypoint, or no image is of the result's video.
        ResultError: the folder holds something already, or cannot be written.
        EthoposeError: target or labels cannot be read.
    """
    if not 0 <= pcutoff <= 1:
        raise UsageError(f"pcutoff is {pcutoff}", fix="give a number from 0 to 1")
    source = _opened(target, trust_code=bool(predicting.get("trust_code")))
    options = _options(source, predicting)
    placed = labels if isinstance(labels, Labels) else _placed(source, Path(labels))
    splits = splits_of(placed, _folders(source))
    wanted = chosen(placed, splits, split)
    names_in_common(placed.poses.skeleton, _known(source))  # told before anything is computed
    path = evaluation_path(source, split, None if out is None else Path(out))
    with room(path, overwrite=overwrite):
        found = _found(source, placed, wanted, options, progress or _silent)
        kept = {name: members for name, members in splits.items() if split in (None, name)}
        sample = make_sample(placed, found, kept)
        evaluation = Evaluation(
            path,
            ", ".join(map(str, _folders(source) if isinstance(source, Model) else [source.path])),
            pcutoff,
            sample,
            summarise(sample, pcutoff),
            reliability(sample.points.confidence, sample.points.error),
            (*sample.notes, *doubts(sample, split)),
            tuple(short_name(placed.images[index]) for index in found.unread),
        )
        for warning in evaluation.warnings:
            log.warning("%s", warning)
        write(evaluation)
    return evaluation


def _opened(target: Target, *, trust_code: bool) -> Model | Result:
    if isinstance(target, Model | Result):
        return target
    if isinstance(target, str | Path) and is_result(Path(target)):
        return read(target)
    return load(target, trust_code=trust_code)


def _placed(source: Model | Result, labels: Path) -> Labels:
    """Labels; of a project that the model lies in, with the split that it was trained on."""
    project = labels.resolve() if labels.is_dir() else labels.resolve().parent
    named = (shuffle_of(folder.resolve(), project) for folder in _folders(source))
    shuffle, known = next(filter(None, named), None), _known(source)
    unique = not set(known.unique).isdisjoint(known.keypoints)
    return read_labels(labels, shuffle=shuffle, missing_images="keep", unique=unique)


def _known(source: Model | Result) -> Skeleton:
    return source.spec.skeleton if isinstance(source, Model) else source.skeleton


def _options(source: Model | Result, given: dict[str, Any]) -> Options:
    told = {name: value for name, value in given.items() if value is not None}
    for name in told:
        if name in USELESS or isinstance(source, Result):
            kind = "a result was predicted already" if isinstance(source, Result) else "evaluate has no use"
            raise UsageError(f"{name} is given, but {kind}", fix="leave it out")
    return options_from(told)


def _folders(source: Model | Result) -> list[Path]:
    paths = source.paths if isinstance(source, Model) else source.manifest.model.paths
    return [Path(path) for path in paths]


def _found(
    source: Model | Result,
    labels: Labels,
    wanted: Int64[np.ndarray, "image"],
    options: Options,
    progress: Progress,
) -> Found:
    """Raises `DataError` where no image can be looked at."""
    if isinstance(source, Result):
        found = found_in_result(source, labels.images, wanted)
    else:
        found = found_by_model(source, labels.images, wanted, options, progress)
    if not len(found.seen):
        names = ", ".join(short_name(labels.images[index]) for index in found.unread[:3])
        raise DataError("none of the labelled images can be read", where=names, fix="check their paths")
    return found


def _silent(done: int, total: int) -> None: ...
