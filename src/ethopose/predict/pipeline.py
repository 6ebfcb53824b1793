"""Reading, computing and writing beside one another, in order, with bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WAITING = 2  # items that a reader may be ahead


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, made in a thread of their own a little before they are asked for.

    Closing the iterator ends the thread; an exception in it is raised here.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(WAITING)
    stopped = threading.Event()

    def offer(item: T | None, error: BaseException | None = None) -> bool:
        while not stopped.is_set():
            try:
                ready.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not offer(item):
                    return
        except BaseException as error:
            offer(None, error)
        else:
            offer(None, _End())

    thread = threading.Thread(target=work, name="reader", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, _End):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join(timeout=2)


def in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """`work` done on each item by `parallel` threads; results in the order of the items."""
    pool = ThreadPoolExecutor(parallel, thread_name_prefix="predictor")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > parallel:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Behind:
    """One job at a time in a thread of its own; the next waits for it, and so does leaving the block."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._job: Future[None] | None = None

    def __enter__(self) -> Behind:
        return self

    def do(self, job: Callable[[], None]) -> None:
        """Start a job once the one before is done; its exception comes at the next call."""
        self._settle()
        self._job = self._pool.submit(job)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._settle()
        finally:
            self._pool.shutdown(wait=True)

    def _settle(self) -> None:
        if self._job is not None:
            self._job.result()


class _End(Exception):
    """The items are at their end."""
