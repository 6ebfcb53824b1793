"""Several processes that train together: those that are spawned tell the first what happens in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from threading import Thread
from typing import Any, TypeVar

from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from ethopose.core import EthoposeError, InferenceError
from ethopose.train.journal import Nobody, Row, Watch

Value = TypeVar("Value")
Work = Callable[[Fabric, Watch], Value]


class Messenger:
    """Looks on in a spawned process, for who looks on in the one that spawned it."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def plan(self, plan: Any) -> None:
        """Nothing: it was told before."""

    def bar(self, what: str, done: int, total: int) -> None:
        """Passed on."""
        self._queue.put(("bar", (what, done, total)))

    def row(self, row: Row) -> None:
        """Passed on."""
        self._queue.put(("row", (row,)))

    def say(self, text: str) -> None:
        """Passed on."""
        self._queue.put(("say", (text,)))


def launch(fabric: Fabric, work: Work[Value], watch: Watch, *, spawned: bool) -> Value:
    """Do the work in all processes of `fabric`; `watch` sees the first of them. Gives what that one gives.

    Raises:
        EthoposeError: one of them raised it.
    """
    if not spawned:
        told: Value = fabric.launch(partial(_with, watch, work))
        return told
    queue = get_context("spawn").SimpleQueue()
    errors: list[EthoposeError] = []
    listener = Thread(target=_listen, args=(queue, watch, errors), daemon=True)
    listener.start()
    try:
        told = fabric.launch(partial(_spawned, work, queue))
    except (ProcessRaisedException, ProcessExitedException) as error:
        queue.put(None)
        listener.join()
        if errors:
            raise errors[0] from None
        if isinstance(error, ProcessExitedException):
            raise InferenceError(
                f"a process was ended from outside ({error})", fix="--resume goes on"
            ) from None
        raise
    queue.put(None)
    listener.join()
    return told


def _with(watch: Watch, work: Work[Value], fabric: Fabric) -> Value:
    return work(fabric, watch)


def _spawned(work: Work[Value], queue: Any, fabric: Fabric) -> Value:
    try:
        return work(fabric, Messenger(queue) if fabric.is_global_zero else Nobody())
    except EthoposeError as error:
        queue.put(("error", (error,)))
        raise


def _listen(queue: Any, watch: Watch, errors: list[EthoposeError]) -> None:
    while (message := queue.get()) is not None:
        name, told = message
        if name == "error":
            errors.append(*told)
        else:
            getattr(watch, name)(*told)
