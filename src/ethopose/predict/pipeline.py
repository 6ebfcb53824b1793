"""Reading, computing and writing beside one another, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 3  # items that a reader may be ahead


def read_ahead(items: Iterable[T]) -> Generator[T]:
    """The items, made in a thread of their own a little before they are asked for."""
    made, end = iter(items), object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="reader")
    pending: deque[Future[T | object]] = deque(pool.submit(next, made, end) for _ in range(AHEAD))
    try:
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, made, end))
            yield cast(T, item)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Generator[R]:
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
