"""HDF5 files that are there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ethopose.store import replacing

if TYPE_CHECKING:
    import h5py


@contextmanager
def replacing_hdf5(path: Path) -> Iterator["h5py.File"]:
    """An HDF5 file that becomes `path` when the block ends well; else `path` is as it was.

    Raises:
        ResultError: the disk is full, the place cannot be written to.
    """
    import h5py

    with replacing(path) as file:
        patient = _Patient(file)
        with h5py.File(patient, "w") as hdf5:
            yield hdf5
        if patient.failure is not None:
            raise patient.failure


class _Patient:
    """A file that takes every write and keeps the first failure for later.

    HDF5 crashes the process when it closes a file whose disk is full (a segmentation fault in 2.0), so it
    must never hear of it. What could not be written reads as zeros.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.failure: OSError | None = None
        self.position = self.size = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def tell(self) -> int:
        return self.position

    def write(self, content: memoryview) -> int:
        with self._failing_later():
            self.file.seek(self.position)  # writes what is buffered, so it can fail as well
            self.file.write(content)
        self.position += len(content)
        self.size = max(self.size, self.position)
        return len(content)

    def read(self, size: int) -> bytes:
        found = b""
        with self._failing_later():
            self.file.seek(self.position)
            found = self.file.read(size)
        self.position += size
        return found + bytes(size - len(found))

    def readinto(self, content: memoryview) -> int:
        content[:] = self.read(len(content))
        return len(content)

    def truncate(self, size: int) -> None:
        self.size = size
        with self._failing_later():
            self.file.truncate(size)

    def flush(self) -> None:
        with self._failing_later():
            self.file.flush()

    @contextmanager
    def _failing_later(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error
