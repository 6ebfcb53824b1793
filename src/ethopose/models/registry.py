"""A table of parts by name, to be read as a menu and added to by a decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from ethopose.core import SpecError

Part = TypeVar("Part")
Builder = TypeVar("Builder", bound=Callable[..., object])


class Registry(dict[str, Callable[..., Part]], Generic[Part]):
    """Builders of one kind of part by name; unknown names and unknown options are errors."""

    def __init__(self, kind: str, builders: Mapping[str, Callable[..., Part]]) -> None:
        super().__init__(builders)
        self.kind = kind

    def add(self, name: str) -> Callable[[Builder], Builder]:
        """A decorator that enters a class or function under `name`."""
        if name in self:
            what = f"there is a {self.kind} named {name!r} already"
            raise SpecError(what, fix="choose another name, or start Python anew to load its new version")

        def enter(builder: Builder) -> Builder:
            self[name] = builder  # type: ignore[assignment]
            return builder

        return enter

    def build(self, name: str, *inputs: object, **options: object) -> Part:
        """The part `name`, built from its inputs and the options that its signature knows."""
        if name not in self:
            raise SpecError(f"no {self.kind} is named {name!r}", fix=f"choose from {', '.join(self)}")
        signature = inspect.signature(self[name])
        try:
            signature.bind(*inputs, **options)
        except TypeError as error:
            raise SpecError(f"{self.kind} {name}: {error}", fix=f"it takes {signature}") from None
        try:
            return self[name](*inputs, **options)
        except (KeyError, TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
            what = f"{self.kind} {name} cannot be built with these options ({error!r})"
            raise SpecError(what, fix=f"it takes {signature}") from error
