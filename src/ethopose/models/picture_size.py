"""Parts that read pictures of one size alone."""

from __future__ import annotations

from collections.abc import Sequence

from ethopose.core import SpecError


def check_size(part: str, seen: Sequence[int], wanted: Sequence[int]) -> None:
    """Both (height, width), px.

    Raises:
        SpecError: they differ.
    """
    if tuple(seen) != tuple(wanted):
        told = [" x ".join(map(str, size)) for size in (wanted, seen)]
        raise SpecError(f"{part} was made for pictures of {told[0]} px, not {told[1]}", fix="set its size")
