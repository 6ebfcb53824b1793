"""Parts of a user's own: a Python file that enters backbones, necks, heads, losses or groupings by name."""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ethopose.core import SpecError


def load_plugin(path: Path) -> None:
    """Run a file of parts, such as `@BACKBONES.add("mine")` over a class; the same content only once.

    Raises:
        SpecError: the file cannot be read, its code fails, or a name that it adds is taken, as those of an
            earlier version of the file are. Nothing that it added stays then.
    """
    from ethopose.models.menu import REGISTRIES

    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(f"own parts that cannot be read ({error.strerror})", where=path) from error
    module = ModuleType(f"ethopose_plugin_{hashlib.sha256(content).hexdigest()}")
    if module.__name__ in sys.modules:
        return
    module.__file__ = str(path)
    before = [dict(registry) for registry in REGISTRIES]
    try:
        sys.modules[module.__name__] = module  # where dataclasses look for it
        exec(compile(content, path, "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[module.__name__]
        for registry, parts in zip(REGISTRIES, before, strict=True):
            registry.clear()
            registry.update(parts)
        raise _explained(error, path) from error


def _explained(error: Exception, path: Path) -> SpecError:
    lines = [call.lineno for call in traceback.extract_tb(error.__traceback__) if call.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    where = f"{path}:{line}" if line else path
    if isinstance(error, SpecError):
        return SpecError(error.what, where=where, fix=error.fix)
    return SpecError(f"own parts that cannot be loaded ({type(error).__name__}: {error})", where=where)
