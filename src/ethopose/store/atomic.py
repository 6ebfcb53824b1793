"""Files that are there whole or not at all; every write of the house goes through here."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ethopose.core import DiskFullError, ResultError

TEMPORARY = ".partial-"  # how the name of an unfinished file begins

_FIXES = {
    errno.ENOSPC: "free some space, then start the same command again: it continues",
    errno.EDQUOT: "free some of your quota, then start the same command again: it continues",
    errno.EACCES: "choose a place that you may write to (-o)",
    errno.EPERM: "choose a place that you may write to (-o)",
    errno.EROFS: "choose a place that you may write to (-o)",
    errno.ENAMETOOLONG: "choose a shorter name (-o)",
}


class Disk:
    """The operations that change the disk; a test puts a recording or failing one into `atomic.disk`."""

    def make_folder(self, path: Path) -> None:
        """A folder with its parents; one that exists is left alone."""
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> BinaryIO:
        """A new file, open for writing and reading back; one that exists is an error."""
        return path.open("x+b")

    def sync(self, path: Path) -> None:
        """Wait until the file's bytes are on the disk."""
        with path.open("r+b") as file:
            os.fsync(file.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Give a file its final name, in one step."""
        source.replace(target)

    def sync_folder(self, path: Path) -> None:
        """Wait until the folder's names are on the disk."""
        if os.name == "nt":  # folders cannot be opened there; the file system keeps their order
            return
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, path: Path) -> None:
        """Remove a file; one that is gone already is no error."""
        path.unlink(missing_ok=True)


disk = Disk()


@contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` for a library that opens files itself; it becomes `path` at the end.

    It ends like `path`, for libraries that go by the suffix. If the block fails, `path` is as it was
    and the temporary file is gone. Errors of the disk become `ResultError`.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    with disk_errors(path):
        try:
            yield temporary
            disk.sync(temporary)
            disk.replace(temporary, path)
        except BaseException:
            disk.remove(temporary)
            raise
        disk.sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well; else `path` is as it was.

    Raises:
        ResultError: the disk is full, the place cannot be written to.
    """
    with replacing_path(path) as temporary, disk.create(temporary) as file:
        yield file


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Errors of the operating system in this block, as `ResultError` with the way out."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else ResultError
        raise kind(f"cannot be written: {reason}", where=path, fix=_FIXES.get(error.errno or 0)) from error


def make_folder(path: Path) -> None:
    """A folder with its parents; one that exists is left alone. Raises `ResultError`."""
    with disk_errors(path):
        disk.make_folder(path)


@contextmanager
def filling(path: Path) -> Iterator[None]:
    """A folder to write into, with its parents; if the block fails before anything is in a new one, there
    is none. Raises `ResultError`."""
    there = path.is_dir()
    make_folder(path)
    try:
        yield
    except BaseException:
        if not there and not any(path.iterdir()):
            path.rmdir()
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it, if it is there. Raises `ResultError`."""
    with disk_errors(path):
        for inner in sorted(path.rglob("*"), reverse=True):
            if inner.is_dir() and not inner.is_symlink():
                inner.rmdir()
            else:
                disk.remove(inner)
        if path.is_dir():
            path.rmdir()


def remove(path: Path) -> None:
    """Remove a file if it is there. Raises `ResultError`."""
    with disk_errors(path):
        disk.remove(path)
