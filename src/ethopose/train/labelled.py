"""Labels to look at and to learn from by oneself: tables, and a dataset for torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.utils.data
from torch import Tensor

from ethopose.core import DataError, Labels
from ethopose.formats import to_pandas
from ethopose.media import read_pictures
from ethopose.train.config import make_config
from ethopose.train.examples import placed
from ethopose.train.sources import read_sources, ready_labels

if TYPE_CHECKING:
    import pandas as pd


class ImageDataset(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Labelled images one by one, as they are on the disk.

    An item holds `image` (3, height, width) uint8, `xy` (animal, keypoint, 2) float32 px of the image, NaN
    where nothing is placed, and `individual` (animal,) int64, -1 for none. Images may differ in size.
    """

    def __init__(self, labels: Labels, images: np.ndarray) -> None:
        self.labels, self.images = labels, images
        self._placed = placed(labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number = int(self.images[index])
        image = self.labels.images[number]
        picture = next(iter(read_pictures([image])))
        if picture is None:
            raise DataError("the image cannot be read", where=image.path)
        return {
            "image": torch.from_numpy(picture).permute(2, 0, 1),
            "xy": torch.from_numpy(self._placed.xy[number]),
            "individual": torch.from_numpy(self._placed.individual[number]),
        }


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labels with their split."""

    labels: Labels

    @property
    def df(self) -> pd.DataFrame:
        """All labels, a row for each animal in an image."""
        return to_pandas(self.labels)

    @property
    def df_train(self) -> pd.DataFrame:
        """Those to learn from."""
        return to_pandas(self.labels, "train")

    @property
    def df_val(self) -> pd.DataFrame:
        """Those that a training is checked on."""
        return to_pandas(self.labels, "val")

    @property
    def df_test(self) -> pd.DataFrame:
        """Those kept for the end: the source's own test split, else the ones for checking."""
        return to_pandas(self.labels, self._named("test"))

    def images(self, split: str = "train") -> ImageDataset:
        """A dataset for torch of a split: train, val, test or all."""
        if split == "all":
            return ImageDataset(self.labels, np.arange(len(self.labels.images)))
        if self._named(split) not in self.labels.splits:
            raise DataError(
                f"there is no split {split!r}", fix=f"choose {', '.join(self.labels.splits)} or all"
            )
        return ImageDataset(self.labels, self.labels.splits[self._named(split)])

    def _named(self, split: str) -> str:
        return "val" if split == "test" and "test" not in self.labels.splits else split


def labels(paths: str | Path | Sequence[str | Path], *, seed: int = 42, **data: Any) -> Dataset:
    """Labels of any tool, checked and split as `ethopose.train` does; `data` are its settings of that name:
    split, split_by, validation, exclude, shuffle.

    Raises:
        DataError, FormatError: they cannot be read, or their skeletons differ.
        SpecError: there is no such setting.
    """
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    settings = make_config({"data": data}).data
    read = read_sources([Path(path) for path in sources], settings)
    return Dataset(ready_labels(read, settings, seed)[0])
