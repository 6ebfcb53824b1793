"""Worker processes as the supervisor holds them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from ethopose.core import EthoposeError
from ethopose.run.bench import Setup
from ethopose.run.messages import Answer, Beat, Look, Make, Reply, Task, Trying, Unfit, Wrap

log = logging.getLogger(__name__)

COMMAND = "from ethopose.run.worker import main; main()"
LAST = 5.0  # seconds that a killed process has to go
IDLE = 0.05  # seconds between two beats in which a process that does nothing computes, at most


class Hand(ABC):
    """Somebody who does tasks: a worker process, or a place on a cluster."""

    parts: int | None = None  # that it is given at a time; None: a share of all that are missing
    watched = True  # whether silence means that it hangs

    def __init__(self, device: str) -> None:
        self.device = device
        self.tasks: dict[int, Task] = {}
        self.ready = False
        self.unfit: EthoposeError | None = None
        self.beat = Beat()
        self.trying: Trying | None = None
        self.sign = time.monotonic()  # when it last made progress
        self.line: Connection  # readable when there is something to hear

    @property
    def heavy(self) -> list[Make]:
        """The parts that it was given, the first of them under way."""
        return [task for task in self.tasks.values() if isinstance(task, Make)]

    @property
    def light(self) -> list[Look | Wrap]:
        """What it does beside."""
        return [task for task in self.tasks.values() if not isinstance(task, Make)]

    @property
    def busy(self) -> bool:
        """Whether it has anything to do."""
        return bool(self.tasks) or not self.ready

    def give(self, task: Task) -> None:
        """Hand a task over."""
        if not self.tasks:
            self.sign = time.monotonic()
        self.tasks[task.id] = task
        self.send(task)

    def hear(self) -> Reply:
        """The next reply. Raises EOFError where nobody is there any more."""
        try:
            reply: Reply = self.line.recv()
        except OSError as error:  # it ended, perhaps in the middle of a word
            raise EOFError from error
        if self._is_progress(reply):
            self.sign = time.monotonic()
        match reply:
            case Beat():
                self.beat = reply
            case Trying():
                self.trying = reply
            case Unfit():
                self.unfit = reply.error
            case Answer():
                self.trying = None
        return reply

    def _is_progress(self, reply: Reply) -> bool:
        """Frames are; where none are asked for, it is enough to compute at all."""
        if not isinstance(reply, Beat):
            return True
        return reply.frames != self.beat.frames or (not self.heavy and reply.cpu > self.beat.cpu + IDLE)

    @abstractmethod
    def send(self, task: Task) -> None:
        """Pass a task on; to somebody who is gone it may be lost."""

    @abstractmethod
    def dismiss(self) -> int | None:
        """End it; gives what its process ended with, a negative number for a signal."""


class ProcessHand(Hand):
    """A worker process. It is started as a command of its own, so that scripts that call `ethopose.run` need
    no guard."""

    def __init__(self, setup: Setup, device: str, sink: Path) -> None:
        super().__init__(device)
        self.line, theirs = Pipe()
        with sink.open("ab") as file, theirs:
            handle = theirs.fileno()
            if sys.platform == "win32":
                os.set_handle_inheritable(handle, True)
            else:
                os.set_inheritable(handle, True)
            self.process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, str(handle)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                close_fds=False,
            )
        with suppress(ConnectionError):  # it is gone already, which is heard
            self.line.send(setup)

    def send(self, task: Task) -> None:
        """Pass a task on."""
        with suppress(ConnectionError):
            self.line.send(task)

    def dismiss(self) -> int | None:
        """Kill the process: all that is stored is whole, and the rest is not wanted."""
        self.process.kill()
        self.line.close()
        try:
            return self.process.wait(LAST)
        except subprocess.TimeoutExpired:
            log.warning("process %d does not go: a disk does not answer it", self.process.pid)
            return None
