"""The parts of docs/add-a-part.md, as a user copies them from the page; and a menu that forgets them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/add-a-part.md"


def blocks(language: str = "python") -> list[str]:
    """The page's blocks of code."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def write_parts(folder: Path, name: str = "my_parts.py") -> Path:
    """The page's file of parts."""
    (folder / name).write_text(blocks()[0])
    return folder / name


@contextmanager
def forgotten() -> Iterator[None]:
    """What plugins add in the block is gone after it, and their files count as not loaded."""
    from ethopose.models.menu import REGISTRIES

    before, modules = [dict(registry) for registry in REGISTRIES], set(sys.modules)
    try:
        yield
    finally:
        for registry, parts in zip(REGISTRIES, before, strict=True):
            registry.clear()
            registry.update(parts)
        for name in set(sys.modules) - modules:
            if name.startswith("ethopose_plugin_"):
                del sys.modules[name]
