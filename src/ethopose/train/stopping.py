"""Ctrl-C and the end of a batch job: noticed at once, obeyed at the end of a step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, cast

import torch
from lightning_fabric import Fabric

HEARD = 10  # steps after which several processes ask one another


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

    def agree(self, fabric: Fabric, step: int) -> bool:
        """Whether to stop after this step; of several processes all, as soon as one is asked to."""
        if fabric.world_size == 1:
            return self.asked is not None
        if step % HEARD:
            return False
        mine = torch.tensor(float(self.asked or 0), device=fabric.device)
        highest = cast(torch.Tensor, fabric.all_reduce(mine, reduce_op="max"))
        self.asked = int(highest) or None
        return self.asked is not None

    def obey(self) -> None:
        """What the signal would have done, if one came."""
        if self.asked is not None:
            signal.signal(self.asked, self._before[self.asked])
            signal.raise_signal(self.asked)
