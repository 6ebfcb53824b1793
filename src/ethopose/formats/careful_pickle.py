"""Pickles of numbers, texts and their containers; nothing else is found in them, so nothing is executed.

Objects of packages that files of poses speak of are read as `Standin`s: what they were made with, no more.
"""

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from ethopose.core import DataError

# what NumPy 1 and 2 pickle arrays and scalars with
_HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),  # how protocol 2 writes bytes
}
_STOOD_IN = ("pandas", "deeplabcut", "pathlib")  # indices of tables, words of configurations, paths


class Number(float):
    """A number that remembers how it was written, without that."""

    def __setstate__(self, state: Any) -> None:
        """How many digits it had."""


_NUMBERS = {("ruamel.yaml.scalarfloat", "ScalarFloat"): Number}  # of configurations that DeepLabCut 2 read


@dataclass(frozen=True, slots=True)
class Standin:
    """An object as its pickle describes it; called, it is what the call would have made."""

    name: str
    args: tuple[Any, ...] = ()

    def __call__(self, *args: Any) -> "Standin":
        """What a pickle makes of it."""
        return Standin(self.name, args)

    def __setstate__(self, state: Any) -> None:
        raise DataError(f"it changes a {self.name} in a way that is not known")


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")
        if module.split(".")[0] in _STOOD_IN:
            return Standin(f"{module}.{name}")
        if (module, name) in _NUMBERS:
            return _NUMBERS[module, name]
        if (module, name) not in _HARMLESS:
            raise DataError(f"it asks for {module}.{name}, which has no place in a file of numbers")
        return super().find_class(module, name)


def unpickle(content: bytes) -> Any:
    """What a pickle of lists, tuples, mappings, texts, numbers and NumPy arrays holds.

    Raises:
        DataError: it asks for anything else, or is damaged.
    """
    try:
        return _Careful(io.BytesIO(content), encoding="utf-8").load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"a damaged pickle ({error})") from error


def mapping(content: bytes, key: str | None = None) -> dict[Any, Any]:
    """A pickled mapping that has this key, or any. Raises DataError."""
    data = unpickle(content)
    if not isinstance(data, dict):
        raise DataError("it is no mapping")
    if key is not None and key not in data:
        raise DataError(f"it is no mapping with the key {key!r}")
    return data


def numbers(arrays: Sequence[Any], ndim: int, content: bytes) -> list[Float32[np.ndarray, "..."]]:
    """Arrays with so many axes that a pickle held, as float32. Raises DataError where it held others."""
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim != ndim:
            raise DataError("it holds something else where arrays of numbers are expected")
    check_size(sum(array.size for array in arrays) * 4, content)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, no error
        return [array.astype(np.float32) for array in arrays]


def check_size(claimed: int, content: bytes, *, packed: int = 100) -> None:
    """A small file that names one array again and again must not grow without end. Raises DataError.

    `packed`: bytes of memory that a byte of the file may become.
    """
    if claimed > packed * max(len(content), 1000):
        raise DataError(f"it claims {claimed} bytes, and has {len(content)}")
