"""Reading, computing and writing beside one another: in order, bounded, and honest about what fails."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethopose.predict.pipeline import AHEAD, Behind, in_order, read_ahead


class Source:
    """Numbers, counted as they are taken; the one at `fails` cannot be read."""

    def __init__(self, stop: int, fails: int | None = None) -> None:
        self.stop, self.fails, self.taken = stop, fails, 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.stop):
            if number == self.fails:
                raise OSError("unreadable")
            self.taken += 1
            yield number


def take(items, got: list) -> None:
    """Every item into the list, until one fails."""
    for item in items:
        got.append(item)


def do_all(*jobs) -> None:
    with Behind() as behind:
        for job in jobs:
            behind.do(job)


def wait_for(condition, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@given(delays=st.lists(st.integers(0, 3), max_size=12), parallel=st.integers(1, 4))
def test_results_come_in_the_order_of_the_items_whatever_each_takes(delays, parallel):
    def work(item):
        time.sleep(item[1] / 2000)
        return item[0]

    assert list(in_order(work, enumerate(delays), parallel)) == list(range(len(delays)))


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_no_more_than_parallel_items_are_worked_on_at_once_and_so_many_are(parallel):
    busy, most, lock = 0, 0, threading.Lock()

    def work(_):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        with lock:
            busy -= 1

    list(in_order(work, range(20), parallel))
    assert most == parallel


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_items_wait_where_nobody_takes_the_results(parallel):
    source = Source(100)
    results = in_order(lambda item: item, source, parallel)
    next(results)
    time.sleep(0.05)
    assert source.taken == parallel + 1
    results.close()


def test_a_reader_is_ahead_by_a_bounded_number_of_items():
    source = Source(100)
    items = read_ahead(source)
    assert next(items) == 0
    assert wait_for(lambda: source.taken == AHEAD + 1)
    time.sleep(0.05)
    assert source.taken == AHEAD + 1
    items.close()


@given(count=st.integers(0, 10))
def test_reading_ahead_gives_every_item_once(count):
    assert list(read_ahead(Source(count))) == list(range(count))


@given(count=st.integers(1, 8), data=st.data())
def test_what_reading_raises_comes_after_the_items_before_it(count, data):
    fails = data.draw(st.integers(0, count - 1))
    got = []
    with pytest.raises(OSError, match="unreadable"):
        take(read_ahead(Source(count, fails)), got)
    assert got == list(range(fails))


@given(count=st.integers(1, 8), parallel=st.integers(1, 3), data=st.data())
def test_what_the_work_raises_comes_in_the_place_of_its_result(count, parallel, data):
    fails = data.draw(st.integers(0, count - 1))

    def work(item):
        if item == fails:
            raise ValueError("broken")
        return item

    got = []
    with pytest.raises(ValueError, match="broken"):
        take(in_order(work, range(count), parallel), got)
    assert got == list(range(fails))


def test_closing_early_ends_the_threads_and_starts_no_waiting_work():
    done, gate = [], threading.Event()

    def work(item):
        gate.wait(5)
        done.append(item)

    before = set(threading.enumerate())
    results = in_order(work, range(50), 2)
    puller = threading.Thread(target=lambda: next(results, None))
    puller.start()
    assert wait_for(lambda: len(set(threading.enumerate()) - before) == 3)
    gate.set()
    puller.join()
    results.close()
    assert wait_for(lambda: not set(threading.enumerate()) - before)
    assert len(done) <= 3


def test_closing_a_reader_ends_its_thread_and_reads_nothing_more():
    gate, waits, taken = threading.Event(), threading.Event(), []

    def source():
        for number in range(50):
            if number:
                waits.set()
                gate.wait(5)
            taken.append(number)
            yield number

    before = set(threading.enumerate())
    items = read_ahead(source())
    assert next(items) == 0
    assert waits.wait(5)
    items.close()
    gate.set()
    assert wait_for(lambda: not set(threading.enumerate()) - before)
    assert taken == [0, 1]  # the second was under way


def test_jobs_behind_run_one_at_a_time_in_order_and_all_before_the_block_ends():
    log = []

    def job(number):
        def run():
            log.append(("begin", number))
            time.sleep(0.005)
            log.append(("end", number))

        return run

    do_all(*map(job, range(4)))
    assert log == [(word, number) for number in range(4) for word in ("begin", "end")]


def test_a_job_behind_does_not_keep_the_caller_waiting():
    gate, opened = threading.Event(), []
    with Behind() as behind:
        behind.do(lambda: opened.append(gate.wait(5)))
        gate.set()
    assert opened == [True]


def fail() -> None:
    raise OSError("full")


def test_what_a_job_raises_comes_with_the_next_one_which_does_not_run():
    ran = []
    with pytest.raises(OSError, match="full"):
        do_all(fail, lambda: ran.append(1))
    assert ran == []


def test_what_the_last_job_raises_comes_as_the_block_ends():
    with pytest.raises(OSError, match="full"):
        do_all(fail)


def test_an_error_in_the_block_is_not_hidden_by_one_behind_and_the_job_is_waited_for():
    done = threading.Event()

    def job():
        time.sleep(0.02)
        done.set()
        raise OSError("full")

    def block():
        with Behind() as behind:
            behind.do(job)
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert done.is_set()
