"""Pickled mappings, written piece by piece: memory does not grow with their length.

A pickle of a mapping is an empty one, followed by instructions that put items into what lies on the stack.
Those of another mapping do the same, so that the pieces of a stream are pickles without their first and last
instructions. This holds for protocol 3, in which memory cells are numbered and not counted.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

_PROTOCOL = 3
_BEGIN = pickle.dumps({}, _PROTOCOL)[:3]  # protocol, an empty mapping
_MEMO = 2  # bytes: the mapping of a piece enters itself as memory cell 0
_KEPT = 1 << 20  # memory cells from here on are for mappings that go on: no piece is as long
# NumPy 1 knows arrays by this name only, NumPy 2 by both
_MODULE = (b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


class PickleStream:
    """A mapping being pickled into a file: `add` items as they come, `close` it at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(_BEGIN)

    def add(self, items: Mapping[Any, Any]) -> None:
        """Enter these items."""
        self._file.write(pickle.dumps(dict(items), _PROTOCOL)[len(_BEGIN) + _MEMO : -1].replace(*_MODULE))

    def open(self, key: str) -> None:
        """Begin a mapping within: items are entered into it until `shut`."""
        self._file.write(pickle.dumps(key, _PROTOCOL)[2:-1] + pickle.EMPTY_DICT)

    def shut(self) -> None:
        """End the mapping within, which then is the value of its key."""
        self._file.write(pickle.SETITEM)

    def begin(self, number: int, key: Any) -> None:
        """Begin a mapping within that is entered into as `number` whenever there is something for it."""
        self.open(key)
        self._file.write(pickle.LONG_BINPUT + struct.pack("<I", _KEPT + number))
        self.shut()

    def add_to(self, number: int, items: Mapping[Any, Any]) -> None:
        """Enter these items into a mapping that has begun."""
        self._file.write(pickle.LONG_BINGET + struct.pack("<I", _KEPT + number))
        self.add(items)
        self._file.write(pickle.POP)

    def close(self) -> None:
        """End the pickle; the file stays open."""
        self._file.write(pickle.STOP)
