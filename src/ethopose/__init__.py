"""Animal pose: labels in, models out; videos in, poses out.

    >>> result = ethopose.predict("clip.mp4", "mice")
    >>> result.xy  # (animal in a frame, keypoint, 2) in pixels

Importing this loads neither torch nor openvino: each name is fetched when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ethopose.about import info
    from ethopose.core import (
        DataError,
        EthoposeError,
        FormatError,
        InferenceError,
        Labels,
        ModelError,
        Poses,
        ResultError,
        Skeleton,
        SpecError,
        UsageError,
        VideoError,
    )
    from ethopose.draw import render, review
    from ethopose.evaluate import Evaluation, evaluate
    from ethopose.families import Model, load
    from ethopose.families.conversion import convert
    from ethopose.predict import Options, Report, predict
    from ethopose.reid import track
    from ethopose.run import RunReport, run
    from ethopose.store import Result, read
    from ethopose.track import tracks
    from ethopose.train import Dataset, Trained, labels, train

_HOMES = {
    "core": (
        "DataError EthoposeError FormatError InferenceError Labels ModelError Poses ResultError Skeleton "
        "SpecError UsageError VideoError"
    ),
    "store": "Result read",
    "families.conversion": "convert",
    "draw": "render review",
    "reid": "track",
    "track": "tracks",
    "families": "Model load",
    "predict": "Options Report predict",
    "train": "Dataset Trained labels train",
    "evaluate": "Evaluation evaluate",
    "run": "RunReport run",
    "about": "info",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [  # noqa: RUF022  by use: what one calls, what one gets, what can go wrong
    "convert",
    "evaluate",
    "info",
    "labels",
    "load",
    "predict",
    "read",
    "render",
    "review",
    "run",
    "track",
    "tracks",
    "train",
    "Dataset",
    "Evaluation",
    "Labels",
    "Model",
    "Options",
    "Poses",
    "Report",
    "Result",
    "RunReport",
    "Skeleton",
    "Trained",
    "EthoposeError",
    "DataError",
    "FormatError",
    "InferenceError",
    "ModelError",
    "ResultError",
    "SpecError",
    "UsageError",
    "VideoError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ethopose' has no attribute {name!r}")
    value = getattr(import_module(f"ethopose.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """`ethopose.predict` is the function, also after the folder of that name was imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
