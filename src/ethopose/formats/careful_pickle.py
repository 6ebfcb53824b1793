"""Pickles of numbers, texts and their containers; nothing else is found in them, so nothing is executed."""

import io
import pickle
from typing import Any

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


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")
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
