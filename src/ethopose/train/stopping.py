"""Ctrl-C and the end of a batch job: noticed at once, obeyed at the end of a step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Stopping:
    """While entered, SIGINT and SIGTERM set `asked`; a second one counts as it always did."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
        self.asked = number

    def obey(self) -> None:
        """What the signal would have done, if one came."""
        if self.asked is not None:
            signal.signal(self.asked, self._before[self.asked])
            signal.raise_signal(self.asked)
