"""Whose a folder is while it is written: a file made by one process alone, kept fresh, taken over when stale.

No locks of the operating system: they mean little on network disks. A claim is a file created exclusively;
its holder renews its time every few seconds. Who finds one that was not renewed for a minute, or whose
process is gone from this machine, renames it away, which only one can, and makes its own.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from ethopose.core import BusyError
from ethopose.store.atomic import TEMPORARY, disk_errors, make_folder, remove_folder

log = logging.getLogger(__name__)

NAME = ".claim"
BEAT, STALE = 5.0, 60.0  # seconds
TRIES = 5  # against others who try at the same moment

_held: dict[str, Claim] = {}  # by token: those of this process


@dataclass(frozen=True, slots=True)
class Holder:
    """Who made a claim."""

    host: str
    machine: str  # tells whether process numbers can be compared
    pid: int
    token: str
    since: float

    @classmethod
    def here(cls) -> Holder:
        """This process, by a new token."""
        return cls(socket.gethostname(), _machine(), os.getpid(), secrets.token_hex(8), time.time())

    def is_gone(self) -> bool:
        """Whether it is certain that nobody holds the claim any more."""
        if self.machine != _machine():
            return False
        if self.pid == os.getpid():
            return self.token not in _held  # of an earlier process that had our number
        return not _is_running(self.pid)


class Claim:
    """A folder of one's own until `release`."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path, self.holder = path, holder
        self._released = threading.Event()
        self._lost = False
        _held[holder.token] = self
        threading.Thread(target=self._keep_fresh, name="claim", daemon=True).start()

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def check(self) -> None:
        """Raises BusyError where another run has taken the folder over: nobody saw this process live."""
        try:
            taken = self._lost or _holder(self.path) not in (self.holder, None)
        except OSError as error:  # a network disk that is away: nobody else can tell more
            log.debug("the claim %s cannot be read: %s", self.path, error)
            return
        if taken:
            raise BusyError("another run has taken over here", where=self.path.parent, fix="let it finish")

    def release(self) -> None:
        """Leave the folder to others."""
        if _held.pop(self.holder.token, None) is None:
            return
        self._released.set()
        with suppress(OSError):  # a network disk that is away: the claim grows old by itself
            if not self._lost and _holder(self.path) == self.holder:
                self.path.unlink(missing_ok=True)

    def _keep_fresh(self) -> None:
        missed = False
        while not self._released.wait(BEAT):
            try:
                found = _holder(self.path)
                if found != self.holder and (found or missed):
                    self._lost = not self._released.is_set()
                    return
                missed = found is None  # somebody may hold it aside for a moment
                if not missed:
                    os.utime(self.path)
            except OSError as error:  # a network disk that is away: perhaps it comes back
                log.debug("the claim %s cannot be renewed: %s", self.path, error)


def claim(folder: Path) -> Claim:
    """The claim on a folder that exists.

    Raises:
        BusyError: another run has it.
        ResultError: the folder cannot be written to.
    """
    path, mine = folder / NAME, Holder.here()
    for _ in range(TRIES):
        with disk_errors(folder):
            if _create(path, mine):
                return Claim(path, mine)
            found = _holder(path)
            if not _is_stale(path, found):
                break
            _put_away(path, found, mine)
    who = f"process {found.pid} on {found.host}" if found else "a process"
    raise BusyError(
        f"another run is at work here ({who})", where=folder, fix="let it finish, or stop it first"
    )


def is_claimed(folder: Path) -> bool:
    """Whether somebody who seems to live is at work on a folder."""
    path = folder / NAME
    return path.exists() and not _is_stale(path, _holder(path))


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """A folder of one's own beside what is to be made, gone at the end. What a killed run left in it goes
    with it when the same is made again. Raises `BusyError` where another run has it, `ResultError`."""
    folder = target.absolute().with_name(f"{TEMPORARY}{target.absolute().name}")
    make_folder(folder)
    with claim(folder):
        try:
            yield folder
        finally:
            remove_folder(folder)


def check_held(folder: Path, token: str) -> None:
    """What a process asks that writes for the holder of a claim, who told it the token.

    Raises:
        BusyError: the claim is given up, or another's.
    """
    found = _holder(folder / NAME)
    if found is None or found.token != token:
        raise BusyError("the run that asked for it has left this result", where=folder)


def _create(path: Path, holder: Holder) -> bool:
    """Make the file, which only one can; whether it was us."""
    try:
        with path.open("x") as file:
            file.write(json.dumps(asdict(holder)))
    except FileExistsError:
        return False
    except OSError:
        path.unlink(missing_ok=True)  # the disk is full: nothing half made
        raise
    return True


def _holder(path: Path) -> Holder | None:
    """Who holds the claim; None where nobody does, or the file is damaged."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_stale(path: Path, holder: Holder | None) -> bool:
    """Whether nobody renews it; of one that cannot be read, being written just now perhaps, time decides."""
    if holder is not None and holder.is_gone():
        return True
    probe = path.with_name(f"{NAME}-{secrets.token_hex(8)}")
    try:
        probe.touch()  # by the clock of the disk, which may be another machine's
        return probe.stat().st_mtime - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True  # it is gone: ours to make
    finally:
        probe.unlink(missing_ok=True)


def _put_away(path: Path, stale: Holder | None, mine: Holder) -> None:
    """Remove the stale claim; one that was made a moment ago in its place is put back."""
    aside = path.with_name(f"{NAME}-{mine.token}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if _holder(aside) != stale:
        try:
            os.link(aside, path)
        except FileExistsError:
            pass  # a third has made one meanwhile
        except OSError:  # no links on this disk
            if not path.exists():
                aside.rename(path)
    aside.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # where asking would send it Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _machine() -> str:
    """This boot of this machine, and which of its spaces of process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()
