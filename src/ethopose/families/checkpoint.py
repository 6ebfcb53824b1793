"""torch checkpoints read without trust: tensors come out, foreign objects become inert, nothing is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from ethopose.core import ModelError

# What tensors, their containers and numbers are pickled with. All else becomes an inert object.
_HARMLESS = {
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    *(
        ("torch", name)
        for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
    ),
}


class _Inert:
    """Stands for an object whose class is not trusted: takes whatever pickle does to it, does nothing."""

    def __init__(self, *args: object, **options: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...

    def append(self, item: object) -> None: ...

    def extend(self, items: object) -> None: ...


def _path(*parts: object) -> str:
    """A path as the text that it is."""
    return "/".join(map(str, parts))


class _Careful:
    """What `torch.load` takes for a pickle module."""

    class Unpickler(pickle.Unpickler):
        """Finds harmless classes only."""

        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in _HARMLESS:
                return super().find_class(module, name)
            if module.startswith("deeplabcut.") and module.endswith(".enums"):
                return str  # words of a configuration
            return _path if module.startswith("pathlib") else _Inert

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        """One object of a file in the format before torch 1.6."""
        return _Careful.Unpickler(file, **options).load()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The mapping in a checkpoint, on the CPU.

    Raises:
        ModelError: the file is missing, truncated, or no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", pickle_module=_Careful, weights_only=False)
    except FileNotFoundError:
        raise ModelError("the weights are missing", where=path) from None
    except (
        OSError,
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        OverflowError,
        MemoryError,
        IndexError,
        AssertionError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise ModelError(f"no checkpoint that can be read ({reason})", where=path) from error
    if not isinstance(content, dict):
        raise ModelError("no checkpoint: it holds no mapping", where=path)
    return content
