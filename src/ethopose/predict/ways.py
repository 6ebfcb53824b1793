"""Ways of following animals as a user writes them: an option each, with its numbers in order or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ethopose.core import UsageError

if TYPE_CHECKING:
    from ethopose.predict.following import Way

Told = str | Mapping[str, Any] | Sequence[float]  # `0.5,10`, `margin=10`, `default`, or the same as values

CONSTANTS = {"true": True, "false": False, "none": None}
WAYS = ("dynamic", "top_down_dynamic", "track_conditions")


def parse_way(option: str, told: Told) -> Way:
    """What an option says: values in the order of its settings, or by their names; `default` for all as they
    are. Pairs are written `3x2`.

    Raises:
        UsageError: there is no such setting, or it makes no sense.
    """
    kind = _kind(option)
    names = [field.name for field in fields(kind)]
    given: dict[str, Any] = {}
    for place, (name, value) in enumerate(_items(told)):
        name = name or (names[place] if place < len(names) else "one more")
        if name not in names or name in given:
            raise UsageError(f"{option}: no setting {name!r}", fix=f"choose from {', '.join(names)}")
        given[name] = _value(f"{option}: {name}", value, getattr(kind(), name))
    way: Way = kind(**given)
    return way


def _kind(option: str) -> Any:
    from ethopose.predict.by_conditions import ByConditions
    from ethopose.predict.by_patches import ByPatches
    from ethopose.predict.by_window import ByWindow

    return {"dynamic": ByWindow, "top_down_dynamic": ByPatches, "track_conditions": ByConditions}[option]


def _items(told: Told) -> Sequence[tuple[str, Any]]:
    """Names, empty for values in their order, and values."""
    if isinstance(told, Mapping):
        return [(str(name), value) for name, value in told.items()]
    if isinstance(told, Sequence) and not isinstance(told, str):
        return [("", value) for value in told]
    if not isinstance(told, str):
        raise UsageError(f"{told!r} are no settings", fix="give default, values in order, or a dict")
    if told == "default":
        return []
    pieces = [piece.strip() for piece in told.split(",")]
    pairs = [piece.partition("=") if "=" in piece else ("", "", piece) for piece in pieces]
    return [(name.strip().replace("-", "_"), value.strip()) for name, _, value in pairs]


def _value(name: str, value: Any, default: Any) -> Any:
    """A value of the kind of its default."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", tuple: "a pair such as 3x2"}
    plain = _plain(value)
    kind = int if default is None else type(default)
    if default is None and plain is None:
        return None
    if kind is float and type(plain) is int:
        plain = float(plain)
    if kind is tuple and not (type(plain) is tuple and len(plain) == 2):
        plain = None
    if type(plain) is not kind:
        raise UsageError(f"{name} is {value!r}", fix=f"give {kinds[kind]}")
    return plain


def _plain(value: Any) -> Any:
    """What a text stands for; a list as a tuple."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    if value in CONSTANTS:
        return CONSTANTS[value]
    for kind in (int, float, lambda text: tuple(map(int, text.split("x")))):
        with suppress(ValueError):
            return kind(value)
    return value
