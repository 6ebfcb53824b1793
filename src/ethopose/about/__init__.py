"""What a path is, and how this machine is.

Each name is fetched when it is first used: the doctor must also work where the rest cannot be imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ethopose.about.doctor import Finding, examine
    from ethopose.about.facts import info
    from ethopose.about.rows import describe

_HOME = {"Finding": "doctor", "examine": "doctor", "info": "facts", "describe": "rows"}

__all__ = ["Finding", "describe", "examine", "info"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
