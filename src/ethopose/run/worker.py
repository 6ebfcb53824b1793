"""A process that predicts on one device what the supervisor hands to it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing import connection
from multiprocessing.connection import Connection
from queue import SimpleQueue

from ethopose.core import EthoposeError
from ethopose.run.bench import Setup
from ethopose.run.messages import (
    Beat,
    Failed,
    Logged,
    Look,
    Looked,
    Made,
    Make,
    Ready,
    Reply,
    Task,
    Through,
    Trying,
    Unfit,
    Wrap,
)
from ethopose.runtime.device import host_peak

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds
CONNECTION = getattr(connection, "PipeConnection", connection.Connection)  # on Windows it is another


class Line:
    """The way to the supervisor; without it there is nothing to work for."""

    def __init__(self, channel: Connection) -> None:
        self._channel, self._lock = channel, threading.Lock()

    def send(self, reply: Reply) -> None:
        """Tell."""
        try:
            with self._lock:
                self._channel.send(reply)
        except ConnectionError:
            os._exit(1)

    def receive(self) -> Task:
        """Wait for a task."""
        try:
            task: Task = self._channel.recv()
        except (EOFError, ConnectionError):
            os._exit(1)
        return task


class Forward(QueueHandler):
    """Log lines to the supervisor."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)  # type: ignore[arg-type]  # it only serves `enqueue`

    def enqueue(self, record: logging.LogRecord) -> None:
        """Pass a line on."""
        self.queue.send(Logged(record))  # type: ignore[attr-defined]


def main() -> None:
    """What a worker's process runs; it is given its end of the line by number."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the supervisor, which will tell
    channel: Connection = CONNECTION(int(sys.argv[1]))
    setup: Setup = channel.recv()
    line = Line(channel)
    root = logging.getLogger("ethopose")
    root.setLevel(logging.DEBUG)
    root.addHandler(Forward(line))
    Worker(line, setup).run()


class Worker:
    """Two lanes: videos are opened and results wrapped up while others are predicted."""

    def __init__(self, line: Line, setup: Setup) -> None:
        self.line, self.bench = line, setup.bench()
        self._heavy: SimpleQueue[Task] = SimpleQueue()
        self._light: SimpleQueue[Task] = SimpleQueue()
        self._frames = 0

    def run(self) -> None:
        """Until the supervisor is gone, or has had enough of it."""
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        try:
            self.bench.maker(0)
        except EthoposeError as error:
            self.line.send(Unfit(error))
            os._exit(1)
        self.line.send(Ready())
        for lane in (self._heavy, self._light):
            threading.Thread(target=self._work_off, args=(lane,), daemon=True).start()
        while True:
            task = self.line.receive()
            (self._heavy if isinstance(task, Make) else self._light).put(task)

    def _beat(self) -> None:
        while True:
            self.line.send(Beat(self._frames, host_peak(), _gpu_memory(), time.process_time()))
            time.sleep(BEAT)

    def _work_off(self, lane: SimpleQueue[Task]) -> None:
        while True:
            task = lane.get()
            try:
                self.line.send(self._done(task))
            except EthoposeError as error:
                self.line.send(Failed(task.id, task.work, error))
            except Exception as error:
                log.debug("%s", traceback.format_exc())
                fault = EthoposeError(f"a fault of ethopose itself: {type(error).__name__}: {error}")
                self.line.send(Failed(task.id, task.work, fault))

    def _done(self, task: Task) -> Reply:
        told: Callable[[int], None] | None = None
        if not isinstance(task, Wrap) and task.careful:
            told = lambda packet: self.line.send(Trying(task.work, packet))  # noqa: E731
        match task:
            case Look():
                return Looked(task.id, task.work, self.bench.look(task, told))
            case Wrap():
                return self.bench.wrap(task)
            case Make():
                made = lambda record: self.line.send(Made(task.work, record))  # noqa: E731
                return Through(task.id, task.work, self.bench.make(task, made, self._count, told))

    def _count(self, frames: int) -> None:
        self._frames += frames


def _gpu_memory() -> int:
    try:
        cuda = sys.modules["torch"].cuda
        return int(cuda.max_memory_reserved()) if cuda.is_initialized() else 0
    except (KeyError, AttributeError):  # torch is not there, or another thread is importing it
        return 0
